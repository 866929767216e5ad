/** The one argument of a subject that is a program of this suite, as JSON. */
import type { TlsFiles } from '../world.ts'

export interface Assignment {
  /** The port on 127.0.0.1 to listen on. */
  readonly port: number
  /** Ports on 127.0.0.1, taken in turn. */
  readonly backends: readonly number[]
  /** TLS on both sides. The backends' certificate is for `localhost` and 127.0.0.1. */
  readonly tls?: TlsFiles
}

export function readAssignment<More = unknown>(): Assignment & More {
  return JSON.parse(process.argv[2]!) as Assignment & More
}
