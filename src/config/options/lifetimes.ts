/** How long sessions live, and whether their peers are asked for a sign of life. */
/** Asks silent endpoints whether they are there. */
export interface KeepaliveOptions {
  /**
   * After this long a silence an endpoint is asked; grpc-go, grpc-java and grpcio end a session that asks more often
   * than each five minutes, unless they are told otherwise (milliseconds).
   * @defaultValue `300000`
   */
  readonly intervalMs?: number
  /**
   * How long the answer may take, or anything else that comes; then the session is ended, and its calls with it
   * (milliseconds).
   * @defaultValue `20000`
   */
  readonly timeoutMs?: number
  /**
   * Ask on sessions without calls too; by default the servers of gRPC allow that each two hours.
   * @defaultValue `false`
   */
  readonly withoutCalls?: boolean
}

/** Asks silent clients whether they are there. */
export interface ClientKeepaliveOptions {
  /**
   * After this long a silence a client is asked (milliseconds).
   * @defaultValue `7200000`
   */
  readonly intervalMs?: number
  /**
   * How long the answer may take, or anything else that comes; then the session is ended, and its calls with it
   * (milliseconds).
   * @defaultValue `20000`
   */
  readonly timeoutMs?: number
}
