/** The log as users write it. */

/** The log, on standard output or in a file. */
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
   * Log lines that wait while standard output or a file takes none; further ones are dropped and counted (bytes).
   * @defaultValue `4194304`
   */
  readonly maxBufferedBytes?: number
  /** The log goes to this file instead of standard output. */
  readonly file?: string | LogFileOptions
}

/** A file that a log goes to. */
export interface LogFileOptions {
  /** Path of the file; its folder is there already. */
  readonly path: string
  /**
   * Mode of a file that is made, as text.
   * @defaultValue `0640`
   */
  readonly mode?: string
  /** The proxy rotates the file; not with `workers`. Default: whoever else rotates it says so by SIGUSR1. */
  readonly rotate?: LogRotationOptions
}

/** When a new file begins, and what becomes of the old ones. */
export interface LogRotationOptions {
  /**
   * Size at which a new file begins (bytes).
   * @defaultValue `104857600`
   */
  readonly maxBytes?: number
  /** A new file begins also with each hour or day of the clock, while the proxy runs. */
  readonly every?: 'hour' | 'day'
  /**
   * How many old files stay: `proxy.log.1` is the newest of them.
   * @defaultValue `7`
   */
  readonly keep?: number
  /**
   * Old files are compressed, as `proxy.log.1.gz`.
   * @defaultValue `false`
   */
  readonly compress?: boolean
}

/** Which calls have a record. Without `errors`, `slowerThanMs` and `oneIn` all have one; of several, one is enough. */
export interface AccessLogOptions {
  /** Calls that do not end with OK. */
  readonly errors?: boolean
  /** Calls that take longer (milliseconds). */
  readonly slowerThanMs?: number
  /** One of so many calls, by chance. */
  readonly oneIn?: number
  /** Of calls that fail alike 100 at once and one a second have a line, and the others are counted. */
  readonly boundFailures?: boolean
  /** The records go to this file, whatever `level` says. */
  readonly file?: string | LogFileOptions
  /** Which fields the record has, by name, also `metadata:NAME`; default: all but metadata. */
  readonly fields?: readonly string[]
  /** A line of text instead of JSON, with fields in braces: `{time} {path} {grpcStatus}`. */
  readonly format?: string
  /** Names of metadata whose values the record has; of credentials it has the length only. */
  readonly metadata?: readonly string[]
}
