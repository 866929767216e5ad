/** What calls carry besides the message: `--metadata`, and which of it is secret. */
import { DETAIL_SHOWN_MAX, METADATA_BYTES_MAX } from './bounds.ts'
import { UsageError } from './problem.ts'

export interface MetadataField {
  readonly name: string
  readonly value: string
}

export const REDACTED = '[redacted]'

/** Names that we set, or that the carrier of the call sets. */
const OURS: ReadonlySet<string> = new Set([
  ...['content-type', 'te', 'user-agent', 'host', 'connection', 'keep-alive', 'proxy-connection'],
  ...['transfer-encoding', 'upgrade', 'content-length'],
])

/**
 * `name: value` each, in their order.
 * @throws UsageError that names a field by its number: its value may be a secret
 */
export function parseMetadata(given: readonly string[]): MetadataField[] {
  const fields = given.map(parseField)
  const bytes = fields.reduce((sum, { name, value }) => sum + name.length + value.length, 0)
  if (bytes <= METADATA_BYTES_MAX) return fields
  throw new UsageError(`--metadata has ${bytes} bytes in all: ${METADATA_BYTES_MAX} is the most that is sent`)
}

function parseField(text: string, index: number): MetadataField {
  const wrong = (what: string): UsageError => new UsageError(`--metadata number ${index + 1} ${what}`)
  const colon = text.indexOf(':')
  if (colon < 1) throw wrong(`has no name: write 'name: value'`)
  const name = text.slice(0, colon).trim().toLowerCase()
  const value = text.slice(colon + 1).trim()
  if (!/^[0-9a-z_.-]+$/.test(name)) throw wrong('has a name with other characters than a–z, 0–9, "_", "-" and "."')
  if (OURS.has(name)) throw wrong(`is ${name}, which bench sets itself`)
  if (name === 'grpc-timeout') throw wrong('is grpc-timeout: write --timeout-ms')
  if (name.startsWith('grpc-')) throw wrong(`is ${name}: names that begin with grpc- are gRPC's own`)
  if (name.endsWith('-bin')) {
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw wrong(`is ${name}, which is binary: write its value in base64`)
  } else if (!/^[ -~]*$/.test(value)) throw wrong(`(${name}) has a character that is not printable ASCII`)
  return { name, value }
}

/**
 * Names whose values are harmless. All others are secret, because no list has every name under which a key may be sent.
 */
const HARMLESS: readonly string[] = [
  'accept-language',
  'traceparent',
  'x-b3-sampled',
  'x-correlation-id',
  'x-request-id',
]

export function isSecret(name: string): boolean {
  return !HARMLESS.includes(name)
}

/** What must not be shown: the values, and of `Bearer x` the x alone as well. Longest first. */
export function secretsOf(fields: readonly MetadataField[]): string[] {
  const values = fields.filter(({ name }) => isSecret(name)).flatMap(({ value }) => [value, ...value.split(/[ ;,=]+/)])
  // Shorter ones occur in any text and protect nothing.
  return [...new Set(values)].filter(value => value.length >= 4).sort((a, b) => b.length - a.length)
}

/** The text without the secrets: a server may repeat what it was sent. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, REDACTED), text)
}

/** What a server said, without the secrets, and not longer than anybody reads. */
export function shownDetail(detail: string, secrets: readonly string[]): string {
  return withoutSecrets(detail, secrets).slice(0, DETAIL_SHOWN_MAX)
}
