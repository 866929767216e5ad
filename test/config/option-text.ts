/**
 * The comments on the fields of src/config/options.ts and options/: each is the schema's text on that option, with its default.
 *
 * `node test/config/option-text.ts` writes them again.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { type JsonSchema, meaningOf, rawSchema } from '../../src/config/reference.ts'

const FOLDER = path.join(import.meta.dirname, '../../src/config')
const LINE_WIDTH = 120
const INDENT = '  '

/** An interface, and the place or places of the configuration that it describes. */
type Places = Map<ts.InterfaceDeclaration, JsonSchema[]>

/** By their paths below src/config. */
export type Sources = Readonly<Record<string, string>>

export function optionSources(): Sources {
  const inFolder = readdirSync(path.join(FOLDER, 'options')).map(name => `options/${name}`)
  const names = ['options.ts', ...inFolder]
  return Object.fromEntries(names.map(name => [name, readFileSync(path.join(FOLDER, name), 'utf8')]))
}

/** @throws where there is an interface that is no part of the configuration, or a field that is no option */
export function withTexts(sources: Sources): Sources {
  const files = Object.entries(sources).map(([name, text]) =>
    ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true),
  )
  const places = placesOf(files)
  return Object.fromEntries(files.map(file => [file.fileName, withTextsOf(file, places)]))
}

function withTextsOf(file: ts.SourceFile, places: Places): string {
  const changes: { start: number; end: number; text: string }[] = []
  for (const [declaration, schemas] of places) {
    if (declaration.getSourceFile() !== file) continue
    for (const member of declaration.members) {
      if (!ts.isPropertySignature(member)) throw new Error(`${member.getText()} is not a field`)
      const options = schemas.map(schema => schema.properties?.[member.name.getText()])
      if (options.some(option => option === undefined)) throw new Error(`${member.getText()} is not in the schema`)
      const text = commentOf(options as JsonSchema[])
      changes.push({ start: member.getFullStart(), end: member.getStart(), text: `\n${text}${INDENT}` })
    }
  }
  let { text } = file
  for (const change of changes.sort((a, b) => b.start - a.start)) {
    text = text.slice(0, change.start) + change.text + text.slice(change.end)
  }
  return text
}

function placesOf(files: readonly ts.SourceFile[]): Places {
  const declared = new Map<string, ts.InterfaceDeclaration | ts.TypeAliasDeclaration>()
  for (const statement of files.flatMap(file => [...file.statements])) {
    if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) {
      declared.set(statement.name.text, statement)
    }
  }
  const places: Places = new Map()
  const visit = (type: ts.Node, schema: JsonSchema): void => {
    const named = ts.isTypeReferenceNode(type) ? declared.get(type.typeName.getText()) : undefined
    if (named === undefined) return ts.forEachChild(type, child => visit(child, schema))
    if (ts.isTypeAliasDeclaration(named)) return visit(named.type, schema)
    const fields = named.members.map(member => member.name!.getText())
    const place = objectsIn(schema).find(({ properties = {} }) => sameNames(Object.keys(properties), fields))
    if (place === undefined)
      throw new Error(`${named.name.text} has not the fields of the schema: ${fields.join(', ')}`)
    describe(named, place)
  }
  const describe = (declaration: ts.InterfaceDeclaration, schema: JsonSchema): void => {
    places.set(declaration, [...(places.get(declaration) ?? []), schema])
    for (const member of declaration.members) {
      const option = schema.properties?.[member.name!.getText()]
      if (ts.isPropertySignature(member) && member.type && option !== undefined) visit(member.type, option)
    }
  }
  describe(declared.get('ProxyOptions') as ts.InterfaceDeclaration, rawSchema())
  const others = [...declared.values()].filter(one => ts.isInterfaceDeclaration(one) && !places.has(one))
  if (others.length > 0) throw new Error(`of no option: ${others.map(({ name }) => name.text).join(', ')}`)
  return places
}

/** What is or may be in an option: an object, entries of a list, values of a map, one of several. */
function objectsIn(schema: JsonSchema): JsonSchema[] {
  if (schema.properties !== undefined) return [schema]
  const { items, additionalProperties: values, anyOf = [] } = schema
  return [items, typeof values === 'object' ? values : undefined, ...anyOf].flatMap(inner =>
    inner === undefined ? [] : objectsIn(inner),
  )
}

function sameNames(some: readonly string[], others: readonly string[]): boolean {
  return some.toSorted().join() === others.toSorted().join()
}

/** @param options the same field wherever its interface stands; what differs is not said of the field */
function commentOf(options: readonly JsonSchema[]): string {
  const texts = new Set(options.map(textOf))
  if (texts.has('.')) throw new Error(`the schema says nothing of an option of type ${options[0]!.type}`)
  const defaults = new Set(options.map(defaultOf))
  if (texts.size !== 1) throw new Error(`one field, several texts: ${[...texts].join(' | ')}`)
  const [fallback] = defaults.size === 1 ? defaults : []
  const lines = [...wrapped([...texts][0]!), ...(fallback === undefined ? [] : [`@defaultValue \`${fallback}\``])]
  const short = `${INDENT}/** ${lines[0]} */\n`
  if (lines.length === 1 && short.length <= LINE_WIDTH + 1) return short
  return `${INDENT}/**\n${lines.map(line => `${INDENT} * ${line}\n`).join('')}${INDENT} */\n`
}

/** A sentence; links go to headings of the page that the table is on, and stay there. */
function textOf(option: JsonSchema): string {
  const text = meaningOf(option).replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function defaultOf(option: JsonSchema): string | undefined {
  const { default: value, properties } = option
  if (typeof value !== 'object' || value === null) return value === undefined ? undefined : String(value)
  // Of limits that have the same fields, and so the same interface, each has defaults of its own.
  const inner = Object.entries(properties ?? {})
  if (inner.map(([name]) => name).join() !== 'burst,perSecond') return undefined
  return `{ ${inner.map(([name, field]) => `${name}: ${field.default}`).join(', ')} }`
}

function wrapped(text: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && `${INDENT} * ${line} ${word}`.length > LINE_WIDTH) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(withTexts(optionSources()))) writeFileSync(path.join(FOLDER, name), text)
}
