/** From what a user wrote to what the proxy takes: defaults filled in, addresses parsed, files read. */
import { resolve } from 'node:path'
import type { AdminOptions } from '../admin/server.ts'
import type { BackendSetup } from '../backend/fleet.ts'
import type { ListenerSetup, ProxySetup } from '../proxy/setup.ts'
import type { CertificatePair } from '../transport/server-names.ts'
import type { TlsRules } from '../transport/tls-rules.ts'
import { checkAcme, resolveAcme } from './acme.ts'
import { parseListenAddress } from './address.ts'
import { crossChecks } from './checks.ts'
import { Dialling } from './dialling.ts'
import { remember } from './endpoint-list.ts'
import { findingsOf } from './findings.ts'
import { gatesSetup, readKeyFiles } from './gates.ts'
import { checkLogFiles, resolveLog } from './log-file.ts'
import type { PemFiles } from './pem.ts'
import { PemIndex, type PemsBefore } from './pem-index.ts'
import { ConfigError, type Finding, formatPath, type Problem } from './problems.ts'
import { mapOf } from './raw.ts'
import { metricsSettings } from './schema/metrics.ts'
import { type BackendConfig, type Config, configSchema, type ListenerConfig } from './schema.ts'
import { sourceSetup } from './source.ts'
import { checkTelemetry, resolveMetricsExport, resolveTraces } from './telemetry.ts'
import { readToken } from './token.ts'
import { checkWebFolders, webOf } from './web.ts'

export interface ResolveOptions {
  /** Relative paths start here; default: the working directory. */
  readonly folder?: string
  /** Adds where a finding is in a file. */
  readonly locate?: (finding: Finding) => Pick<Problem, 'file' | 'line' | 'column'>
  /** What was found before; it is reported together with the rest. */
  readonly findings?: readonly Finding[]
  /** The same, where the places are known already. */
  readonly problems?: readonly Problem[]
  /** Gets the path of each file that is read, or that cannot be. */
  readonly files?: Set<string>
  /** The certificates that are in force: what comes in their place must be valid now. */
  readonly before?: PemsBefore
}

export interface Resolution {
  readonly config: ProxySetup
  /** How the endpoints of each backend are dialled, for lists that come later. */
  readonly dialling: ReadonlyMap<string, Dialling>
  /** What works, but probably not as its author thinks. */
  readonly warnings: readonly Problem[]
  /** The certificates, as they were read. */
  readonly pems: PemIndex
  /** The same configuration with what the files of its certificates hold now. */
  withPemsOfNow(): RenewedPems
}

export interface RenewedPems {
  readonly resolution: Resolution
  /** What is wrong with files that have changed: what they held before stays in use. */
  readonly problems: readonly Problem[]
}

/**
 * Checks `input` and resolves it. Reads the certificate files it names; does nothing else.
 * @throws ConfigError with everything that is wrong
 */
export function resolveConfig(input: unknown, options: ResolveOptions = {}): Resolution {
  const folder = options.folder ?? process.cwd()
  // Not by code that zod generates for each object: that costs more than it saves where a process parses once or twice.
  const parsed = configSchema.safeParse(input, { reportInput: true, jitless: true })
  const pems = PemIndex.read(input, { folder, seen: options.files, before: options.before })
  const keys = readKeyFiles(mapOf(input).gates, folder, options.files)
  const token = readToken(mapOf(input).admin, folder, options.files)
  const findings = [
    ...(options.findings ?? []),
    ...(parsed.success ? [] : findingsOf(parsed.error.issues)),
    ...crossChecks(input),
    ...pems.findings,
    ...token.findings,
    ...checkTelemetry(input),
    ...keys.findings,
    ...checkLogFiles(mapOf(input), folder),
    ...checkAcme(mapOf(input), folder),
    ...checkWebFolders(mapOf(input), folder),
  ]
  const wrong = findings.filter(finding => !finding.warning)
  const before = options.problems ?? []
  if (wrong.length + before.length > 0) throw new ConfigError(inOrder([...before, ...problemsOf(wrong, options)]))
  if (!parsed.success) throw parsed.error
  const { data } = parsed
  const warnings = findings.filter(finding => finding.warning)

  const resolved = (pems: PemIndex, warnings: readonly Finding[]): Resolution => {
    const dialling = diallingOf(data, pems, folder)
    return {
      config: { ...assemble(data, pems, token.token, folder, dialling), ...gatesSetup(data, keys.files) },
      dialling,
      warnings: problemsOf(warnings, options),
      pems,
      withPemsOfNow() {
        const now = PemIndex.read(input, { folder, last: pems })
        const next = resolved(
          now.orElse(pems),
          now.findings.filter(finding => finding.warning),
        )
        return {
          resolution: next,
          problems: problemsOf(
            now.findings.filter(finding => !finding.warning),
            options,
          ),
        }
      },
    }
  }
  return resolved(pems, warnings)
}

