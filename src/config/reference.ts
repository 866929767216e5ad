/**
 * What the schema says, for people and for editors: the table in docs/configuration.md and the JSON Schema.
 *
 * `node src/config/reference.ts --page docs/configuration.md` writes the table of that page again.
 */
import { z } from 'zod'
import { pageCommand, tableRow, withPart } from './page-part.ts'
import { configSchema } from './schema.ts'

/** The parts of JSON Schema that the configuration's schema uses. */
export interface JsonSchema {
  type?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  anyOf?: JsonSchema[]
  items?: JsonSchema
  properties?: Record<string, JsonSchema>
  required?: string[]
  additionalProperties?: boolean | JsonSchema
  /** How the table names the type, where its own name says too little. */
  'x-type'?: string
  /** The TypeScript type of what only code can give. */
  'x-code-only'?: string
  [keyword: string]: unknown
}

export const TABLE_BEGIN = '<!-- config:begin -->'
export const TABLE_END = '<!-- config:end -->'
const MARKS = { begin: TABLE_BEGIN, end: TABLE_END }

/** JSON Schema (draft 2020-12) of a configuration file, for editors. Checks across fields are not in it. */
export function jsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = forFiles(rawSchema())
  return { $schema, title: 'grpc-verbatim configuration', ...schema }
}

/** The table of all options, as Markdown. */
export function markdownTable(): string {
  const rows = rowsOf(rawSchema(), '')
  return ['| option | type | default | meaning |', '|---|---|---|---|', ...rows.map(formatRow)].join('\n')
}

/**
 * The page with a new table between its markers.
 * @returns undefined when it has no markers
 */
export function withTable(page: string): string | undefined {
  return withPart(page, MARKS, `\n${markdownTable()}\n`)
}

/** With what only code can give, and with our own keywords. */
export function rawSchema(): JsonSchema {
  return z.toJSONSchema(configSchema, {
    io: 'input',
    unrepresentable: 'any',
  }) as JsonSchema
}

/** Leaves out what only code can give, and our own keywords. */
function forFiles(schema: JsonSchema): JsonSchema {
  const out: JsonSchema = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'properties') {
      const kept = Object.entries(value as Record<string, JsonSchema>).filter(
        ([, property]) => !property['x-code-only'],
      )
      out.properties = Object.fromEntries(kept.map(([name, property]) => [name, forFiles(property)]))
    } else if (keyword === 'anyOf') {
      const kept = (value as JsonSchema[]).filter(choice => !choice['x-code-only']).map(forFiles)
      if (kept.length === 1) Object.assign(out, kept[0])
      else out.anyOf = kept
    } else if (keyword === 'items' || (keyword === 'additionalProperties' && typeof value === 'object')) {
      out[keyword] = forFiles(value as JsonSchema)
    } else if (!keyword.startsWith('x-')) {
      out[keyword] = value
    }
  }
  return out
}

interface Row {
  readonly option: string
  readonly type: string
  readonly fallback: string
  readonly meaning: string
}

function rowsOf(schema: JsonSchema, prefix: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const option = prefix === '' ? name : `${prefix}.${name}`
    const required = schema.required?.includes(name) ?? false
    const inner = innerOf(property)
    const row = {
      option,
      type: typeName(property),
      fallback: defaultText(property, required),
      meaning: meaningOf(property),
    }
    return [row, ...(inner === undefined ? [] : rowsOf(inner.schema, `${option}${inner.suffix}`))]
  })
}

/** The object whose fields follow an option: the option itself, an entry of its list, a value of its map. */
function innerOf(schema: JsonSchema): { schema: JsonSchema; suffix: string } | undefined {
  if (schema.properties !== undefined) return { schema, suffix: '' }
  if (schema.items?.properties !== undefined) return { schema: schema.items, suffix: '[]' }
  const { additionalProperties } = schema
  if (typeof additionalProperties !== 'object') return undefined
  // What only code can give has no fields.
  const values = [additionalProperties, ...(additionalProperties.anyOf ?? [])].find(one => one.properties !== undefined)
  return values && { schema: values, suffix: '.<name>' }
}

function typeName(schema: JsonSchema): string {
  const own = schema['x-code-only'] ?? schema['x-type']
  if (own !== undefined) return schema['x-code-only'] === undefined ? own : `\`${own}\``
  const choices = schema.enum ?? (schema.const === undefined ? undefined : [schema.const])
  if (choices !== undefined) return choices.map(choice => `\`${choice}\``).join(', ')
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeName))].join(', ')
  if (schema.type === 'array')
    return schema.items?.properties === undefined ? `list of ${typeName(schema.items ?? {})}` : 'list'
  if (schema.type === 'object') return 'map'
  if (schema.type === 'integer') return 'number'
  return schema.type ?? ''
}

function defaultText(schema: JsonSchema, required: boolean): string {
  if (required) return 'required'
  const { default: value } = schema
  if (value === undefined || (typeof value === 'object' && value !== null)) return ''
  return `\`${value}\``
}

/** What an option means, as the documents say it. */
export function meaningOf(schema: JsonSchema): string {
  return `${schema.description ?? ''}${schema['x-code-only'] === undefined ? '' : ' (in code only)'}`
}

function formatRow({ option, type, fallback, meaning }: Row): string {
  return tableRow([`\`${option}\``, type, fallback, meaning])
}

void pageCommand(import.meta.url, 'src/config/reference.ts --page docs/configuration.md', MARKS, withTable)
