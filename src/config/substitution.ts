/**
 * Values of a configuration file that come from elsewhere, as a shell writes them:
 *
 * | written               | becomes                                                            |
 * |-----------------------|--------------------------------------------------------------------|
 * | `${NAME}`             | the environment's `NAME`; without one it is a mistake              |
 * | `${NAME:-text}`       | the same, and `text` where there is none, or an empty one          |
 * | `${file:path}`        | what the file holds, without white space at its ends: for secrets  |
 * | `$${`                 | `${`                                                               |
 *
 * They are replaced within values, after the file was parsed: what comes from elsewhere is a text and changes nothing of the
 * structure. Only where it is the whole of a value without quotes, `true` and numbers are what they look like.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Document, Scalar, visit } from 'yaml'
import { reasonOf } from './pem-source.ts'

export interface SubstitutionContext {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where relative paths start. */
  readonly folder: string
  /** Gets the path of each file that is read, or that cannot be. */
  readonly files?: Set<string> | undefined
}

/** A value that cannot be had, and where it is asked for in the text. */
export interface MissingValue {
  readonly offset: number
  readonly message: string
}

const REFERENCE = /\$\$\{|\$\{([^}]*)\}/g
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is how they are written.
const NO_REFERENCE = 'is no name: write ${NAME}, ${NAME:-default} or ${file:path}; $${ is a plain ${'
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s
/** As a value has. A secret is some hundred bytes, a certificate some thousand. */
const MAX_FILE_BYTES = 65_536

/** Replaces them in place. @returns what is missing */
export function substitute(document: Document, context: SubstitutionContext): MissingValue[] {
  const missing: MissingValue[] = []
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return
      const text = node.value
      node.value = replaced(text, node, context, missing)
      const isWhole = node.type === Scalar.PLAIN && /^\$\{[^}]*\}$/.test(text)
      if (isWhole) node.value = asPlain(node.value as string)
    },
  })
  return missing
}

function replaced(text: string, { range }: Scalar, context: SubstitutionContext, missing: MissingValue[]): string {
  return text.replace(REFERENCE, (written: string, reference: string | undefined) => {
    if (reference === undefined) return '${'
    try {
      return referred(reference, context)
    } catch (error) {
      missing.push({ offset: range?.[0] ?? 0, message: `${written}: ${(error as Error).message}` })
      return ''
    }
  })
}

/** @throws Error that says why there is none */
function referred(reference: string, context: SubstitutionContext): string {
  if (reference.startsWith('file:')) return contentOf(reference.slice('file:'.length), context)
  const parsed = NAME.exec(reference)
  if (parsed === null) throw new Error(NO_REFERENCE)
  const [, name, fallback] = parsed
  const value = context.env[name!]
  if (value !== undefined && (value !== '' || fallback === undefined)) return value
  if (fallback === undefined) throw new Error(`the environment has no ${name}: set it, or write \${${name}:-default}`)
  return fallback
}

function contentOf(file: string, { folder, files }: SubstitutionContext): string {
  const path = resolve(folder, file)
  files?.add(path)
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw new Error(`cannot read ${path}: ${reasonOf(error)}`)
  }
  if (bytes.length > MAX_FILE_BYTES) throw new Error(`${path} has more than ${MAX_FILE_BYTES} bytes`)
  return bytes.toString('utf8').trim()
}

function asPlain(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}
