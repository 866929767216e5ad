/** Groups of endpoints, and how the proxy connects to them. */
import type { BreakerOptions, EndpointLimitOptions, QueueOptions } from './backend-limits.ts'
import type { BalancerOptions } from './balancers.ts'
import type { EndpointOptions } from './endpoints.ts'
import type { HealthOptions, OutlierOptions } from './health.ts'
import type { KeepaliveOptions } from './lifetimes.ts'
import type { PemOption, TlsVersion, TransportOption } from './listeners.ts'
import type { LocalityOptions, SlowStartOptions, SubsetOptions } from './selection.ts'
import type { SourceOptions } from './sources.ts'

/** A group of interchangeable endpoints, and how the proxy connects to them. */
export interface BackendOptions {
  /**
   * This or `source` is needed. `host:port` and `http://host:port` are h2c, `https://host:port` is TLS, `unix:/path` a
   * socket (TLS when `tls` is given); an object `{ address, weight, priority, locality }` where it has more; in code
   * also `{ name, connect: () => Duplex }`.
   */
  readonly endpoints?: readonly EndpointOptions[]
  /**
   * Where the endpoints come from, if there is no list here: the addresses of a name, SRV records, a file with a list;
   * in code also an object of your own, an `OwnSource`.
   */
  readonly source?: SourceOptions
  /**
   * Which endpoint takes the next call.
   * @defaultValue `round-robin`
   */
  readonly balancer?: BalancerOptions
  /** Use a part of the endpoints, another one in each proxy, so that many proxies do not each connect to all. */
  readonly subset?: SubsetOptions
  /** Prefer endpoints of the same locality, until they would have 1.4 times the calls of a fair part. */
  readonly locality?: LocalityOptions
  /**
   * If less than this part of the endpoints can be used, and no other priority can take their calls, all of them are
   * used whatever health checks and outlier ejection say; 0: never.
   * @defaultValue `0.5`
   */
  readonly panicThreshold?: number
  /** Endpoints that are new, or back after a failure, get few calls at first. */
  readonly slowStart?: SlowStartOptions
  /**
   * How HTTP/2 is carried toward the endpoints.
   * @defaultValue `frames`
   */
  readonly transport?: TransportOption
  /** For endpoints that speak TLS: `https://`, and all unix sockets and `connect` endpoints of the backend. */
  readonly tls?: BackendTlsOptions
  /**
   * Begin connections with a header of the PROXY protocol, of this version, for endpoints that want one; it says that
   * they are the proxy's own, as calls of many clients share them.
   */
  readonly sendProxyProtocol?: 1 | 2
  /** How many connections the proxy keeps to each endpoint. */
  readonly sessions?: SessionOptions
  /**
   * Asks silent endpoints by PING whether they are there, so that calls do not hang at one that stands still; default:
   * they are not asked, except by TCP.
   */
  readonly keepalive?: KeepaliveOptions
  /**
   * Longest time for TCP, TLS and the first SETTINGS together (milliseconds).
   * @defaultValue `5000`
   */
  readonly connectTimeoutMs?: number
  /** How long the proxy waits before it connects again to an endpoint that it could not reach. */
  readonly backoff?: BackoffOptions
  /** Calls for which no endpoint has a free stream. */
  readonly queue?: QueueOptions
  /** What all calls together may use of the backend; a number that is missing is no limit. */
  readonly breaker?: BreakerOptions
  /** How many calls each endpoint may have at a time: a number, or a limit that follows latency. */
  readonly endpointLimit?: EndpointLimitOptions
  /**
   * How many RST_STREAM frames go out on a session that clients share; more wait.
   * @defaultValue `{ burst: 500, perSecond: 30 }`
   */
  readonly resets?: ResetOptions
  /** Asks each endpoint how it is; an unhealthy one gets no new calls. Without this nobody asks. */
  readonly health?: HealthOptions
  /**
   * The proxy is ready only while an endpoint of this backend can be used.
   * @defaultValue `false`
   */
  readonly required?: boolean
  /** Ejects endpoints for a while by how calls end there. Without this nothing is counted. */
  readonly outliers?: OutlierOptions
}

