/** Which worker gets a connection: the one that has the fewest. */
import type { Logger } from 'pino'
import { addressOf } from '../transport/peer.ts'
import type { Connection, WorkerHandle } from './worker-handle.ts'

/** Connections that no worker has yet: two of the kernel's own queues. More come only while all workers stand still. */
const MAX_WAITING = 1_024

export class Handover {
  readonly #log: Logger
  /** Who has got one last is the last among those that have as many. */
  readonly #workers: WorkerHandle[] = []
  /** Connections for which there was no worker. */
  readonly #waiting: Connection[] = []
  #stopped = false

  constructor(log: Logger) {
    this.#log = log
  }

  /** It is ready for connections. */
  add(worker: WorkerHandle): void {
    this.#workers.unshift(worker)
    this.retry()
  }

  /** One of those that stood still may have gone on. */
  retry(): void {
    for (const connection of this.#waiting.splice(0)) this.give(connection)
  }

  /** It gets no more, and what was not sent to it yet is for others. */
  remove(worker: WorkerHandle): void {
    const at = this.#workers.indexOf(worker)
    if (at >= 0) this.#workers.splice(at, 1)
    this.takeFrom(worker)
  }

  takeFrom(worker: WorkerHandle): void {
    for (const connection of worker.takeBack()) this.give(connection)
  }

  give(connection: Connection): void {
    const worker = this.#stopped ? undefined : this.#fewest()
    if (worker !== undefined) {
      this.#workers.push(...this.#workers.splice(this.#workers.indexOf(worker), 1))
      worker.give(connection)
    } else if (!this.#stopped && this.#waiting.length < MAX_WAITING) this.#waiting.push(connection)
    else this.#refuse(connection)
  }

  /** Nobody waits for a worker that stands still. */
  #fewest(): WorkerHandle | undefined {
    let fewest: WorkerHandle | undefined
    for (const worker of this.#workers) {
      if (worker.unanswered > 0 || worker.waitingCount >= MAX_WAITING) continue
      if (fewest === undefined || worker.load < fewest.load) fewest = worker
    }
    return fewest
  }

  #refuse({ socket }: Connection): void {
    const detail = this.#stopped ? 'the proxy drains' : `no worker takes it, and ${MAX_WAITING} wait already`
    this.#log.info({ peer: addressOf(socket), refusal: 'too-many', detail }, 'connection refused')
    socket.destroy()
  }

  /** Nobody gets any more; those that wait are closed. */
  stop(): void {
    this.#stopped = true
    for (const connection of this.#waiting.splice(0)) this.#refuse(connection)
    for (const worker of this.#workers.splice(0)) this.takeFrom(worker)
  }
}
