/**
 * Where telemetry goes, and what this process is called there: by the configuration, and where that is silent, by the
 * variables of OpenTelemetry's specification ("Environment Variable Specification", "OTLP Exporter Configuration").
 */
import { hasHostTelemetry } from '../observe/host-telemetry.ts'
import type { OtlpDestination } from '../observe/otlp-client.ts'
import type { MetricsExportSetup, TracesSetup } from '../proxy/setup.ts'
import type { PemFiles } from './pem.ts'
import type { Finding } from './problems.ts'
import { isMap, mapOf } from './raw.ts'
import { MAX_TIMER_MS } from './schema/fields.ts'
import { MIN_EXPORT_INTERVAL_MS } from './schema/metrics.ts'
import { collectorUrl, headerName, headerValue } from './schema/otlp.ts'
import type { Config } from './schema.ts'

type Environment = Readonly<Record<string, string | undefined>>
type Signal = 'traces' | 'metrics'
type OtlpConfig = NonNullable<NonNullable<Config['traces']>['otlp']>

const DEFAULT_TIMEOUT_MS = 10_000
/** OpenTelemetry's SDKs have the same. */
const DEFAULT_EXPORT_INTERVAL_MS = 60_000
const DEFAULT_NAME = 'grpc-verbatim'

/** What is wrong with the environment of a configuration that needs it. @param input as the user wrote it */
export function checkTelemetry(input: unknown, environment: Environment = process.env): Finding[] {
  const { traces, metrics } = mapOf(input)
  const { otlp } = mapOf(metrics)
  return [
    ...(isMap(traces) ? checkOtlp('traces', mapOf(traces).otlp, hasHostTelemetry(), environment) : []),
    ...(isMap(otlp) ? checkOtlp('metrics', otlp, false, environment) : []),
  ]
}

/** @param isOptional there may be no URL: they go elsewhere then */
function checkOtlp(signal: Signal, given: unknown, isOptional: boolean, environment: Environment): Finding[] {
  const findings: Finding[] = []
  const path = [signal, 'otlp']
  const otlp = mapOf(given)
  const wrong = (option: string, message: string, warning = false): void => {
    findings.push({ path: [...path, option], message, warning })
  }
  const { url } = otlp
  const endpoint = endpointOf(signal, environment)
  if (url === undefined && endpoint !== undefined && !isOptional) {
    const { success, error } = collectorUrl.safeParse(endpoint.text)
    if (!success) wrong('url', `${endpoint.name}: ${error.issues[0]!.message}`)
    if (variable('PROTOCOL', signal, environment)?.text === 'grpc') {
      wrong('url', `the environment asks for gRPC; this is HTTP with JSON, whose usual port is 4318, not 4317`, true)
    }
  }
  if (url === undefined && endpoint === undefined && !isOptional) {
    const what = signal === 'traces' ? 'spans' : signal
    wrong('url', `is needed, or OTEL_EXPORTER_OTLP_ENDPOINT in the environment: where do ${what} go?`)
  }
  const headers = variable('HEADERS', signal, environment)
  if (otlp.headers === undefined && headers !== undefined && pairsOf(headers.text) === undefined) {
    // Its values may be secrets.
    wrong('headers', `${headers.name} is no list of name=value`)
  }
  return findings
}

/** @param pem of the `tls` of that signal, which was read without a mistake */
export function resolveTraces(
  traces: Config['traces'],
  pem: PemFiles,
  environment: Environment = process.env,
): TracesSetup | undefined {
  if (traces === undefined) return undefined
  const { otlp, serviceName, resource, sample, propagate, ...queue } = traces
  const isHosts = otlp?.url === undefined && hasHostTelemetry()
  return {
    ...{ sample, propagate, queue },
    ...(!isHosts && { otlp: destinationOf('traces', otlp ?? {}, pem, environment) }),
    resource: resourceOf(serviceName, resource, environment),
  }
}

