/**
 * Files that are read again when they change.
 *
 * ```
 *   an event in one of their folders ─┐
 *   every few seconds                 ├─▶ are they others than before? ─▶ wait until they rest ─▶ tell the owner
 *   somebody asks for a look          ┘
 * ```
 *
 * Folders are watched, not files: who replaces a file by renaming, or by another symbolic link on its way (as Kubernetes
 * does with a ConfigMap), makes another file, and a watch of the old one would hear nothing. Some file systems tell no
 * events at all, so the files are looked at from time to time as well.
 */
import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock, Timer } from '../transport/clock.ts'

/** How often the files are looked at where no event tells of a change. One `stat` costs next to nothing. */
export const POLL_MS = 5_000
/** Files that change are read when they have not changed for this long: one that is being written is left alone. */
export const SETTLE_MS = 100

/** Calls `changed` for each event in a folder. @throws where that cannot be had */
export type WatchFolder = (folder: string, changed: () => void) => Pick<FSWatcher, 'on' | 'close'>

export interface WatchedFilesContext {
  readonly clock: Clock
  readonly watchFolder?: WatchFolder
}

/** @param unchanged whether the files are still those for which it was called: what was read of them is whole */
export type OnFilesChanged = (unchanged: () => Promise<boolean>) => Promise<boolean>

const watchFolder: WatchFolder = (folder, changed) => watch(folder, { persistent: false }, changed)

export class WatchedFiles {
  #paths: readonly string[] = []
  readonly #onChanged: OnFilesChanged
  readonly #clock: Clock
  readonly #watchFolder: WatchFolder
  #watchers: ReturnType<WatchFolder>[] = []
  #closed = false
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #looking = false
  /** Something happened during the look. */
  #again = false
  /** What the files were when they were looked at last, and when the owner was told last. */
  #seen: string | undefined
  #told: string | undefined

  /**
   * @param onChanged the files rest, and are others than when it was called last. It reads them. It resolves with false
   * where they could not be read, and is called again then.
   */
  constructor(onChanged: OnFilesChanged, { clock, watchFolder: watching = watchFolder }: WatchedFilesContext) {
    this.#onChanged = onChanged
    this.#clock = clock
    this.#watchFolder = watching
  }

  /** Watches these. The owner is told of them first as they are. */
  start(paths: readonly string[]): void {
    this.#paths = paths
    this.#watch()
    void this.#look(true)
  }

  /** Watches these from now on. If they are not the same as before, the owner is told once more. */
  set paths(paths: readonly string[]) {
    this.#paths = paths
  }

  /** Looks soon, however often this is called. */
  look(): void {
    this.#lookIn(SETTLE_MS)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#unwatch()
  }

  #unwatch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close()
  }

  /** Anew after each change: the folder itself may be another one by then. */
  #watch(): void {
    this.#unwatch()
    if (this.#closed) return
    for (const folder of new Set(this.#paths.map(path => dirname(path)))) {
      try {
        const watcher = this.#watchFolder(folder, () => this.look())
        watcher.on('error', () => watcher.close())
        this.#watchers.push(watcher)
      } catch {
        // There is no such folder, or no watch is to be had. Looking from time to time finds what changes.
      }
    }
  }

  /** Events may come in any number: the first one counts, and those until then are one with it. */
  #lookIn(delayMs: number): void {
    if (this.#closed) return
    if (this.#looking) {
      this.#again = true
      return
    }
    const atMs = this.#clock.now() + delayMs
    if (atMs >= this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY
      void this.#look(false)
    })
  }

  /** @param first nothing is known yet, so there is nothing to wait for */
  async #look(first: boolean): Promise<void> {
    this.#looking = true
    this.#again = false
    const now = await identitiesOf(this.#paths)
    const settled = first || now === this.#seen
    this.#seen = now
    if (settled && now !== this.#told) await this.#tell(now)
    this.#looking = false
    this.#lookIn(settled && !this.#again ? POLL_MS : SETTLE_MS)
  }

  async #tell(now: string): Promise<void> {
    if (this.#closed) return
    this.#watch()
    const unchanged = async () => (await identitiesOf(this.#paths)) === now
    this.#told = (await this.#onChanged(unchanged)) ? now : undefined
    // They were replaced or written to meanwhile. They are read again when they rest.
    if (!(await unchanged())) this.#again = true
  }
}

/** Says which files they are, and as of when. */
async function identitiesOf(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map(identityOf))).join('\n')
}

async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join()
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}
