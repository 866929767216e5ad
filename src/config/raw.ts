/** Looks into a configuration as its user wrote it, before anybody knows that its parts are of the right kind. */

export type RawMap = Readonly<Record<string, unknown>>

export function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The map that is there, else an empty one. */
export function mapOf(value: unknown): RawMap {
  return isMap(value) ? (value as RawMap) : {}
}

/** The list that is there, else an empty one. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
