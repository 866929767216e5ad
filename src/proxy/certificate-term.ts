/** How long certificates are valid. */
import type { Family } from '../observe/registry.ts'

/** How long a certificate of the configuration, or a list of revoked ones, is valid. */
export interface CertificateTerm {
  /** The option that names it: `listeners[0].tls.cert`. */
  readonly option: string
  /** What it is, for people. */
  readonly what: string
  readonly fromMs: number
  /** By the clock on the wall. Of several in one file, that of the first to end. */
  readonly untilMs: number
}

/** By the options of the configuration: there are as many as it names. */
export function certificateFamily(terms: readonly CertificateTerm[] = []): Family {
  return {
    name: 'grpc_verbatim_certificate_expiry_timestamp_seconds',
    help: 'When a certificate or a list of revoked certificates expires; of several in one file the first to expire.',
    type: 'gauge',
    together: 'least',
    samples: () => terms.map(({ option, untilMs }) => ({ labels: { option }, value: untilMs / 1_000 })),
  }
}
