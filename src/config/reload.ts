/**
 * The configuration file is read again while the proxy runs. What is right replaces what is in force, as a whole; what is
 * wrong changes nothing, and the proxy goes on with the last good one.
 *
 * ```
 *   SIGHUP, a change of the file ─▶ read ─▶ check ─▶ the same? ─ no ─▶ prepare ─▶ commit      applied
 *                                     │       │         └─ yes                                unchanged
 *                                     └───────┴───────────────────────────┘                   rejected
 * ```
 */
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { WatchedFiles } from '../discovery/watched-files.ts'
import type { ChangeSummary } from '../proxy/change.ts'
import type { ProxySetup } from '../proxy/setup.ts'
import type { Clock } from '../transport/clock.ts'
import { listenFailure } from './listen-failure.ts'
import type { PemsBefore } from './pem-index.ts'
import { ConfigError, formatProblem, type Problem } from './problems.ts'
import type { Resolution } from './resolve.ts'

/** What became of a configuration that was offered. */
export type Verdict =
  | { readonly kind: 'applied'; readonly summary: ChangeSummary }
  /** It is what is in force already. */
  | { readonly kind: 'unchanged' }
  /** Nothing has changed. */
  | { readonly kind: 'rejected'; readonly problems: readonly Problem[] }

/**
 * Reads the configuration and checks it.
 * @param files gets the path of each file that is read, or that cannot be
 * @param before the certificates that are in force, if any are
 * @throws ConfigError
 */
export type ReadConfig = (files?: Set<string>, before?: PemsBefore) => Resolution

/** The part of a proxy that a reloader needs. */
export interface Reloadable {
  readonly setup: ProxySetup
  readonly pems: PemsBefore
  /** What it watches by itself. */
  readonly watchedFiles: ReadonlySet<string>
  readonly configuration?: { judged(kind: Verdict['kind']): void }
  adoptResolution(resolution: Resolution): Promise<ChangeSummary>
}

export interface ReloaderOptions {
  /** The file, as messages name it. */
  readonly file: string
  readonly read: ReadConfig
  readonly log: Logger
  /** Nothing is reloaded before this. */
  readonly started: Promise<unknown>
  readonly follower?: ReloadFollower | undefined
}

/** Whoever is told that reloads begin and end. */
export interface ReloadFollower {
  reloading(): void
  reloaded(verdict: Verdict): void
}

const CHANGED = 'a file has changed'

export class Reloader {
  readonly #proxy: Reloadable
  readonly #options: ReloaderOptions
  /** The reload that has begun last. */
  #last: Promise<unknown>
  /** The reload that waits for that one. It reads the file when it begins, so one is enough for all who ask. */
  #waiting: Promise<Verdict> | undefined
  #watched: WatchedFiles | undefined
  #wasRejected = false

  constructor(proxy: Reloadable, options: ReloaderOptions) {
    this.#proxy = proxy
    this.#options = options
    this.#last = options.started.catch(() => {})
  }

  /**
   * Reloads whenever the file, or one that it names, is another and rests. A ConfigMap of Kubernetes is, too: there a
   * symbolic link on the way to the file is replaced.
   * @param files that were read already
   */
  watch(clock: Clock, files: ReadonlySet<string>): void {
    const onChanged = async () => {
      await this.reload(CHANGED)
      return true
    }
    this.#watched = new WatchedFiles(onChanged, { clock })
    this.#watched.start(this.#othersOf(files))
  }

  /** Watches no more. */
  close(): void {
    this.#watched?.close()
  }

  /** Never rejects. The log says what became of it. @param why who asked for it, for the log */
  reload(why: string): Promise<Verdict> {
    this.#waiting ??= this.#last.then(() => {
      this.#last = this.#waiting!
      this.#waiting = undefined
      return this.#reload(why)
    })
    return this.#waiting
  }

  async #reload(why: string): Promise<Verdict> {
    const { file, log, follower } = this.#options
    follower?.reloading()
    const verdict = await this.#judge()
    this.#proxy.configuration?.judged(verdict.kind)
    follower?.reloaded(verdict)
    if (verdict.kind === 'rejected') {
      for (const problem of verdict.problems) log.error({ why }, formatProblem(problem))
      log.error({ why }, `${file} is not used: the proxy goes on with the configuration that it has`)
    } else if (verdict.kind === 'applied') {
      log.info({ why }, `${file} is in force`)
      for (const option of verdict.summary.needsRestart)
        log.warn({ why }, `what ${file} says of ${option} holds from the next start`)
    }
    // A file that was touched is no news; who asked by a signal, or has mended a mistake, looks for the answer.
    else log[why === CHANGED && !this.#wasRejected ? 'debug' : 'info']({ why }, `${file} is what is in force already`)
    this.#wasRejected = verdict.kind === 'rejected'
    log.flush()
    return verdict
  }

  async #judge(): Promise<Verdict> {
    const files = new Set<string>()
    const verdict = await this.#judgeWith(files)
    // A file of a certificate that is in no configuration yet may be what is wrong.
    const others = verdict.kind === 'rejected' ? [...files] : this.#othersOf(files)
    if (this.#watched !== undefined) this.#watched.paths = others
    return verdict
  }

  /** Those that the proxy does not watch by itself. */
  #othersOf(files: ReadonlySet<string>): string[] {
    const { watchedFiles } = this.#proxy
    return [...files].filter(file => !watchedFiles.has(file))
  }

  async #judgeWith(files: Set<string>): Promise<Verdict> {
    try {
      const resolution = this.#options.read(files, this.#proxy.pems)
      if (isDeepStrictEqual(resolution.config, this.#proxy.setup)) return { kind: 'unchanged' }
      return { kind: 'applied', summary: await this.#proxy.adoptResolution(resolution) }
    } catch (error) {
      return { kind: 'rejected', problems: this.#problemsOf(error) }
    }
  }

  #problemsOf(error: unknown): readonly Problem[] {
    if (error instanceof ConfigError) return error.problems
    const message = listenFailure(error) ?? (error instanceof Error ? error.message : String(error))
    return [{ file: this.#options.file, path: '', message }]
  }
}