function problemsOf(findings: readonly Finding[], { locate }: ResolveOptions): Problem[] {
  return inOrder(
    findings.map(finding => ({
      ...locate?.(finding),
      path: formatPath(finding.path),
      message: finding.message,
    })),
  )
}

/** In the order of the files, where there are any. */
function inOrder(problems: readonly Problem[]): Problem[] {
  const files = [...new Set(problems.map(({ file }) => file))]
  return problems.toSorted(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0),
  )
}

function diallingOf({ backends }: Config, pems: PemIndex, folder: string): ReadonlyMap<string, Dialling> {
  return new Map(
    Object.entries(backends).map(([name, { tls, sendProxyProtocol }]) => [
      name,
      new Dialling(
        folder,
        tls && { serverName: tls.serverName, ...rulesOf(tls), ...pems.filesOf(['backends', name, 'tls']) },
        sendProxyProtocol,
      ),
    ]),
  )
}

function assemble(
  config: Config,
  pems: PemIndex,
  token: string | undefined,
  folder: string,
  dialling: Resolution['dialling'],
): ProxySetup {
  const names = Object.keys(config.backends)
  const needsDefault = config.routes.length === 0 && config.director === undefined
  const {
    metrics: _,
    traces: written,
    admin,
    healthService,
    gates: _gates,
    require: _require,
    allowFaults: _allowed,
    ...rest
  } = config
  const certificates = pems.terms
  const metrics = resolveMetrics(config)
  const traces = resolveTraces(written, pems.filesOf(['traces', 'otlp', 'tls']))
  const metricsExport = resolveMetricsExport(config, pems.filesOf(['metrics', 'otlp', 'tls']))
  return {
    ...rest,
    ...resolveAcme(config.listeners, pems, folder),
    ...(metrics && { metrics }),
    ...(healthService && { healthService: healthService === true ? { services: {} } : healthService }),
    ...(metricsExport && { metricsExport }),
    ...(traces && { traces }),
    ...(admin && {
      admin: resolveAdmin(admin, pems.filesOf(['admin', 'tls']), token, folder),
      recentFailures: true,
    }),
    ...(certificates.length > 0 && { certificates }),
    log: resolveLog(config.log, folder),
    listeners: config.listeners.map((listener, i) =>
      resolveListener(listener, { pems, index: i, folder, ticketLifetimeMs: config.tls.ticketLifetimeMs }),
    ),
    backends: Object.fromEntries(
      Object.entries(config.backends).map(([name, backend]) => [
        name,
        resolveBackend(name, backend, folder, dialling.get(name)!),
      ]),
    ),
    routes: needsDefault ? [{ match: {}, backend: names[0] }] : config.routes,
  }
}

/** Who has an admin address wants to see something there. */
function resolveMetrics({ metrics, admin }: Config): ProxySetup['metrics'] {
  if (metrics === false || (metrics === undefined && admin === undefined)) return undefined
  const { otlp: _, ...settings } = typeof metrics === 'object' ? metrics : metricsSettings.parse({})
  return settings
}

