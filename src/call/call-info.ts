/** What a director sees of a call; made when it is asked for, no sooner. */
import type { RequestHead } from '../grpc/metadata.ts'
import type { CallInfo, MetadataView } from '../routing/director.ts'
import type { HeaderBlock, Peer } from '../transport/transport.ts'

export class RoutedCall implements CallInfo, MetadataView {
  readonly path: string
  readonly authority: string
  readonly peer: Peer
  readonly fields: HeaderBlock
  /** Once it was asked for: a router may ask for each route. */
  #service: string | undefined
  #abort: AbortController | undefined
  #aborted = false

  constructor(head: RequestHead, fields: HeaderBlock, peer: Peer) {
    this.path = head.path
    this.authority = head.authority
    this.fields = fields
    this.peer = peer
  }

  /** Where the method begins; 0 when the path has not two parts. */
  get #method(): number {
    // "Path" → "/" Service-Name "/" {method name} (PROTOCOL-HTTP2.md); the service may hold slashes.
    const slash = this.path.lastIndexOf('/')
    return this.path.startsWith('/') && slash > 1 ? slash + 1 : 0
  }

  get service(): string {
    this.#service ??= this.#method === 0 ? '' : this.path.slice(1, this.#method - 1)
    return this.#service
  }

  get method(): string {
    const method = this.#method
    return method === 0 ? '' : this.path.slice(method)
  }

  get metadata(): MetadataView {
    return this
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#aborted) this.#abort.abort()
    }
    return this.#abort.signal
  }

  abort(): void {
    this.#aborted = true
    this.#abort?.abort()
  }

  get(name: string): string | undefined {
    const { fields } = this
    for (let i = 0; i < fields.length; i++) {
      if (fields[i]!.name === name) return fields[i]!.value
    }
    return undefined
  }

  getAll(name: string): string[] {
    return this.fields.filter(field => field.name === name).map(field => field.value)
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }
}
