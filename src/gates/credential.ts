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
export function credentialOf(call: CallInfo, place: CredentialPlace): string {
  return secretOf(credentialValue(call, place), place)
}

/**
 * The one value of the metadata in which it stands, as it came. Nothing is made for it: the value of a call of before is the
 * same string mostly, which is found without a look at its characters.
 * @throws Refusal where there is none, or more than one
 */
export function credentialValue(
  { metadata: { fields } }: CallInfo,
  { header, scheme, maxCharacters }: CredentialPlace,
): string {
  let value: string | undefined
  let several = false
  for (let i = 0; i < fields.length; i++) {
    if (fields[i]!.name !== header) continue
    if (value === undefined) value = fields[i]!.value
    else several = true
  }
  if (value === undefined) throw NONE
  if (value.length > maxCharacters + scheme.length + 1) throw TOO_LONG
  if (several) throw SEVERAL
  return value
}

/** The secret in such a value. @throws Refusal */
export function secretOf(value: string, { scheme }: CredentialPlace): string {
  if (value.includes(',')) throw SEVERAL
  if (scheme === '') return value
  const space = value.indexOf(' ')
  if (space === -1 || value.slice(0, space).toLowerCase() !== scheme.toLowerCase()) throw OTHER_SCHEME
  return value.slice(space + 1).trim()
}
