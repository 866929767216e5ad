/** Changes of metadata, as a configuration or a director says them. */

/** Names in lower case; a value may have variables (`{peer.host}`), one of a name with `-bin` is base64 and has none. */
export interface FieldChanges {
  /** In the place of all fields of the name. Without a value for a variable there is none of this name. */
  readonly set?: Readonly<Record<string, string | readonly string[]>> | undefined
  /** Behind what there is. Without a value for a variable nothing is added. */
  readonly add?: Readonly<Record<string, string | readonly string[]>> | undefined
  /** Do not go on. */
  readonly remove?: readonly string[] | undefined
}

/** A response that has headers only (Trailers-Only) has both: its headers are its trailers. */
export interface MetadataChanges {
  readonly request?: FieldChanges | undefined
  /** Of the headers of a response. */
  readonly response?: FieldChanges | undefined
  /** Of the trailers of a response. */
  readonly trailers?: FieldChanges | undefined
}
