/** `envoy.config.core.v3.HeaderValue` and `HeaderValueOption`: metadata that a service wants to be added. */
import type { Message } from './protobuf.ts'

export type HeaderToAdd = readonly [name: string, value: string]

/** To a request. @param options messages of the type HeaderValueOption */
export function headersOf(options: readonly Message[]): HeaderToAdd[] {
  return options.flatMap(option => headerValues(option.messages(1)))
}

/** @param values messages of the type HeaderValue */
export function headerValues(values: readonly Message[]): HeaderToAdd[] {
  return values.map(value => [value.text(1).toLowerCase(), value.text(2) || value.bytes(3).toString('latin1')])
}

/** What becomes of the fields of the same name: `HeaderAppendAction`, in the order of its numbers. */
const ACTIONS = ['append', 'if-absent', 'replace', 'if-present'] as const

/** `if-absent`: only where there is none; `if-present`: in the place of those that are there, and only then. */
export type AppendAction = (typeof ACTIONS)[number]

export interface ResponseHeader {
  readonly name: string
  readonly value: string
  readonly action: AppendAction
}

/** For a response. @param options messages of the type HeaderValueOption */
export function responseHeaders(options: readonly Message[]): ResponseHeader[] {
  return options.flatMap(option =>
    headerValues(option.messages(1)).map(([name, value]) => ({ name, value, action: actionOf(option) })),
  )
}

/** The same of messages of the type HeaderValue, which say nothing of others. */
export function responseValues(values: readonly Message[]): ResponseHeader[] {
  return headerValues(values).map(([name, value]) => ({ name, value, action: 'append' }))
}

/** `append` (google.protobuf.BoolValue) is what older services say instead. An unknown number replaces, as in Envoy. */
function actionOf(option: Message): AppendAction {
  const append = option.message(2)
  if (append !== undefined) return append.number(1) === 0 ? 'replace' : 'append'
  return ACTIONS[option.number(3)] ?? 'replace'
}
