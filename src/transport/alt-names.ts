/** The names of a certificate (subjectAltName, RFC 5280 §4.2.1.6), from the text that Node makes of them. */

/** `DNS`, `URI`, `IP Address`, `email`, … */
export interface AltName {
  readonly kind: string
  readonly value: string
}

/** One entry: its kind, and its value as it is or, where it has characters that could be mistaken, as a JSON string. */
const ENTRY = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y

/**
 * `DNS:a.example, URI:spiffe://b`. An entry that cannot be read ends it: what comes behind it could have been written by
 * whoever chose the name.
 */
export function altNames(text: string): AltName[] {
  const names: AltName[] = []
  for (let at = 0; at < text.length; at = ENTRY.lastIndex) {
    ENTRY.lastIndex = at
    const match = ENTRY.exec(text)
    const value = match === null ? undefined : plain(match[2]!)
    if (match === null || value === undefined) return names
    names.push({ kind: match[1]!, value })
  }
  return names
}

function plain(value: string): string | undefined {
  if (!value.startsWith('"')) return value
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}
