/** What each user of a `Connection` writes once: a socket's bytes in and out, a clock, and the end. */
import type { Socket } from 'node:net'
import type { WireStream, WireStreamOwner } from 'grpc-verbatim/wire'
import { Connection, type ConnectionLimits, type ConnectionOwner, type Role } from 'grpc-verbatim/wire'

/** Stop reading from who lets so many bytes for him grow. */
const MAX_PENDING_BYTES = 1_048_576

/** What a client or a server wants to know of the connection, it overrides. */
export abstract class Loop implements ConnectionOwner {
  readonly connection: Connection
  readonly socket: Socket
  /** Tokens of what the peer did wrong, and what it said. */
  readonly told: string[] = []

  constructor(socket: Socket, role: Role, limits?: ConnectionLimits) {
    const connection = new Connection({ role, owner: this, limits })
    this.connection = connection
    this.socket = socket
    const clock = setInterval(() => connection.tick(performance.now()), 1_000)
    socket.setNoDelay()
    socket.on('data', (chunk: Buffer) => {
      connection.receive(chunk)
      if (connection.pendingBytes > MAX_PENDING_BYTES) socket.pause()
    })
    // 'close' follows.
    socket.on('error', error => this.told.push(error.message))
    socket.on('close', () => {
      clearInterval(clock)
      connection.closed('the socket was closed')
    })
    connection.start()
  }

  onPending(): void {
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    const { connection, socket } = this
    socket.cork()
    for (const span of connection.flush()) socket.write(span, this.#taken)
    socket.uncork()
    connection.congested = socket.writableLength > 0
  }

  /** The socket took a span; if that was the last of all, the memory is free. */
  readonly #taken = (): void => {
    const { connection, socket } = this
    if (socket.writableLength > 0) return
    connection.reuse()
    connection.congested = false
    socket.resume()
  }

  onFailed(error: Error & { token: string }): void {
    this.told.push(error.token)
    // After the flush of the GOAWAY, which `onPending` has asked for.
    setImmediate(() => this.socket.end())
  }

  onDrained(): void {
    setImmediate(() => this.socket.end())
  }

  onStreamError(error: Error & { token: string }): void {
    this.told.push(error.token)
  }

  onStream(_: WireStream): WireStreamOwner {
    throw new Error('clients are not told of streams')
  }

  onReady(): void {}
  onFree(): void {}
  onGoaway(): void {}
  onPong(): void {}
}
