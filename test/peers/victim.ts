/** An honest client beside others: one call after another, and a stream that lasts. It notes what it loses. */
import { setTimeout } from 'node:timers/promises'
import { RawClient } from '../support/raw-client.ts'
import type { Received } from '../support/received.ts'
import type { Scope } from '../support/teardown.ts'
import { MESSAGE, requestFields, wholeCall } from './odd-requests.ts'

/** Between two calls of the victim. */
const PAUSE_MS = 5
/** Longer than any attack takes: a victim that waits so long has lost. */
const PATIENCE_MS = 20_000

/** `undefined` when it did not come in time. */
async function inTime<T>(promise: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController()
  try {
    return await Promise.race([promise, setTimeout(PATIENCE_MS, undefined, { signal: timer.signal })])
  } finally {
    timer.abort()
  }
}

export function grpcStatus(items: readonly Received[]): string {
  const fields = items.flatMap(item => (item.kind === 'headers' ? item.fields : []))
  const of = (name: string): string | undefined => fields.find(field => field.name === name)?.value
  const reset = items.find(item => item.kind === 'rst')
  const status = of('grpc-status')
  if (status !== undefined) return status === '0' ? 'OK' : `grpc-status ${status} ${of('grpc-message') ?? ''}`
  return reset === undefined ? `:status ${of(':status')}, no grpc-status` : `RST_STREAM ${reset.code}`
}

/** A whole call, and how it ended. */
async function callOnce(client: RawClient): Promise<string> {
  const id = wholeCall(client)
  await inTime(client.ended(id).catch(() => {}))
  const items = client.stream(id)
  // The log would grow with each call.
  client.log.splice(0, client.log.length, ...client.log.filter(item => item.streamId !== id))
  return items.length === 0 ? 'nothing' : grpcStatus(items)
}

function grpcEnd(item: Received): boolean {
  return item.kind === 'headers' && item.endStream
}

export class Victim {
  /** What it lost, in words. */
  readonly losses: string[] = []
  /** Of its calls. */
  readonly timesMs: number[] = []
  readonly #client: RawClient
  readonly #answersAtEnd: boolean
  readonly #stream: number
  #sent = 0
  #over = false
  #calls: Promise<void> = Promise.resolve()

  private constructor(client: RawClient, answersAtEnd: boolean) {
    this.#client = client
    this.#answersAtEnd = answersAtEnd
    this.#stream = client.request(requestFields())
  }

  /** Connected, with its stream open on the backend, and with calls going on. */
  static async start(t: Scope, port: number, answersAtEnd: boolean): Promise<Victim> {
    const client = await RawClient.connect(t, port)
    // Whatever was before may have left the proxy waiting before it connects again.
    for (const ends = performance.now() + PATIENCE_MS; (await callOnce(client)) !== 'OK' && performance.now() < ends; )
      await setTimeout(PAUSE_MS)
    const victim = new Victim(client, answersAtEnd)
    await victim.say()
    victim.#calls = victim.#callOnAndOn()
    return victim
  }

  /** A message on the stream that lasts, and its echo. */
  async say(): Promise<void> {
    this.#client.data(this.#stream, MESSAGE)
    this.#sent += MESSAGE.length
    if (!this.#answersAtEnd) await this.#echoed()
  }

  /** Ends both; what was lost is known now. */
  async stop(): Promise<void> {
    this.#over = true
    await this.#calls
    await this.say()
    const gone = this.losses.length > 0
    if (!gone) {
      this.#client.data(this.#stream, '', { endStream: true })
      await inTime(this.#client.ended(this.#stream).catch(() => {}))
    }
    const items = this.#client.stream(this.#stream)
    if (gone) this.#client.destroy()
    else if (grpcStatus(items) !== 'OK') this.losses.push(`the stream ended with ${grpcStatus(items)}`)
    else if (this.#client.dataBytes(this.#stream) !== this.#sent) this.losses.push('the stream lost messages')
    this.#client.destroy()
  }

  async #echoed(): Promise<void> {
    if (this.losses.length > 0) return
    const ends = performance.now() + PATIENCE_MS
    const client = this.#client
    const over = (): boolean =>
      client.socket.destroyed || client.stream(this.#stream).some(item => item.kind === 'rst' || grpcEnd(item))
    while (client.dataBytes(this.#stream) < this.#sent) {
      if (over() || performance.now() > ends) {
        this.losses.push(`a message on the stream was not answered: ${grpcStatus(client.stream(this.#stream))}`)
        return
      }
      await setTimeout(1)
    }
  }

  async #callOnAndOn(): Promise<void> {
    while (!this.#over && this.losses.length === 0) {
      await this.#call()
      await setTimeout(PAUSE_MS)
    }
  }

  async #call(): Promise<void> {
    const begin = performance.now()
    const status = await callOnce(this.#client)
    this.timesMs.push(performance.now() - begin)
    if (status !== 'OK') this.losses.push(`a call ended with ${status}`)
  }
}
