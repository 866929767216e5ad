/** A source whose module is loaded when it is started: a proxy without such a source loads nothing of it. */
import type { EndpointSink, EndpointSource } from '../backend/endpoint-source.ts'

export class LazySource implements EndpointSource {
  readonly #load: () => Promise<EndpointSource>
  #source: EndpointSource | undefined
  #closed = false

  constructor(load: () => Promise<EndpointSource>) {
    this.#load = load
  }

  async start(sink: EndpointSink): Promise<void> {
    try {
      const source = await this.#load()
      if (this.#closed) return
      this.#source = source
      source.start(sink)
    } catch (error) {
      if (!this.#closed) sink.onError(`the source cannot be loaded: ${(error as Error).message}`)
    }
  }

  refresh(): void {
    this.#source?.refresh()
  }

  close(): void {
    this.#closed = true
    this.#source?.close()
  }
}
