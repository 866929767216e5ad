/** The names in a certificate: subjectAltName (RFC 5280 §4.2.1.6) and subject, from the texts that Node makes of them. */

/** `DNS`, `URI`, `IP Address`, `email`, … */
export interface AltName {
  readonly kind: string
  readonly name: string
}

/** One entry: its kind, and its name as it is or, where it could be mistaken for more than one, as a JSON string (CVE-2021-44532). */
const ENTRY = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y

/** @returns none where one of them cannot be read: it may hide anything */
export function altNames(text: string): AltName[] {
  const names: AltName[] = []
  for (let at = 0; at < text.length; at = ENTRY.lastIndex) {
    ENTRY.lastIndex = at
    const match = ENTRY.exec(text)
    const name = match === null ? undefined : plain(match[2]!)
    if (match === null || name === undefined) return []
    names.push({ kind: match[1]!, name })
  }
  return names
}

function plain(name: string): string | undefined {
  if (!name.startsWith('"')) return name
  try {
    return JSON.parse(name)
  } catch {
    return undefined
  }
}

/**
 * As in RFC 2253: the last part first, on one line. Node has a line for each part, with RFC 2253's escapes. Quotes, backslashes
 * and what is not ASCII become pairs of hexadecimal digits (§2.4), so that whoever reads the value finds its end.
 */
export function distinguishedName(subject: string): string {
  const parts = (subject ?? '')
    .split('\n')
    .map(part => part.replaceAll(' + ', '+').replace(/\\["\\]|[^ -~]/gu, hexadecimal))
  return parts.toReversed().join(',')
}

function hexadecimal(text: string): string {
  const character = text.length === 2 && text.startsWith('\\') ? text[1]! : text
  return [...Buffer.from(character)].map(byte => `\\${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('')
}
