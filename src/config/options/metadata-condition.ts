/** Conditions on the metadata of a call. */

/** A string is the exact value. */
export type MetadataCondition = string | PresentCondition | PrefixCondition | ValueCondition

/** The name is there, or is not. */
export interface PresentCondition {
  /** Whether the name must be there, or must not. */
  readonly present: boolean
}

/** The value begins with a text. */
export interface PrefixCondition {
  /** What the value begins with. */
  readonly prefix: string
  /**
   * How several values count: `all` or `any` of them must match, or `whole`: the name comes once and its value is taken
   * with its commas; default: `all`, in a route with `deny` `any`.
   */
  readonly list?: 'all' | 'any' | 'whole'
}

/** The value is a text. */
export interface ValueCondition {
  /** The exact value. */
  readonly value: string
  /**
   * How several values count: `all` or `any` of them must match, or `whole`: the name comes once and its value is taken
   * with its commas; default: `all`, in a route with `deny` `any`.
   */
  readonly list?: 'all' | 'any' | 'whole'
}
