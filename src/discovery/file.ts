/** Endpoints from a file: a list in YAML or JSON, read again when the file changes. */
import { readFile, stat } from 'node:fs/promises'
import type { EndpointSink, EndpointSource, EndpointSpec } from '../backend/endpoint-source.ts'
import { ListText } from './list-text.ts'
import { WatchedFiles, type WatchedFilesContext } from './watched-files.ts'

/** As large as a list of tens of thousands of endpoints. */
export const MAX_FILE_BYTES = 8 * 1024 * 1024

export interface FileSourceOptions {
  readonly path: string
  /** Makes endpoints of what the file holds. @throws Error that says what is wrong, and where */
  readonly read: (list: unknown) => readonly EndpointSpec[]
}

export class FileSource implements EndpointSource {
  readonly #options: FileSourceOptions
  readonly #files: WatchedFiles
  readonly #text = new ListText()
  #sink: EndpointSink | undefined

  constructor(options: FileSourceOptions, context: WatchedFilesContext) {
    this.#options = options
    this.#files = new WatchedFiles(unchanged => this.#read(unchanged), context)
  }

  start(sink: EndpointSink): void {
    this.#sink = sink
    this.#files.start([this.#options.path])
  }

  refresh(): void {
    this.#files.look()
  }

  close(): void {
    this.#sink = undefined
    this.#files.close()
  }

  /** What is wrong in it stays wrong until it changes. What could not be read is tried again. */
  async #read(unchanged: () => Promise<boolean>): Promise<boolean> {
    try {
      const all = await readEndpoints(this.#options, this.#text)
      if (!(await unchanged())) return false
      this.#sink?.onEndpoints(all)
      return true
    } catch (error) {
      this.#sink?.onError((error as Error).message)
      return error instanceof WrongList
    }
  }
}

/** The file was read, and does not hold what it should. */
class WrongList extends Error {}

/** What the file holds now. @throws Error that says what is wrong */
export async function readEndpoints(
  { path, read }: FileSourceOptions,
  listText = new ListText(),
): Promise<readonly EndpointSpec[]> {
  const stats = await stat(path).catch(error => cannotRead(path, error))
  // To read a pipe would wait for its writer.
  if (!stats.isFile()) throw new WrongList(`${path}: is no file`)
  if (stats.size > MAX_FILE_BYTES) throw new WrongList(`${path}: has more than ${MAX_FILE_BYTES} bytes`)
  const text = await readFile(path, 'utf8').catch(error => cannotRead(path, error))
  try {
    const list = await listText.read(text)
    if (list === null || (Array.isArray(list) && list.length === 0)) throw new Error('the list is empty')
    if (!Array.isArray(list)) throw new Error('is no list: write one address in each line, after "- "')
    return read(list)
  } catch (error) {
    throw new WrongList(`${path}: ${(error as Error).message.split('\n', 1)[0]}`)
  }
}

function cannotRead(path: string, error: NodeJS.ErrnoException): never {
  const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message
  throw new Error(`${path}: cannot be read: ${reason}`)
}
