/**
 * Methods that are there, as far as a proxy can know: a route names them, or a backend has answered a call of them with OK.
 * All other paths may be inventions of clients, and name nothing.
 */
import type { CallRecord } from '../call/record.ts'

/** A large service; a backend that answers everything with OK must not make us keep everything. */
const MAX_METHODS = 1_000

export class KnownMethods {
  readonly #paths = new Set<string>()

  constructor(paths: Iterable<string> = []) {
    this.know(paths)
  }

  know(paths: Iterable<string>): void {
    for (const path of paths) if (this.#paths.size < MAX_METHODS) this.#paths.add(path)
  }

  learn({ path, status, endedBy }: CallRecord): void {
    if (status === 0 && endedBy === 'backend' && this.#paths.size < MAX_METHODS) this.#paths.add(path)
  }

  has(path: string): boolean {
    return this.#paths.has(path)
  }
}
