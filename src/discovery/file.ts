/**
 * Endpoints from a file: a list in YAML or JSON, read again when the file changes.
 *
 * ```
 *   an event in its folder ─┐
 *   every few seconds       ├─▶ is it another file than before? ─▶ wait until it rests ─▶ read ─▶ tell
 *   an endpoint has failed ─┘
 * ```
 *
 * The folder is watched, not the file: who replaces a file by renaming, or by another symbolic link on its way (as
 * Kubernetes does with a ConfigMap), makes another file, and a watch of the old one would hear nothing. Some file systems
 * tell no events at all, so the file is looked at from time to time as well.
 */
import { type FSWatcher, watch } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parse } from 'yaml'
import type { EndpointSink, EndpointSource, EndpointSpec } from '../backend/endpoint-source.ts'
import type { Clock, Timer } from '../transport/clock.ts'

/** How often the file is looked at where no event tells of a change. One `stat` costs next to nothing. */
export const POLL_MS = 5_000
/** A file that changes is read when it has not changed for this long, so that one that is being written is left alone. */
export const SETTLE_MS = 100
/** As large as a list of tens of thousands of endpoints. */
export const MAX_FILE_BYTES = 8 * 1024 * 1024

export interface FileSourceOptions {
  readonly path: string
  /** Makes endpoints of what the file holds. @throws Error that says what is wrong, and where */
  readonly read: (list: unknown) => readonly EndpointSpec[]
}

/** Calls `changed` for each event in a folder. @throws where that cannot be had */
export type WatchFolder = (folder: string, changed: () => void) => Pick<FSWatcher, 'on' | 'close'>

export interface FileSourceContext {
  readonly clock: Clock
  readonly watchFolder?: WatchFolder
}

const watchFolder: WatchFolder = (folder, changed) => watch(folder, { persistent: false }, changed)

export class FileSource implements EndpointSource {
  readonly #options: FileSourceOptions
  readonly #clock: Clock
  readonly #watchFolder: WatchFolder
  #sink: EndpointSink | undefined
  #watcher: ReturnType<WatchFolder> | undefined
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #looking = false
  /** Something happened during the look. */
  #again = false
  /** What the file was when it was looked at last, and when it was read last. */
  #seen: string | undefined
  #read: string | undefined

  constructor(options: FileSourceOptions, { clock, watchFolder: watching = watchFolder }: FileSourceContext) {
    this.#options = options
    this.#clock = clock
    this.#watchFolder = watching
  }

  start(sink: EndpointSink): void {
    this.#sink = sink
    this.#watch()
    void this.#look(true)
  }

  refresh(): void {
    this.#lookIn(SETTLE_MS)
  }

  close(): void {
    this.#sink = undefined
    this.#timer?.cancel()
    this.#watcher?.close()
    this.#watcher = undefined
  }

  /** Anew after each change: the folder itself may be another one by then. */
  #watch(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    try {
      const watcher = this.#watchFolder(dirname(this.#options.path), () => this.#lookIn(SETTLE_MS))
      watcher.on('error', () => watcher.close())
      this.#watcher = watcher
    } catch {
      // There is no such folder, or no watch is to be had. Looking from time to time finds what changes.
    }
  }

  /** Events may come in any number: the first one counts, and those until then are one with it. */
  #lookIn(delayMs: number): void {
    if (this.#sink === undefined) return
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
    let settled = true
    try {
      const now = await identityOf(this.#options.path)
      settled = first || now === this.#seen
      this.#seen = now
      if (settled && now !== this.#read) await this.#tell(now)
    } catch (error) {
      // What is wrong in it stays wrong until it changes. What could not be read is tried again.
      if (!(error instanceof WrongList)) this.#read = undefined
      this.#sink?.onError((error as Error).message)
    }
    this.#looking = false
    this.#lookIn(settled && !this.#again ? POLL_MS : SETTLE_MS)
  }

  async #tell(now: string): Promise<void> {
    if (this.#sink === undefined) return
    this.#watch()
    const { path, read } = this.#options
    const text = await textOf(path)
    if ((await identityOf(path)) !== now) {
      // It was replaced or written to meanwhile. It is read when it rests.
      this.#again = true
      return
    }
    this.#read = now
    const all = endpointsIn(text, path, read)
    this.#sink?.onEndpoints(all)
  }
}

/** The file was read, and does not hold what it should. */
class WrongList extends Error {}

/** What the file holds now. @throws Error that says what is wrong */
export async function readEndpoints({ path, read }: FileSourceOptions): Promise<readonly EndpointSpec[]> {
  await identityOf(path)
  return endpointsIn(await textOf(path), path, read)
}

function endpointsIn(text: string, path: string, read: FileSourceOptions['read']): readonly EndpointSpec[] {
  try {
    // YAML holds JSON. Aliases can make a small file large: yaml's own bound of 100 stays.
    const list: unknown = parse(text, { logLevel: 'error' })
    if (list === null || (Array.isArray(list) && list.length === 0)) throw new Error('the list is empty')
    if (!Array.isArray(list)) throw new Error('is no list: write one address in each line, after "- "')
    return read(list)
  } catch (error) {
    throw new WrongList(`${path}: ${(error as Error).message.split('\n', 1)[0]}`)
  }
}

/** Says which file it is, and as of when. */
async function identityOf(path: string): Promise<string> {
  const stats = await stat(path, { bigint: true }).catch(error => cannotRead(path, error))
  // To read a pipe would wait for its writer.
  if (!stats.isFile()) throw new WrongList(`${path}: is no file`)
  const { dev, ino, size, mtimeNs, ctimeNs } = stats
  if (size > MAX_FILE_BYTES) throw new WrongList(`${path}: has more than ${MAX_FILE_BYTES} bytes`)
  return [dev, ino, size, mtimeNs, ctimeNs].join()
}

function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(error => cannotRead(path, error))
}

function cannotRead(path: string, error: NodeJS.ErrnoException): never {
  const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message
  throw new Error(`${path}: cannot be read: ${reason}`)
}
