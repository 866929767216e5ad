/** Certificates and keys: they are read, and checked before anything is served with them. */
import type { KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { nodeCrypto, nodeTls } from '../transport/node-tls.ts'
import type { Finding, Path } from './problems.ts'
import { mapOf } from './raw.ts'

/** The contents of the files that a `tls` section names. An option that is absent, or could not be read, is not there. */
export interface PemFiles {
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly ca?: Buffer
}

/**
 * Reads the PEM options of one `tls` section and checks that they parse and belong together.
 * @param section as the user wrote it
 * @param caOption `clientCa` for a listener, `ca` for a backend
 * @param folder where relative paths start
 * @param seen gets the path of each file that is read, or that cannot be
 */
export function readPemFiles(
  section: unknown,
  path: Path,
  caOption: 'ca' | 'clientCa',
  folder: string,
  seen?: Set<string>,
): { files: PemFiles; findings: Finding[] } {
  const raw = mapOf(section)
  const findings: Finding[] = []
  const find = (option: string, message: string, warning = false): void => {
    findings.push({ path: [...path, option], message, warning })
  }
  const read = (option: string): Source | undefined => {
    const source = readSource(raw[option], folder, seen)
    if (typeof source === 'string') find(option, source)
    return typeof source === 'string' ? undefined : source
  }
  const cert = read('cert')
  const key = read('key')
  const ca = read(caOption)

  const certificates = cert && checkCertificates(cert, (message, warning) => find('cert', message, warning))
  const privateKey = key && checkKey(key, message => find('key', message))
  if (key) checkMode(key, message => find('key', message, true))
  if (ca) checkCertificates(ca, (message, warning) => find(caOption, message, warning))
  if (certificates?.[0] !== undefined && privateKey !== undefined) {
    if (!certificates[0].checkPrivateKey(privateKey)) {
      find('key', `${key?.name} does not belong to the certificate ${cert?.name}`)
    } else if (findings.every(finding => finding.warning)) {
      checkTogether(cert, key, ca, message => find('cert', message))
    }
  }
  return {
    files: { cert: cert?.bytes, key: key?.bytes, ca: ca?.bytes },
    findings,
  }
}

interface Source {
  /** For messages: the path as it was written, or what stands for it. */
  readonly name: string
  readonly bytes: Buffer
  /** The mode of the file that it was read from, where files have modes. */
  readonly mode?: number
}

/** Windows says 0666 of every file. */
const HAS_MODES = process.platform !== 'win32'

/** @returns the text of the problem when it cannot be read, undefined when there is nothing to read */
function readSource(value: unknown, folder: string, seen: Set<string> | undefined): Source | string | undefined {
  if (value instanceof Uint8Array) return { name: 'the given Buffer', bytes: Buffer.from(value) }
  if (typeof value !== 'string' || value === '') return undefined
  if (value.trimStart().startsWith('-----BEGIN')) return { name: 'the given PEM', bytes: Buffer.from(value) }
  const file = resolve(folder, value)
  seen?.add(file)
  try {
    return { name: value, bytes: readFileSync(file), mode: HAS_MODES ? statSync(file).mode : undefined }
  } catch (error) {
    return `cannot read ${file}: ${reasonOf(error)}`
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
}

export function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string' && REASONS[code] !== undefined) return REASONS[code]
  return error instanceof Error ? error.message : String(error)
}

type Tell = (message: string, warning?: boolean) => void

const CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g

function checkCertificates({ name, bytes }: Source, tell: Tell): X509Certificate[] {
  const blocks = bytes.toString('latin1').match(CERTIFICATE) ?? []
  if (blocks.length === 0) tell(`${name} has no PEM certificate`)
  const { X509Certificate } = nodeCrypto()
  return blocks.flatMap((block, i) => {
    try {
      const certificate = new X509Certificate(block)
      if (certificate.validToDate < new Date())
        tell(`certificate ${i + 1} in ${name} expired on ${certificate.validTo}`, true)
      return [certificate]
    } catch (error) {
      tell(`certificate ${i + 1} in ${name} cannot be parsed: ${reasonOf(error)}`)
      return []
    }
  })
}

function checkKey({ name, bytes }: Source, tell: Tell): KeyObject | undefined {
  const text = bytes.toString('latin1')
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    tell(`${name} has no PEM private key`)
    return undefined
  }
  // PKCS #8 and the older form of OpenSSL. Asked before parsing, which might ask the terminal for a passphrase.
  if (/-----BEGIN ENCRYPTED |Proc-Type: 4,ENCRYPTED/.test(text)) {
    tell(`${name} is encrypted: decrypt it first`)
    return undefined
  }
  try {
    return nodeCrypto().createPrivateKey(bytes)
  } catch (error) {
    tell(`${name} cannot be parsed: ${reasonOf(error)}`)
    return undefined
  }
}

/** Whoever can read a key can use it. */
function checkMode({ name, mode = 0 }: Source, tell: Tell): void {
  if ((mode & 0o044) === 0) return
  tell(`${name} can be read by others than its owner (mode 0${(mode & 0o777).toString(8)}): chmod 600`)
}

/** What only OpenSSL finds: keys too small for its security level, broken chains. */
function checkTogether(cert: Source | undefined, key: Source | undefined, ca: Source | undefined, tell: Tell): void {
  try {
    nodeTls().createSecureContext({ cert: cert?.bytes, key: key?.bytes, ca: ca?.bytes })
  } catch (error) {
    tell(`${cert?.name} cannot be used: ${reasonOf(error)}`)
  }
}
