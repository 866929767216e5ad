/**
 * Turns protobuf JSON into a message's bytes. protobufjs encodes, but it also accepts what it does not know (an unknown
 * field, an unknown name of an enum, a number that does not fit), so everything is checked here first.
 *
 * Names of fields are those of the .proto file or of protobuf JSON (`pageSize` for `page_size`). 64-bit integers may
 * be strings, bytes are base64, enums names or numbers. Types of google.protobuf are written by their fields:
 * `{"seconds": 5}` for a Duration or Timestamp, `{"value": 1}` for an Int32Value.
 */
import protobuf from 'protobufjs'
import { didYouMean } from '../config/problems.ts'
import { UsageError } from './problem.ts'

/** @throws UsageError that says where in the message what is wrong */
export function encodeJson(type: protobuf.Type, text: string): Buffer {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`--message is not JSON: ${(error as Error).message}`)
  }
  const bytes = type.encode(type.fromObject(messageOf(type, value, ''))).finish()
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

type Fields = Record<string, unknown>

/** It inherits nothing: protobufjs would take a field that is named `constructor` from there. */
function noFields(): Fields {
  return Object.create(null)
}

/**
 * The object that protobufjs takes, by the names of the .proto file. `where`: `a.b[2]`, empty for the message itself.
 */
function messageOf(type: protobuf.Type, value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(where, `is ${nameOf(type)}: write an object, {"field": …}, not ${kindOf(value)}`)
  }
  const out = noFields()
  const givenOf = new Map<protobuf.OneOf, string>()
  for (const [key, given] of Object.entries(value)) {
    const field = fieldOf(type, key)
    const at = where === '' ? key : `${where}.${key}`
    if (field === undefined) throw wrong(at, `${nameOf(type)} has no such field${hintOf(type, key)}`)
    field.resolve()
    // Protobuf JSON: null is the same as absent.
    if (given === null) continue
    if (field.name in out) throw wrong(at, `is given twice, as ${field.name} and by its name in JSON`)
    const { partOf } = field
    if (partOf !== null && partOf !== undefined) {
      const other = givenOf.get(partOf)
      if (other !== undefined)
        throw wrong(at, `cannot be given together with ${other}: both are of oneof ${partOf.name}`)
      givenOf.set(partOf, key)
    }
    out[field.name] = fieldValue(field, given, at)
  }
  const missing = type.fieldsArray.find(({ required, name }) => required && !(name in out))
  if (missing !== undefined) throw wrong(where, `${nameOf(type)} needs the field ${missing.name}`)
  return out
}

function fieldOf(type: protobuf.Type, key: string): protobuf.Field | undefined {
  if (Object.hasOwn(type.fields, key)) return type.fields[key]
  return type.fieldsArray.find(field => jsonName(field) === key)
}

function jsonName({ name, options }: protobuf.Field): string {
  return options?.json_name ?? name.replace(/_+([a-z0-9])?/gi, (_, letter: string = '') => letter.toUpperCase())
}

function hintOf(type: protobuf.Type, key: string): string {
  const names = type.fieldsArray.map(({ name }) => name)
  if (names.length === 0) return ': it has none'
  return didYouMean(key, names) || `: it has ${names.join(', ')}`
}

function fieldValue(field: protobuf.FieldBase, value: unknown, where: string): unknown {
  if (field instanceof protobuf.MapField) return mapValue(field, value, where)
  if (!field.repeated) return single(field, value, where)
  if (!Array.isArray(value)) throw wrong(where, `is repeated: write a list, [ … ], not ${kindOf(value)}`)
  return value.map((item, i) => single(field, item, `${where}[${i}]`))
}

function mapValue(field: protobuf.MapField, value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(where, `is a map: write an object, not ${kindOf(value)}`)
  }
  const out = noFields()
  for (const [key, item] of Object.entries(value)) {
    const at = `${where}[${JSON.stringify(key)}]`
    if (field.keyType === 'bool') {
      if (key !== 'true' && key !== 'false') throw wrong(at, 'keys are true or false')
    } else if (field.keyType !== 'string') integer(field.keyType, key, at)
    out[key] = single(field, item, at)
  }
  return out
}

