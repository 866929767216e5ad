/** TCP in the middle: passes bytes on, and can stop doing so without a word, as a dead machine or a cut cable does. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

interface Pair {
  /** The side that dialled us. */
  readonly near: Socket
  readonly far: Socket
}

export class Relay {
  readonly #server: Server
  readonly #target: number
  readonly #pairs = new Set<Pair>()
  #frozen = false

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer(near => this.#join(near))
  }

  static async listen(target: number): Promise<Relay> {
    const relay = new Relay(target)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #join(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1')
    const pair = { near, far }
    this.#pairs.add(pair)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true)
      from.on('error', () => {})
      from.on('data', (chunk: Buffer) => {
        if (!to.write(chunk)) from.pause()
      })
      to.on('drain', () => {
        if (!this.#frozen) from.resume()
      })
      // A frozen relay keeps the end of one side to itself as well.
      from.on('end', () => {
        if (!this.#frozen) to.end()
      })
      from.on('close', () => {
        if (!this.#frozen) this.#part(pair)
      })
    }
    if (this.#frozen) this.#freeze(pair)
  }

  #part(pair: Pair): void {
    this.#pairs.delete(pair)
    pair.near.destroySoon()
    pair.far.destroySoon()
  }

  #freeze({ near, far }: Pair): void {
    near.pause()
    far.pause()
  }

  /** No byte passes any more, and no end; whoever connects is accepted and left alone. */
  freeze(): void {
    this.#frozen = true
    for (const pair of this.#pairs) this.#freeze(pair)
  }

  /** What was frozen goes on. @returns how many connections cannot: one side is gone, and what it had said with it */
  thaw(): number {
    this.#frozen = false
    let lost = 0
    for (const pair of this.#pairs) {
      const { near, far } = pair
      if (near.destroyed || far.destroyed) {
        this.#part(pair)
        lost++
      }
      near.resume()
      far.resume()
    }
    return lost
  }

  /** All connections are reset; new ones pass. */
  reset(): void {
    this.#frozen = false
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
    this.#pairs.clear()
  }

  close(): void {
    this.reset()
    this.#server.close()
  }
}
