/** Which calls are copied to a second backend. */

export interface MirrorPolicy {
  /** It gets the copies; nobody hears its answers: a name, or what `defineBackend` made. */
  readonly backend: string | { readonly name: string }
  /** From 0 to 1, of the calls, at random. Default: all. */
  readonly share?: number | undefined
}

/** @throws TypeError for a value that is not allowed */
export function checkMirror({ backend, share = 1 }: MirrorPolicy): void {
  const named = typeof backend === 'string' || (typeof backend === 'object' && backend !== null)
  if (!named) throw new TypeError(`a mirror has a backend, it is ${String(backend)}`)
  if (!(share >= 0 && share <= 1)) throw new TypeError(`the share of a mirror is from 0 to 1, it is ${String(share)}`)
}
