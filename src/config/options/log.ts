/** The log as users write it. */

/** The log on standard output. */
export interface LogOptions {
  /**
   * Least level that is logged.
   * @defaultValue `info`
   */
  readonly level?: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
  /**
   * One record for each call, at level info: all, none, or some.
   * @defaultValue `true`
   */
  readonly access?: boolean | AccessLogOptions
  /**
   * Lines for people instead of JSON; `auto`: in a terminal.
   * @defaultValue `auto`
   */
  readonly pretty?: boolean | 'auto'
  /**
   * Log lines that wait while standard output takes none; further ones are dropped and counted (bytes).
   * @defaultValue `4194304`
   */
  readonly maxBufferedBytes?: number
}

/** Which calls have a record. Without `errors`, `slowerThanMs` and `oneIn` all have one; of several, one is enough. */
export interface AccessLogOptions {
  /** Calls that do not end with OK. */
  readonly errors?: boolean
  /** Calls that take longer (milliseconds). */
  readonly slowerThanMs?: number
  /** One of so many calls, by chance. */
  readonly oneIn?: number
  /** Calls that fail alike have a line each, however many: by default 100 at once and one a second have. */
  readonly everyFailure?: boolean
  /** Names of metadata whose values the record has; of credentials it has the length only. */
  readonly metadata?: readonly string[]
}
