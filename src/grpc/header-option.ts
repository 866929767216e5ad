/** `envoy.config.core.v3.HeaderValue` and `HeaderValueOption`: metadata that a service wants to be added to a request. */
import type { Message } from './protobuf.ts'

export type HeaderToAdd = readonly [name: string, value: string]

/** @param options messages of the type HeaderValueOption */
export function headersOf(options: readonly Message[]): HeaderToAdd[] {
  return options.flatMap(option => headerValues(option.messages(1)))
}

/** @param values messages of the type HeaderValue */
export function headerValues(values: readonly Message[]): HeaderToAdd[] {
  return values.map(value => [value.text(1).toLowerCase(), value.text(2) || value.bytes(3).toString('latin1')])
}