function single(field: protobuf.FieldBase, value: unknown, where: string): unknown {
  const { resolvedType, type } = field
  if (resolvedType instanceof protobuf.Type) return messageOf(resolvedType, value, where)
  if (resolvedType instanceof protobuf.Enum) return enumValue(resolvedType, value, where)
  switch (type) {
    case 'string':
      if (typeof value !== 'string') throw wrong(where, `is a string, not ${kindOf(value)}`)
      return value
    case 'bool':
      if (typeof value !== 'boolean') throw wrong(where, `is true or false, not ${kindOf(value)}`)
      return value
    case 'bytes':
      return base64(value, where)
    case 'float':
    case 'double':
      return real(type, value, where)
    default:
      return integer(type, value, where)
  }
}

function enumValue(type: protobuf.Enum, value: unknown, where: string): unknown {
  if (typeof value === 'string' && Object.hasOwn(type.values, value)) return type.values[value]
  if (typeof value === 'number' && Number.isInteger(value) && value in type.valuesById) return value
  const names = Object.keys(type.values)
  const hint = typeof value === 'string' ? didYouMean(value, names) : ''
  throw wrong(
    where,
    `${JSON.stringify(value)} is not a value of ${nameOf(type)}${hint || `: it has ${names.join(', ')}`}`,
  )
}

function base64(value: unknown, where: string): Buffer {
  const standard = typeof value === 'string' ? value.replaceAll('-', '+').replaceAll('_', '/') : undefined
  const bare = standard?.replace(/={0,2}$/, '')
  if (bare === undefined || !/^[A-Za-z0-9+/]*$/.test(bare) || bare.length % 4 === 1) {
    throw wrong(where, `is bytes: write base64, not ${kindOf(value)}`)
  }
  return Buffer.from(bare, 'base64')
}

function real(type: string, value: unknown, where: string): number {
  const named = ['NaN', 'Infinity', '-Infinity'].includes(value as string)
  const number = named || (typeof value === 'string' && value.trim() !== '') ? Number(value) : value
  if (typeof number !== 'number' || (Number.isNaN(number) && value !== 'NaN')) {
    throw wrong(where, `is a ${type}: write a number, not ${kindOf(value)}`)
  }
  if (type === 'float' && Number.isFinite(number) && !Number.isFinite(Math.fround(number))) {
    throw wrong(where, `${number} is too large for a float`)
  }
  return number
}

/** A string where it has 64 bits, because JavaScript cannot hold every such number. */
function integer(type: string, value: unknown, where: string): number | string {
  const text = typeof value === 'number' && Number.isInteger(value) ? BigInt(value).toString() : value
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw wrong(where, `${value} is not exact as a number of JSON: write it as a string, "${text}"`)
  }
  if (typeof text !== 'string' || !/^-?\d{1,20}$/.test(text)) {
    throw wrong(where, `is ${type}: write a whole number, not ${kindOf(value)}`)
  }
  const bits = type.endsWith('64') ? 64n : 32n
  const unsigned = type === 'uint32' || type === 'uint64' || type === 'fixed32' || type === 'fixed64'
  const least = unsigned ? 0n : -(2n ** (bits - 1n))
  const most = unsigned ? 2n ** bits - 1n : 2n ** (bits - 1n) - 1n
  const number = BigInt(text)
  if (number < least || number > most) throw wrong(where, `${text} is not ${type}: from ${least} to ${most}`)
  return bits === 64n ? text : Number(number)
}

function wrong(where: string, what: string): UsageError {
  return new UsageError(`--message${where === '' ? '' : `, field ${where}`}: ${what}`)
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  const text = JSON.stringify(value)
  return text.length > 40 ? `a ${typeof value}` : text
}

function nameOf({ fullName }: protobuf.ReflectionObject): string {
  return fullName.replace(/^\./, '')
}
