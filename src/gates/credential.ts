/** Where in a call's metadata a secret stands. */
import type { CallInfo } from '../routing/director.ts'
import { refusal } from '../routing/gate.ts'

export interface CredentialPlace {
  /** In lower case. */
  readonly header: string
  /** What stands before the secret, in any case of letters: `Bearer`. Empty: nothing. */
  readonly scheme: string
  readonly maxCharacters: number
}

const NONE = refusal('unauthenticated', 'there is no credential')
const SEVERAL = refusal('unauthenticated', 'there is more than one credential, and who reads them may take another')
const OTHER_SCHEME = refusal('unauthenticated', 'the credential has another scheme')
const TOO_LONG = refusal('unauthenticated', 'the credential is longer than one that is taken')

/**
 * The secret. Several values, or one of which a reader could make several, are refused: what is checked here must be what a
 * backend reads.
 * @throws Refusal
 */
export function credentialOf({ metadata }: CallInfo, { header, scheme, maxCharacters }: CredentialPlace): string {
  const values = metadata.getAll(header)
  if (values.length === 0) throw NONE
  const value = values[0]!
  if (value.length > maxCharacters + scheme.length + 1) throw TOO_LONG
  if (values.length > 1 || value.includes(',')) throw SEVERAL
  if (scheme === '') return value
  const space = value.indexOf(' ')
  if (space === -1 || value.slice(0, space).toLowerCase() !== scheme.toLowerCase()) throw OTHER_SCHEME
  return value.slice(space + 1).trim()
}
