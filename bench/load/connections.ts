/** Opens the connections of a load. Only this file decides what carries its calls. */
import { readFileSync } from 'node:fs'
import { seededRandom } from '../../src/bench/random.ts'
import type { DialAddress } from '../../src/transport/transport.ts'
import { CallConnection } from './call-connection.ts'
import { CallFields } from './call-fields.ts'
import { callImages } from './call-images.ts'
import type { CallPlan } from './call-plan.ts'
import type { Caller, CallerOwner } from './caller.ts'
import { messageOf } from './messages.ts'
import { ReadingPace } from './reading-pace.ts'
import type { LoadOptions } from './shape.ts'
import { StreamConnection } from './stream-connection.ts'
import { wholeNumber } from './whole-number.ts'

/** So many connect at the same time, which is fewer than any server's backlog. */
const AT_ONCE = 100
/** An image may hold messages that fit in any window, and a block that fits in a frame. */
const MAX_IMAGE_MESSAGE_BYTES = 1_024
const MAX_IMAGE_HEADER_BYTES = 8_192
/** The seed of the load's random numbers, the same in each run. */
const SEED = 1

/** What a load needs to make its connections. */
export class Connections {
  readonly #options: LoadOptions
  readonly #plan: CallPlan
  readonly #fields: CallFields
  readonly #target: DialAddress
  readonly #pace: ReadingPace | undefined

  /** @throws RangeError for options that cannot be; the system's error for a CA that cannot be read */
  constructor(options: LoadOptions, plan: CallPlan) {
    const { port, tls, connections, readBytesPerSecond } = options
    wholeNumber('connections', connections)
    this.#options = options
    this.#plan = plan
    this.#fields = new CallFields(plan, options, seededRandom(SEED))
    this.#pace = readBytesPerSecond === undefined ? undefined : new ReadingPace(readBytesPerSecond)
    this.#target = {
      name: `127.0.0.1:${port}`,
      tcp: { host: '127.0.0.1', port },
      tls: tls && { serverName: '127.0.0.1', ca: readFileSync(tls.ca) },
    }
  }

  /** Images are the cheapest, and can only be small unary calls on connections that last. */
  get fromImages(): boolean {
    const { tls, readBytesPerSecond, shape, headerBytes = 0, mode } = this.#options
    return (
      mode.kind !== 'connect' &&
      tls === undefined &&
      readBytesPerSecond === undefined &&
      shape.kind === 'unary' &&
      shape.requestBytes <= MAX_IMAGE_MESSAGE_BYTES &&
      shape.responseBytes <= MAX_IMAGE_MESSAGE_BYTES &&
      headerBytes <= MAX_IMAGE_HEADER_BYTES
    )
  }

  get count(): number {
    return this.#options.connections
  }

  /**
   * Opens all of them, and waits until the server has greeted each.
   * @param maxOpen the most calls open on each
   * @throws Error with the reason when one does not come about; the others are closed then
   */
  async openAll(owner: CallerOwner, maxOpen: number): Promise<Caller[]> {
    const open = this.opener(maxOpen)
    const callers: Caller[] = []
    while (callers.length < this.count) {
      const batch = Array.from({ length: Math.min(AT_ONCE, this.count - callers.length) }, () => open(owner))
      const settled = await Promise.allSettled(batch)
      for (const one of settled) if (one.status === 'fulfilled') callers.push(one.value)
      const failed = settled.find(one => one.status === 'rejected')
      if (failed === undefined) continue
      for (const caller of callers) caller.close()
      throw failed.reason
    }
    return callers
  }

  /** @returns a function that opens one connection at each call, for calls with a connection each */
  opener(maxOpen: number): (owner: CallerOwner) => Promise<Caller> {
    const plan = this.#plan
    if (this.fromImages) {
      const [request, response] = [messageOf(plan.request.bytes), messageOf(plan.response.bytes)]
      const requestBytes = request.length
      return owner => {
        const images = callImages(this.#fields.lists(), request)
        return CallConnection.open(this.#options.port, { images, requestBytes, response, maxOpen }, owner)
      }
    }
    // A connection for one call has one list, and the next connection has the next list.
    const shared = this.#options.mode.kind === 'connect' ? this.#fields.lists() : undefined
    let turn = 0
    return owner => {
      const lists = shared === undefined ? this.#fields.lists() : [shared[turn++ % shared.length]!]
      return StreamConnection.open(this.#target, { plan, lists, maxOpen, pace: this.#pace }, owner)
    }
  }

  /** Stops readers that wait. Nothing continues after it. */
  stop(): void {
    this.#pace?.stop()
  }
}
