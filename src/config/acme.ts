/** Certificates by ACME, as they are written: which authority, which names, and where they are kept. */
import { accessSync, constants, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { AcmeSetup, Challenge } from '../acme/setup.ts'
import { nodeCrypto } from '../transport/node-tls.ts'
import { canonicalName } from '../transport/server-names.ts'
import { parseListenAddress } from './address.ts'
import type { PemFiles } from './pem.ts'
import { reasonOf } from './pem-source.ts'
import { type Finding, formatPath, type Path } from './problems.ts'
import { listOf, mapOf } from './raw.ts'
import { type AcmeConfig, DEFAULT_DIRECTORY } from './schema/acme.ts'
import type { ListenerConfig } from './schema.ts'

/** Of whoever wants to see whether there is a certificate before it is known whether everything is right. */
interface Kept {
  readonly accountFile: string
  readonly file: string
}

/**
 * Where it is kept: another authority, or other names, are another certificate.
 * @param acme as the user wrote it
 * @returns undefined: it does not say
 */
export function keptOf(acme: unknown, folder: string): Kept | undefined {
  const { domains, directory = DEFAULT_DIRECTORY, storage } = mapOf(acme)
  const names = listOf(domains)
    .filter(name => typeof name === 'string')
    .map(canonicalName)
  const [first] = names
  if (typeof storage !== 'string' || typeof directory !== 'string' || first === undefined) return undefined
  const { host, pathname } = URL.parse(directory) ?? {}
  const authority = `${host}${pathname}`.replaceAll(/[^a-z0-9.-]+/gi, '_')
  const digest = nodeCrypto().createHash('sha256').update(names.toSorted().join()).digest('hex').slice(0, 8)
  const of = join(resolve(folder, storage), authority)
  return { accountFile: join(of, 'account.key'), file: join(of, `${safe(first)}-${digest}.pem`) }
}

/** Before it is known to be a name. */
function safe(name: string): string {
  return name.replaceAll(/[^a-z0-9.-]/g, '_').slice(0, 100)
}

/** Nothing, where no listener has such a certificate. Listeners with the same names share one. */
export function resolveAcme(
  listeners: readonly ListenerConfig[],
  pems: { filesOf(path: Path): PemFiles },
  folder: string,
): { readonly acme?: readonly AcmeSetup[] } {
  const byFile = new Map<string, AcmeSetup>()
  for (const [i, { tls }] of listeners.entries()) {
    const kept = tls?.acme && keptOf(tls.acme, folder)
    if (!tls?.acme || kept === undefined || byFile.has(kept.file)) continue
    const path = ['listeners', i, 'tls', 'acme']
    byFile.set(kept.file, setupOf(tls.acme, kept, path, pems.filesOf(path).ca))
  }
  return byFile.size === 0 ? {} : { acme: [...byFile.values()] }
}

function setupOf(acme: AcmeConfig, kept: Kept, path: Path, ca: Buffer | undefined): AcmeSetup {
  const { domains, email, directory, challenge } = acme
  return {
    option: formatPath(path),
    domains: [...new Set(domains.map(canonicalName))],
    ...(email !== undefined && { email }),
    directory,
    ...(ca && { ca }),
    ...kept,
    challenge: challengeOf(challenge),
  }
}

function challengeOf(challenge: AcmeConfig['challenge']): Challenge {
  if (typeof challenge === 'string') return { kind: challenge }
  const address = parseListenAddress(challenge.http01)
  if (address.kind !== 'tcp') throw new Error('the schema takes host:port only')
  return { kind: 'http-01', host: address.host, port: address.port }
}

/** It has 39 packages and takes 41 MiB of memory: who has no use for it is not to have it. */
const MISSING = 'needs the package acme-client beside grpc-verbatim: npm install acme-client'

function isInstalled(): boolean {
  try {
    import.meta.resolve('acme-client')
    return true
  } catch {
    return false
  }
}

/** @param root as the user wrote it */
export function checkAcme(root: Readonly<Record<string, unknown>>, folder: string): Finding[] {
  return listOf(root.listeners).flatMap((listener, i): Finding[] => {
    const { acme, maxVersion } = mapOf(mapOf(listener).tls)
    if (acme === undefined) return []
    const path = ['listeners', i, 'tls', 'acme']
    const { storage, challenge = 'tls-alpn-01' } = mapOf(acme)
    const findings: Finding[] = []
    const wrong = typeof storage === 'string' && storage !== '' ? whyNotKept(resolve(folder, storage)) : undefined
    if (wrong !== undefined) findings.push({ path: [...path, 'storage'], message: wrong })
    if (!isInstalled()) findings.push({ path, message: MISSING })
    if (challenge === 'tls-alpn-01' && maxVersion === 'TLSv1.2') {
      const message = 'tls-alpn-01 needs TLS 1.3, and maxVersion is TLSv1.2: use http01'
      findings.push({ path: [...path, 'challenge'], message })
    }
    return findings
  })
}

/** @returns undefined: files can be kept there, as far as one can know before */
function whyNotKept(storage: string): string | undefined {
  for (let folder = storage; ; folder = dirname(folder)) {
    try {
      if (!statSync(folder).isDirectory()) return `${folder} is not a folder`
      accessSync(folder, constants.W_OK)
      return undefined
    } catch (error) {
      // It is made at the first start.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(folder) !== folder) continue
      return `${folder} may not be written: ${reasonOf(error)}`
    }
  }
}
