/** Building blocks of the schema: each field carries its default, its bounds and its description. */
import { z } from 'zod'
import { AddressError, parseEndpointAddress, parseListenAddress, parseServiceName } from '../address.ts'
import { didYouMean } from '../problems.ts'

/** setTimeout takes no more; about 24 days. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * An object in which unknown keys are errors, one line of the message for each key, in the order of
 * the issue's `keys`.
 */
export function strict<const Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: issue =>
      issue.code === 'unrecognized_keys'
        ? issue.keys
            .map(key => `unknown key${didYouMean(key, known) || `; known here: ${known.join(', ')}`}`)
            .join('\n')
        : undefined,
  })
}

interface Bounds {
  readonly min?: number
  readonly max?: number
}

/** A whole number with a default. */
export function integer(fallback: number, description: string, { min = 0, max = 2 ** 31 - 1 }: Bounds = {}) {
  return z.int().min(min).max(max).default(fallback).meta({ description })
}

/** A time in milliseconds with a default. */
export function milliseconds(fallback: number, description: string, { min = 0, max = MAX_TIMER_MS }: Bounds = {}) {
  return integer(fallback, `${description} (milliseconds)`, { min, max })
}

/** A size with a default. */
export function bytes(fallback: number, description: string, bounds: Bounds = {}) {
  return integer(fallback, `${description} (bytes)`, bounds)
}

/** A part of the configuration whose fields all have defaults. */
export function section<const Shape extends z.core.$ZodLooseShape>(description: string, shape: Shape) {
  return strict(shape)
    .prefault({} as never)
    .meta({ description })
}

export function flag(fallback: boolean, description: string) {
  return z.boolean().default(fallback).meta({ description })
}

/** Something that only code can give: it is in the types and in docs/configuration.md, not in the JSON Schema. */
export function codeOnly<T>(test: (value: unknown) => boolean, type: string, expected: string) {
  // `kind` marks "not this kind of value" for unions, as zod's own types do by their issue's code.
  return z
    .custom<T>(test, { error: `expected ${expected}, which only code can give`, params: { kind: true } })
    .meta({ 'x-code-only': type })
}

export const isFunction = (value: unknown): boolean => typeof value === 'function'

/** Text, as YAML reads 0660 as the number 660. */
export const fileMode = z
  .string()
  .regex(/^0?[0-7]{3}$/, { error: 'is the mode of a file as text, in octal digits: "0660"' })

/** One string or a list of them. */
export function oneOrMore(item: z.ZodString) {
  return z.union([item, z.array(item).min(1)])
}

/** A string that `parse` accepts; its `AddressError` is the message. */
function parsedBy(parse: (text: string) => unknown) {
  return z.string().superRefine((text, context) => {
    try {
      parse(text)
    } catch (error) {
      if (!(error instanceof AddressError)) throw error
      context.addIssue({
        code: 'custom',
        message: `${JSON.stringify(text)} ${error.message}`,
      })
    }
  })
}

export const listenAddress = parsedBy(parseListenAddress)
export const endpointAddress = parsedBy(parseEndpointAddress)
export const serviceName = parsedBy(parseServiceName)

export const transport = z.enum(['native', 'frames']).default('frames')

/** PEM: the path of a file, or the text itself when it starts with `-----BEGIN`; in code also a Buffer. */
export const pem = z.union([
  z.string().min(1),
  codeOnly<Uint8Array>(value => value instanceof Uint8Array, 'Buffer', 'a Buffer'),
])

/** RFC 9113 §8.2.1 and gRPC's "Custom-Metadata": lower case, digits, `_ - .`. */
export const metadataName = z.string().superRefine((name, context) => {
  const message = wrongName(name)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

/** Printable ASCII, as gRPC's "ASCII-Value" has it; no space at either end, HTTP/2 forbids it. */
export const metadataValue = z.string().regex(/^(?! )[ -~]*(?<! )$/, {
  error: 'a metadata value is printable ASCII without spaces at its ends',
})

function wrongName(name: string): string | undefined {
  if (/[A-Z]/.test(name)) return `metadata names are lower case in HTTP/2: write ${name.toLowerCase()}`
  if (name.startsWith(':')) return 'pseudo-header fields are not metadata'
  if (!/^[0-9a-z_.-]+$/.test(name)) return 'a metadata name has only a-z, 0-9, "_", "-" and "."'
  return undefined
}