/** @param pem of the `tls` of that signal, which was read without a mistake */
export function resolveMetricsExport(
  { metrics, traces }: Pick<Config, 'metrics' | 'traces'>,
  pem: PemFiles,
  environment: Environment = process.env,
): MetricsExportSetup | undefined {
  if (typeof metrics !== 'object' || metrics.otlp === undefined) return undefined
  const { otlp } = metrics
  const given = Number(environment.OTEL_METRIC_EXPORT_INTERVAL)
  const fallback =
    Number.isInteger(given) && given >= MIN_EXPORT_INTERVAL_MS && given <= MAX_TIMER_MS
      ? given
      : DEFAULT_EXPORT_INTERVAL_MS
  return {
    otlp: destinationOf('metrics', otlp, pem, environment),
    intervalMs: otlp.intervalMs ?? fallback,
    // It is one process, whatever it tells.
    resource: resourceOf(otlp.serviceName ?? traces?.serviceName, otlp.resource ?? traces?.resource, environment),
  }
}

/** @throws TypeError where there is no URL, which `checkTelemetry` has told */
export function destinationOf(
  signal: Signal,
  { url, headers, tls, timeoutMs }: OtlpConfig,
  pem: PemFiles,
  environment: Environment = process.env,
): OtlpDestination {
  const given = endpointOf(signal, environment)
  const timeout = Number(variable('TIMEOUT', signal, environment)?.text)
  return {
    url: url === undefined ? withPath(given!, signal) : withPath({ text: url, isWhole: false }, signal),
    headers: headers ?? pairsOf(variable('HEADERS', signal, environment)?.text ?? '') ?? {},
    timeoutMs: timeoutMs ?? (timeout > 0 ? timeout : DEFAULT_TIMEOUT_MS),
    ...(tls && { tls: { ca: pem.ca, cert: pem.cert, key: pem.key } }),
  }
}

/** `OTEL_EXPORTER_OTLP_…`, of which each signal may have its own. Empty is as if it were not there. */
function variable(what: string, signal: Signal, environment: Environment): { name: string; text: string } | undefined {
  for (const name of [`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${what}`, `OTEL_EXPORTER_OTLP_${what}`]) {
    const text = environment[name]
    if (text !== undefined && text !== '') return { name, text }
  }
  return undefined
}

/** The variable of one signal has the whole URL, the other one its beginning. */
function endpointOf(signal: Signal, environment: Environment) {
  const found = variable('ENDPOINT', signal, environment)
  return found && { ...found, isWhole: found.name.includes(signal.toUpperCase()) }
}

function withPath({ text, isWhole }: { text: string; isWhole: boolean }, signal: Signal): string {
  return isWhole ? text : `${text.replace(/\/$/, '')}/v1/${signal}`
}

function resourceOf(
  serviceName: string | undefined,
  resource: Readonly<Record<string, string>> = {},
  environment: Environment,
): Readonly<Record<string, string>> {
  const given = { ...pairsOf(environment.OTEL_RESOURCE_ATTRIBUTES ?? ''), ...resource }
  const named = environment.OTEL_SERVICE_NAME
  return {
    ...given,
    'service.name': serviceName ?? resource['service.name'] ?? (named || given['service.name']) ?? DEFAULT_NAME,
  }
}

/**
 * `name=value,…`, with escapes as in URLs (W3C Baggage).
 * @returns undefined where it is something else
 */
function pairsOf(text: string): Record<string, string> | undefined {
  const pairs: [string, string][] = []
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue
    const at = pair.indexOf('=')
    const name = pair.slice(0, Math.max(at, 0)).trim()
    const value = decoded(pair.slice(at + 1).trim())
    if (!headerName.safeParse(name).success || value === undefined) return undefined
    if (!headerValue.safeParse(value).success) return undefined
    pairs.push([name, value])
  }
  return Object.fromEntries(pairs)
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
