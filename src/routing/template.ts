/**
 * Values with variables: `{peer.host}` and the like; `{{` and `}}` are braces. They are read once. `${NAME}` is another
 * thing: the configuration puts it in before anybody reads a value.
 */
import { altNames, distinguishedName } from '../transport/alt-names.ts'
import type { CallInfo } from './director.ts'

/** The longest value of a variable. A cut name might be somebody else's, so that a longer one counts as none. */
const MAX_CHARACTERS = 4_096

/** Undefined and empty: the call has none. */
type Variable = (call: CallInfo, backend: string) => string | undefined

const VARIABLES: Readonly<Record<string, Variable>> = {
  'peer.address': ({ peer }) => peer.address,
  'peer.host': ({ peer }) => hostOf(peer.address),
  'peer.certificate.subject': call => distinguishedName(verified(call)?.subject ?? ''),
  'peer.certificate.uri': call => namesOf(call, 'URI'),
  'peer.certificate.dns': call => namesOf(call, 'DNS'),
  'peer.certificate.fingerprint': call => verified(call)?.fingerprint256.replaceAll(':', '').toLowerCase(),
  'request.id': call => call.requestId,
  identity: call => call.notes.identity?.name,
  authority: call => call.authority,
  service: call => call.service,
  method: call => call.method,
  backend: (_call, backend) => backend,
}

/** A certificate that nobody has checked says nothing. */
function verified({ peer }: CallInfo) {
  return peer.certificate?.authorized === true ? peer.certificate : undefined
}

function hostOf(address: string): string {
  return address === 'unix' ? address : address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}

/** With commas between them, so that one in a name is escaped. */
function namesOf(call: CallInfo, kind: string): string {
  const names = altNames(verified(call)?.subjectAltName ?? '').filter(one => one.kind === kind)
  return names.map(({ name }) => name.replaceAll('%', '%25').replaceAll(',', '%2C')).join(',')
}

/** Such a list is escaped already where it needs to be. */
const LISTS: ReadonlySet<string> = new Set(['peer.certificate.uri', 'peer.certificate.dns'])

/** What may come for a variable: printable ASCII, without spaces at its ends. */
const UNSAFE = /[^ -~]|^ +| +$/gu
const UNSAFE_OR_PERCENT = /[^ -$&-~]|^ +| +$/gu

/** Whatever a client has written there, it is the value of one field: other characters become `%` and two digits for each octet. */
function escaped(text: string, unsafe: RegExp): string {
  return text.replace(unsafe, part =>
    [...Buffer.from(part)].map(octet => `%${octet.toString(16).padStart(2, '0').toUpperCase()}`).join(''),
  )
}

/** A value that is made for each call. @returns undefined where the call has no value for one of the variables */
export type Template = (call: CallInfo, backend: string) => string | undefined

/** A text as it is, a brace that is written twice, a variable, or a brace that is neither. */
const PART = /[^{}]+|\{\{|\}\}|\{([^{}]*)\}|[{}]/g

/**
 * @returns a text where there are no variables
 * @throws TypeError for a variable that does not exist
 */
export function templateOf(text: string): string | Template {
  const parts: (string | Variable)[] = []
  for (const [part, name] of text.matchAll(PART)) {
    if (name !== undefined) parts.push(variableOf(name))
    else if (part === '{{' || part === '}}') parts.push(part[0]!)
    else if (part === '{' || part === '}')
      throw new TypeError(`has a single ${part}: write it twice for one, or {authority}`)
    else parts.push(part)
  }
  if (parts.every(part => typeof part === 'string')) return parts.join('')
  return (call, backend) => {
    let value = ''
    for (const part of parts) {
      const piece = typeof part === 'string' ? part : part(call, backend)
      if (piece === undefined) return undefined
      value += piece
    }
    return value
  }
}

function variableOf(name: string): Variable {
  if (!Object.hasOwn(VARIABLES, name)) {
    throw new TypeError(
      `{${name}} is not known; there are ${Object.keys(VARIABLES)
        .map(one => `{${one}}`)
        .join(', ')}`,
    )
  }
  const variable = VARIABLES[name]!
  const unsafe = LISTS.has(name) ? UNSAFE : UNSAFE_OR_PERCENT
  return (call, backend) => {
    const value = variable(call, backend)
    if (value === undefined || value === '' || value.length > MAX_CHARACTERS) return undefined
    return escaped(value, unsafe)
  }
}
