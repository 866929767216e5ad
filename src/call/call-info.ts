/** What a director sees of a call. Its parts are made when they are asked for, not before. */
import { firstValue, type RequestHead } from '../grpc/metadata.ts'
import type { CallInfo, CallNotes, MetadataView } from '../routing/director.ts'
import type { CallEdits } from '../routing/metadata-changes.ts'
import type { HeaderBlock, Peer } from '../transport/transport.ts'
import type { RelayContext } from './context.ts'
import type { RequestId } from './request-id.ts'

export class RoutedCall implements CallInfo, MetadataView {
  readonly path: string
  readonly service: string
  readonly method: string
  readonly authority: string
  readonly peer: Peer
  readonly fields: HeaderBlock
  readonly #id: RequestId | undefined
  /** What its route changes of its metadata, once that is known. */
  edits: CallEdits | undefined
  #notes: CallNotes | undefined
  #abort: AbortController | undefined
  #aborted = false
  #over = false
  /** Most calls have none or one. */
  #told: (() => void) | (() => void)[] | undefined

  constructor(head: RequestHead, fields: HeaderBlock, peer: Peer, id?: RequestId) {
    this.path = head.path
    this.service = head.called?.service ?? ''
    this.method = head.called?.method ?? ''
    this.authority = head.authority
    this.fields = fields
    this.peer = peer
    this.#id = id
  }

  get metadata(): MetadataView {
    return this
  }

  get requestId(): string | undefined {
    return this.#id?.field.value
  }

  get notes(): CallNotes {
    this.#notes ??= {}
    return this.#notes
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

  onEnd(told: () => void): void {
    if (this.#over) told()
    else if (this.#told === undefined) this.#told = told
    else this.#told = [this.#told, told].flat()
  }

  /** The call is over. */
  end(onFault: RelayContext['onFault']): void {
    this.#over = true
    this.abort()
    const told = this.#told
    if (told === undefined) return
    this.#told = undefined
    for (const tell of [told].flat()) {
      try {
        tell()
      } catch (thrown) {
        onFault('a gate failed at the end of a call', this.path, thrown)
      }
    }
  }

  get(name: string): string | undefined {
    return firstValue(this.fields, name)
  }

  getAll(name: string): string[] {
    const values: string[] = []
    for (let i = 0; i < this.fields.length; i++) if (this.fields[i]!.name === name) values.push(this.fields[i]!.value)
    return values
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }
}