function resolveAdmin(
  { address, tls }: NonNullable<Config['admin']>,
  pem: PemFiles,
  token: string | undefined,
  folder: string,
): AdminOptions {
  return {
    ...placeOf(address, folder),
    ...(tls && { tls: { cert: pem.cert!, key: pem.key! } }),
    ...(token !== undefined && { token }),
  }
}

interface ListenerPlace {
  readonly pems: PemIndex
  readonly index: number
  readonly folder: string
  readonly ticketLifetimeMs: number
}

function resolveListener({ tls, socketMode, web, ...listener }: ListenerConfig, place: ListenerPlace): ListenerSetup {
  // The checks say that a mode is for unix sockets only.
  const at = { ...placeOf(listener.address, place.folder), ...modeOf(socketMode), ...webOf(web, place.folder) }
  const setup = { ...listener, ...at }
  return tls === undefined ? setup : { ...setup, tls: resolveListenerTls(tls, place) }
}

function resolveListenerTls(
  tls: NonNullable<ListenerConfig['tls']>,
  { pems, index, ticketLifetimeMs }: ListenerPlace,
): NonNullable<ListenerSetup['tls']> {
  const path = ['listeners', index, 'tls']
  const { ca: clientCa, crl, ...own } = pems.filesOf(path)
  const { certificates = [], names, refuseUnknownNames } = tls
  const listed = certificates.map(({ names }, i) => ({
    ...pairOf(pems.filesOf([...path, 'certificates', i])),
    ...(names && { names }),
  }))
  const one = tls.acme && own.cert === undefined ? [] : [{ ...pairOf(own), ...(names && { names }) }]
  const [first, ...more] = listed.length > 0 ? listed : one
  return {
    ...first,
    ...(more.length > 0 && { certificates: more }),
    ...(tls.acme?.challenge === 'tls-alpn-01' && { answersChallenges: true }),
    ...(refuseUnknownNames && { refuseUnknownNames }),
    clientCa,
    requireClientCertificate: tls.requireClientCertificate ?? tls.clientCa !== undefined,
    ...(crl && { crl }),
    ...rulesOf(tls),
    sessionTimeoutMs: ticketLifetimeMs,
  }
}

/** Those that are given. */
function rulesOf({ minVersion, maxVersion, ciphers, groups }: TlsRules): TlsRules {
  return {
    ...(minVersion && { minVersion }),
    ...(maxVersion && { maxVersion }),
    ...(ciphers && { ciphers }),
    ...(groups && { groups }),
  }
}

/** The schema demands both, and what could not be read was an error before. */
function pairOf({ cert, key }: PemFiles): CertificatePair {
  return { cert: cert!, key: key! }
}

/** Where to listen, as the proxy takes it. */
function placeOf(address: string, folder: string): { host: string; port: number; path?: string; inherited?: string } {
  const parsed = parseListenAddress(address)
  if (parsed.kind === 'inherited') return { host: '', port: 0, inherited: parsed.name }
  if (parsed.kind === 'tcp') return { host: parsed.host, port: parsed.port }
  return { host: '', port: 0, path: resolve(folder, parsed.path) }
}

function modeOf(socketMode: string | undefined): { socketMode?: number } {
  return socketMode === undefined ? {} : { socketMode: Number.parseInt(socketMode, 8) }
}

function resolveBackend(
  name: string,
  { endpoints = [], source, tls, sendProxyProtocol, ...backend }: BackendConfig,
  folder: string,
  dialling: Dialling,
): BackendSetup {
  const addresses = endpoints.map(endpoint => dialling.addressOf(endpoint))
  remember(endpoints, addresses, dialling)
  if (source === undefined) return { ...backend, name, endpoints: addresses }
  return { ...backend, name, endpoints: addresses, source: sourceSetup(source, folder, dialling) }
}
