/** Certificates and keys: they are read, and checked before anything is served with them. */
import type { KeyObject, X509Certificate } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { CertificateTerm } from '../proxy/certificate-term.ts'
import { crlBlocks, type RevocationList, readCrl, subjectOf } from '../transport/crl.ts'
import { nodeCrypto, nodeTls } from '../transport/node-tls.ts'
import { canonicalName, isServedName, namesOf } from '../transport/server-names.ts'
import { type PemSource, readSource, reasonOf } from './pem-source.ts'
import { type Finding, formatPath, type Path } from './problems.ts'
import { listOf, mapOf } from './raw.ts'

/** The contents of the files that a `tls` section names. An option that is absent, or could not be read, is not there. */
export interface PemFiles {
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly ca?: Buffer
  readonly crl?: Buffer
}

export interface PemReading {
  /** Where relative paths start. */
  readonly folder: string
  /** Gets the path of each file that is read, or that cannot be. */
  readonly seen?: Set<string> | undefined
  /**
   * Whether a file is used already, with these contents. Undefined: nothing is in force yet. Where there is something that
   * works, what is new must be valid now.
   */
  readonly isInForce?: ((bytes: Buffer) => boolean) | undefined
  /** What the section was when it was read last: if nothing differs, nothing is checked or told again. */
  readonly last?: PemSection | undefined
}

/** What came of one section. */
export interface PemSection {
  readonly files: PemFiles
  readonly findings: Finding[]
  readonly terms: CertificateTerm[]
}

/**
 * Reads the PEM options of one `tls` section and checks that they parse and belong together.
 * @param section as the user wrote it
 * @param caOption `clientCa` for a listener, `ca` for a backend
 */
export function readPemFiles(
  section: unknown,
  path: Path,
  caOption: 'ca' | 'clientCa',
  { folder, seen, isInForce, last }: PemReading,
): PemSection {
  const raw = mapOf(section)
  const findings: Finding[] = []
  const terms: CertificateTerm[] = []
  const find = (option: string, message: string, warning = false): void => {
    findings.push({ path: [...path, option], message, warning })
  }
  const read = (option: string): PemSource | undefined => {
    const source = readSource(raw[option], folder, seen)
    if (typeof source === 'string') find(option, source)
    return typeof source === 'string' ? undefined : source
  }
  const term = (option: string, what: string, from: Date | number, until: Date | number) =>
    terms.push({ option: formatPath([...path, option]), what, fromMs: Number(from), untilMs: Number(until) })
  /** Who has nothing better may go on with what is not valid now. */
  const late = ({ bytes }: PemSource): boolean => isInForce === undefined || isInForce(bytes)
  const cert = read('cert')
  const key = read('key')
  const ca = read(caOption)
  const crl = read('crl')
  const files = { cert: cert?.bytes, key: key?.bytes, ca: ca?.bytes, crl: crl?.bytes }
  if (last !== undefined && findings.length === 0 && isSame(files, last)) return { ...last, findings: [] }

  const chain = cert && parseCertificates(cert, message => find('cert', message))
  const leaf = chain?.[0]
  if (cert && chain) {
    checkDates(cert, chain, (message, isLeaf) => find('cert', message, !isLeaf || late(cert)))
    const first = firstToEnd(chain)
    if (first !== undefined) term('cert', nameOf(first), first.validFromDate, first.validToDate)
  }
  if (leaf !== undefined) {
    checkStrength(cert!, leaf, message => find('cert', message))
    checkNames(cert!, leaf, listOf(raw.names), message => find('names', message))
  }
  const privateKey = key && parseKey(key, message => find('key', message))
  if (key) checkMode(key, message => find('key', message, true))
  const authorities = ca && parseCertificates(ca, message => find(caOption, message))
  if (ca && authorities) {
    checkDates(ca, authorities, message => find(caOption, message, true))
    const first = firstToEnd(authorities)
    if (first !== undefined) term(caOption, nameOf(first), first.validFromDate, first.validToDate)
  }
  if (crl) {
    const lists = parseLists(crl, message => find('crl', message))
    for (const { nextUpdateMs } of lists) {
      if (nextUpdateMs === undefined) continue
      if (nextUpdateMs < Date.now()) find('crl', endedList(crl, nextUpdateMs, caOption), late(crl))
    }
    const [first] = lists.filter(({ nextUpdateMs }) => nextUpdateMs !== undefined).toSorted(byNextUpdate)
    if (first !== undefined) term('crl', 'list of revoked certificates', first.issuedMs, first.nextUpdateMs!)
    if (authorities) checkIssuers(crl, lists, authorities, message => find('crl', message, true))
  }
  if (leaf !== undefined && privateKey !== undefined) {
    if (!leaf.checkPrivateKey(privateKey)) {
      find('key', `${key?.name} does not belong to the certificate ${cert?.name}`)
    } else if (findings.every(finding => finding.warning)) {
      checkTogether(cert, key, ca, message => find('cert', message))
    }
  }
  return { files, findings, terms }
}

function isSame(files: PemFiles, last: PemSection): boolean {
  return last.findings.every(({ warning }) => warning) && isDeepStrictEqual(files, last.files)
}