/** TLS toward endpoints. */
export interface BackendTlsOptions {
  /** CA of the endpoints' certificates, PEM; default: the CAs that Node trusts. */
  readonly ca?: PemOption
  /** Certificate that the proxy shows to the endpoints, PEM. */
  readonly cert?: PemOption
  /** Its private key, PEM. */
  readonly key?: PemOption
  /** SNI, and the name the certificate must have; default: the host of the endpoint. */
  readonly serverName?: string
  /** Lists of revoked certificates, PEM: one of each authority, also of those between. */
  readonly crl?: PemOption
  /** Lowest version of TLS; default: `TLSv1.2`, as HTTP/2 needs it. */
  readonly minVersion?: TlsVersion
  /** Highest version of TLS; default: the highest that Node has. */
  readonly maxVersion?: TlsVersion
  /**
   * Cipher suites by OpenSSL's names, the best first; default: all of TLS 1.3, and those of TLS 1.2 that HTTP/2 allows.
   */
  readonly ciphers?: readonly string[]
  /** Groups for the key exchange by OpenSSL's names, the best first: `[X25519, P-256]`; default: what OpenSSL has. */
  readonly groups?: readonly string[]
}

/** The connections to one endpoint. */
export interface SessionOptions {
  /**
   * Most sessions to one endpoint that its clients share.
   * @defaultValue `4`
   */
  readonly max?: number
  /**
   * Most sessions that one endpoint is closing (GOAWAY) while they still have calls; beyond that the oldest is ended.
   * @defaultValue `32`
   */
  readonly maxDraining?: number
  /**
   * Sessions to one endpoint beyond `max`, for clients that have few calls while others fill those; 0: none.
   * @defaultValue `4`
   */
  readonly reserve?: number
  /**
   * Sessions to one endpoint beyond `max`, for clients whose calls are reset so often, or whose responses wait so much,
   * that others would suffer; one for each such client, shared where there are too few; 0: none.
   * @defaultValue `4`
   */
  readonly apart?: number
  /**
   * How long calls may go on at an endpoint that left the backend, and at a backend that was removed (milliseconds).
   * @defaultValue `600000`
   */
  readonly drainGraceMs?: number
  /**
   * Sessions kept open to each endpoint without calls; 0: on demand.
   * @defaultValue `0`
   */
  readonly ready?: number
  /**
   * A session without calls for this long is closed, unless `ready` keeps it; 0: never (milliseconds).
   * @defaultValue `3600000`
   */
  readonly idleTimeoutMs?: number
  /**
   * A session that is older than this, give or take a tenth, is replaced: the next one is opened first, so that no call
   * waits; 0: never (milliseconds).
   * @defaultValue `0`
   */
  readonly maxAgeMs?: number
  /**
   * How long the calls of a session may go on that was replaced for its age (milliseconds).
   * @defaultValue `600000`
   */
  readonly ageGraceMs?: number
}

/** Pauses between attempts to connect, as in gRPC's connection backoff. */
export interface BackoffOptions {
  /**
   * Pause after the first failed connect (milliseconds).
   * @defaultValue `1000`
   */
  readonly initialMs?: number
  /**
   * What each further failure multiplies the pause by.
   * @defaultValue `1.6`
   */
  readonly multiplier?: number
  /**
   * Longest pause (milliseconds).
   * @defaultValue `120000`
   */
  readonly maxMs?: number
  /**
   * Random part of the pause, up or down: 0.2 is 20 %.
   * @defaultValue `0.2`
   */
  readonly jitter?: number
}

/** A pace of resets that servers bear. */
export interface ResetOptions {
  /**
   * How many at once.
   * @defaultValue `500`
   */
  readonly burst?: number
  /**
   * How many a second, for long.
   * @defaultValue `30`
   */
  readonly perSecond?: number
}
