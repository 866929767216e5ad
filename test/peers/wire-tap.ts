/** A TCP relay before a peer, that tells which of the peer's connections the peer ended, and how. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { FrameReader, FrameType, PREFACE } from '../support/frames.ts'

/** Which end of a relayed connection is the peer that is watched. */
export type Watched = 'server' | 'client'

export class WireTap {
  /** Relayed so far. */
  connections = 0
  /** How the peer ended connections: GOAWAY with an error, or the end of the socket without any. */
  readonly ends: string[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #quiet = false

  private constructor(port: number, watched: Watched) {
    this.#server = createServer(inbound => this.#relay(inbound, connect(port, '127.0.0.1'), watched))
  }

  /** @param port where the server of the two is */
  static async before(port: number, watched: Watched): Promise<WireTap> {
    const tap = new WireTap(port, watched)
    tap.#server.listen(0, '127.0.0.1')
    await once(tap.#server, 'listening')
    return tap
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** What ends from now on is our doing. */
  close(): void {
    this.#quiet = true
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #relay(inbound: Socket, outbound: Socket, watched: Watched): void {
    this.connections++
    const [peer, other] = watched === 'server' ? [outbound, inbound] : [inbound, outbound]
    let over = false
    const end = (how: string): void => {
      if (!over && !this.#quiet) this.ends.push(how)
      over = true
    }
    for (const socket of [inbound, outbound]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        inbound.destroy()
        outbound.destroy()
      })
    }
    // Whoever ends first has ended it.
    peer.once('end', () => end('the connection was closed')).once('error', error => end(error.message))
    other.once('end', () => (over = true)).once('error', () => (over = true))
    this.#listen(peer, watched, end)
    inbound.pipe(outbound)
    outbound.pipe(inbound)
  }

  #listen(peer: Socket, watched: Watched, end: (how: string) => void): void {
    const reader = new FrameReader()
    let skip = watched === 'client' ? PREFACE.length : 0
    peer.on('data', (chunk: Buffer) => {
      const skipped = Math.min(skip, chunk.length)
      skip -= skipped
      for (const { type, payload } of reader.push(chunk.subarray(skipped))) {
        if (type !== FrameType.GOAWAY) continue
        const code = payload.readUInt32BE(4)
        if (code !== 0) end(`GOAWAY ${code} ${JSON.stringify(payload.toString('latin1', 8))}`)
      }
    })
  }
}