type Tell = (message: string) => void

const CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g

function parseCertificates({ name, bytes }: PemSource, tell: Tell): X509Certificate[] {
  const blocks = bytes.toString('latin1').match(CERTIFICATE) ?? []
  if (blocks.length === 0) tell(`${name} has no PEM certificate`)
  const { X509Certificate } = nodeCrypto()
  return blocks.flatMap((block, i) => {
    try {
      return [new X509Certificate(block)]
    } catch (error) {
      tell(`certificate ${i + 1} in ${name} cannot be parsed: ${reasonOf(error)}`)
      return []
    }
  })
}

/** The first to end. */
function firstToEnd(certificates: readonly X509Certificate[]): X509Certificate | undefined {
  return certificates.toSorted((a, b) => Number(a.validToDate) - Number(b.validToDate))[0]
}

/** A line of its subject, which is one for each part. */
function nameOf({ subject, serialNumber }: X509Certificate): string {
  const lines = subject?.split('\n') ?? []
  return lines.findLast(line => line.startsWith('CN=')) ?? lines.at(-1) ?? `serial number ${serialNumber}`
}

function checkDates(
  { name }: PemSource,
  certificates: readonly X509Certificate[],
  tell: (message: string, isLeaf: boolean) => void,
): void {
  const now = new Date()
  certificates.forEach(({ validFromDate, validToDate, validFrom, validTo }, i) => {
    if (validToDate < now) tell(`certificate ${i + 1} in ${name} expired on ${validTo}`, i === 0)
    if (validFromDate > now) tell(`certificate ${i + 1} in ${name} is not valid before ${validFrom}`, i === 0)
  })
}

/** What OpenSSL's security level 2 asks for, which Node has had since version 24: 112 bits. */
const MIN_RSA_BITS = 2_048

function checkStrength({ name }: PemSource, { publicKey }: X509Certificate, tell: Tell): void {
  const bits = publicKey.asymmetricKeyDetails?.modulusLength
  if (bits === undefined || bits >= MIN_RSA_BITS) return
  tell(`the key of ${name} is too weak: RSA with ${bits} bits, where ${MIN_RSA_BITS} are needed`)
}

/** @param names that the user wants it to be used for */
function checkNames({ name }: PemSource, leaf: X509Certificate, names: readonly unknown[], tell: Tell): void {
  const own = namesOf(leaf)
  for (const wanted of names) {
    if (typeof wanted !== 'string' || !isServedName(wanted)) continue
    if (own.includes(canonicalName(wanted))) continue
    if (!wanted.startsWith('*.') && leaf.checkHost(canonicalName(wanted)) !== undefined) continue
    const has = own.length === 0 ? 'it has no names of hosts' : `it is for ${own.join(', ')}`
    tell(`${name} is not a certificate for ${wanted}: ${has}`)
  }
}

function parseKey({ name, bytes }: PemSource, tell: Tell): KeyObject | undefined {
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
function checkMode({ name, mode = 0 }: PemSource, tell: Tell): void {
  if ((mode & 0o044) === 0) return
  tell(`${name} can be read by others than its owner (mode 0${(mode & 0o777).toString(8)}): chmod 600`)
}

function parseLists({ name, bytes }: PemSource, tell: Tell): RevocationList[] {
  const blocks = crlBlocks(bytes)
  if (blocks.length === 0) tell(`${name} has no PEM list of revoked certificates (BEGIN X509 CRL)`)
  return blocks.flatMap((block, i) => {
    try {
      nodeTls().createSecureContext({ crl: block })
      return [readCrl(block)]
    } catch (error) {
      tell(`list ${i + 1} in ${name} cannot be parsed: ${reasonOf(error)}`)
      return []
    }
  })
}

function byNextUpdate({ nextUpdateMs: a = 0 }: RevocationList, { nextUpdateMs: b = 0 }: RevocationList): number {
  return a - b
}

function endedList({ name }: PemSource, nextUpdateMs: number, caOption: 'ca' | 'clientCa'): string {
  const whom = caOption === 'ca' ? 'every endpoint' : 'every client'
  return `${name} expired on ${new Date(nextUpdateMs).toUTCString()}: with it ${whom} is refused`
}

/** With lists, OpenSSL refuses certificates of every authority that has none. */
function checkIssuers(
  { name }: PemSource,
  lists: readonly RevocationList[],
  authorities: readonly X509Certificate[],
  tell: Tell,
): void {
  for (const authority of authorities) {
    const subject = subjectOf(authority.raw)
    if (lists.some(({ issuer }) => issuer.equals(subject))) continue
    tell(`${name} has no list of ${nameOf(authority)}: certificates that it issued are refused`)
  }
}

/** What only OpenSSL finds: keys too small for its security level, broken chains. */
function checkTogether(
  cert: PemSource | undefined,
  key: PemSource | undefined,
  ca: PemSource | undefined,
  tell: Tell,
): void {
  try {
    nodeTls().createSecureContext({ cert: cert?.bytes, key: key?.bytes, ca: ca?.bytes })
  } catch (error) {
    tell(`${cert?.name} cannot be used: ${reasonOf(error)}`)
  }
}
