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
