/** A gate by what an earlier one has found out of the caller: claims of a token. */
import type { Gate } from '../routing/gate.ts'
import { refusal } from '../routing/gate.ts'

/** By the name of the claim: one of these values must be there. Of `scope` each word is a value (RFC 8693 §4.2). */
export type ClaimsOptions = Readonly<Record<string, string | readonly string[]>>

const NOBODY = refusal('unauthenticated', 'no gate before has found out whose call it is')

export function claims(options: ClaimsOptions): Gate {
  const asked = Object.entries(options).map(([claim, values]) => ({
    claim,
    values: new Set([values].flat()),
    refused: refusal('forbidden', `the claim ${claim} does not have what is asked for`),
  }))
  return next => call => {
    const found = call.notes.identity?.claims
    if (found === undefined) throw NOBODY
    for (const { claim, values, refused } of asked) {
      if (!valuesOf(claim, found).some(value => values.has(value))) throw refused
    }
    return next(call)
  }
}

function valuesOf(claim: string, claims: Readonly<Record<string, unknown>>): string[] {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined
  if (Array.isArray(value)) return value.filter(one => typeof one !== 'object').map(String)
  if (typeof value === 'string') return claim === 'scope' ? value.split(' ') : [value]
  return typeof value === 'number' || typeof value === 'boolean' ? [String(value)] : []
}
