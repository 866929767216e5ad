/** What a proxy has for its gates: a gate may ask a service that is one of the backends. */
import type { BackendDefinition } from './director.ts'

/** A unary call of a gate's own. */
export interface ServiceCall {
  /** `/pkg.Service/Method` */
  readonly path: string
  /** One message, without its prefix. */
  readonly message: Uint8Array
  /** From now to the whole answer. */
  readonly timeoutMs: number
  /** Most bytes of the answer. One that is longer is given up. */
  readonly maxBytes: number
}

export interface Services {
  /**
   * Asks an endpoint of a backend.
   * @param done gets the message of the answer, or why there is none: once, in a later turn, and not after it was given up
   * @returns gives it up
   */
  ask(
    backend: string | BackendDefinition,
    call: ServiceCall,
    done: (answer: Buffer | undefined, why: string) => void,
  ): () => void
}
