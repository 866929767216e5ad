/** gRPC-Web on a listener. */
/** Which pages of other origins may call. */
export interface WebOptions {
  /**
   * Origins whose pages may call: exact, `https://*.example.com` for all below a domain, `http://localhost:*` for any
   * port, or `"*"` for all; pages of the same origin may always.
   */
  readonly origins?: readonly string[]
  /**
   * Those pages may send cookies.
   * @defaultValue `false`
   */
  readonly credentials?: boolean
  /**
   * Browsers need not ask again for this time; some of them remember for two hours at most (milliseconds).
   * @defaultValue `7200000`
   */
  readonly maxAgeMs?: number
  /**
   * A folder whose files are given out at the same address by GET and HEAD, to everybody; relative to the configuration
   * file.
   */
  readonly static?: string
}
