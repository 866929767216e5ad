/** What a proxy is made of: a configuration with all defaults filled in, and nothing left to look up. */
import type { Logger } from 'pino'
import type { AcmeSetup } from '../acme/setup.ts'
import type { AdminOptions } from '../admin/server.ts'
import type { BackendSetup } from '../backend/fleet.ts'
import type { AddedFieldsOptions } from '../call/added-fields.ts'
import type { RequestIdRules } from '../call/request-id.ts'
import type { AccessRules } from '../observe/access-log.ts'
import type { CallMetricsOptions } from '../observe/call-metrics.ts'
import type { LogOptions } from '../observe/logger.ts'
import type { OtlpDestination } from '../observe/otlp-client.ts'
import type { LogFile } from '../observe/outputs.ts'
import type { TraceFormat } from '../observe/propagation.ts'
import type { SampleRules } from '../observe/sampling.ts'
import type { SpanQueueLimits } from '../observe/span-exporter.ts'
import type { Director } from '../routing/director.ts'
import type { Gate } from '../routing/gate.ts'
import type { Route } from '../routing/router.ts'
import type { AcceptorOptions } from '../transport/acceptor.ts'
import type { ListenTls } from '../transport/listen-tls.ts'
import type { BoundAddress, ListenAddress } from '../transport/listening-socket.ts'
import type { ProxyProtocolRules } from '../transport/proxied-socket.ts'
import type { TicketSettings } from '../transport/ticket-keys.ts'
import type { TransportName } from '../transport/transport.ts'
import type { WebRules } from '../web/cors.ts'
import type { ProbeRules } from '../web/probe.ts'
import type { CarrierLimits } from './carriers.ts'
import type { CertificateTerm } from './certificate-term.ts'

/** What bounds the proxy; the configuration's reference says what each is for. */
export interface ProxyLimits extends CarrierLimits, AcceptorOptions {
  readonly replayBytes: number
}

export interface ListenerSetup extends ListenAddress {
  readonly transport: TransportName
  readonly tls?: ListenTls
  /** Another process listens there, and hands over what it accepts (`Front.take`). */
  readonly bound?: BoundAddress
  /** Takes gRPC-Web too; `static` is a folder whose files are given out beside it. */
  readonly web?: WebRules & { readonly static?: string }
  /** Answers probes over HTTP/1.1 and HTTP/2. */
  readonly probes?: ProbeRules
  readonly proxyProtocol?: ProxyProtocolRules
  /** What calls must pass that come to it. */
  readonly gate?: Gate | undefined
}

/** What holds for TLS on all listeners and to all backends. */
export interface TlsSettings extends TicketSettings {
  readonly watchFiles: boolean
  /** 0: never. */
  readonly expiryWarningDays: number
  readonly ticketLifetimeMs: number
}

export interface TracesSetup {
  /** Undefined: spans are the host's, by its own OpenTelemetry. */
  readonly otlp?: OtlpDestination
  readonly queue: SpanQueueLimits
  readonly sample: SampleRules
  readonly propagate: readonly TraceFormat[]
  /** What this process is, beside what it knows itself. */
  readonly resource: Readonly<Record<string, string>>
}

/** Where metrics go by themselves. */
export interface MetricsExportSetup {
  readonly otlp: OtlpDestination
  readonly intervalMs: number
  /** What this process is, beside what it knows itself. */
  readonly resource: Readonly<Record<string, string>>
}

/** What calls must pass, as it was configured. */
export interface GatesSetup {
  /** Of every call; what some calls must pass besides stands with their listeners and routes. */
  readonly required: unknown
  readonly definitions: Readonly<Record<string, unknown>>
  /** The keys of issuers that stand in files, by the gate's name. */
  readonly keyFiles: ReadonlyMap<string, object>
}

/** `grpc.health.v1.Health`, answered by the proxy itself. */
export interface HealthServiceSetup {
  /** The backends that names of services ask for. Unless it is here, `''` asks whether the proxy is ready. */
  readonly services: Readonly<Record<string, string>>
}

/** A configuration with all defaults filled in and nothing left to look up. */
export interface ProxySetup {
  readonly listeners: readonly ListenerSetup[]
  readonly backends: Readonly<Record<string, BackendSetup>>
  readonly routes: readonly Route[]
  /** What every call must pass before it is routed. */
  readonly gate?: Gate | undefined
  /** What calls must pass, as data that another process can have. `config/gates.ts` makes the gates of it. */
  readonly gates?: GatesSetup
  /** Undefined: such calls are forwarded as any other. */
  readonly healthService?: HealthServiceSetup | undefined
  /** Decides instead of `routes`. */
  readonly director?: Director
  readonly log: LogOptions & { readonly access: boolean | (AccessRules & { readonly file?: LogFile | undefined }) }
  /** Used instead of one made from `log`. */
  readonly logger?: Logger
  /** Undefined: nothing is counted of calls. */
  readonly metrics?: CallMetricsOptions
  /** Undefined: who wants them asks for them. */
  readonly metricsExport?: MetricsExportSetup
  /** The latest calls that failed are kept for an operator to see. */
  readonly recentFailures?: boolean
  /** Undefined: calls are parts of no traces. */
  readonly traces?: TracesSetup
  /** Where operators ask. */
  readonly admin?: AdminOptions
  /** How long the certificates of the configuration are valid. Undefined: there are none. */
  readonly certificates?: readonly CertificateTerm[]
  /** Certificates that authorities issue to this proxy. Undefined: none. */
  readonly acme?: readonly AcmeSetup[]
  readonly tls: TlsSettings
  readonly headers: AddedFieldsOptions
  /** Undefined: requests have no ids. */
  readonly requestId?: RequestIdRules | undefined
  readonly acceptNonGrpc: boolean
  /** Whole proxies as processes; `auto`: as many as the process may use cores. Undefined: this process is the proxy. */
  readonly workers?: number | 'auto'
  readonly drain: { readonly graceMs: number }
  readonly limits: ProxyLimits
}
