/** What a list of revoked certificates says of itself (RFC 5280 §5.1). Node verifies by such lists, and shows nothing of them. */

export interface RevocationList {
  /** The name of the authority that issued it, as bytes of DER. */
  readonly issuer: Buffer
  readonly issuedMs: number
  /** From then on OpenSSL refuses every certificate of its issuer. Undefined: never. */
  readonly nextUpdateMs: number | undefined
}

const BLOCK = /-----BEGIN X509 CRL-----([\sA-Za-z0-9+/=]+)-----END X509 CRL-----/g

/** Each list of a PEM text, as PEM: Node reads only the first of one text. */
export function crlBlocks(pem: string | Buffer): string[] {
  return [...pem.toString('latin1').matchAll(BLOCK)].map(([block]) => block)
}

/** @throws Error where it is none */
export function readCrl(pem: string): RevocationList {
  const base64 = /-----BEGIN X509 CRL-----([\s\S]+)-----END/.exec(pem)?.[1] ?? ''
  const list = inside(element(Buffer.from(base64, 'base64'), 0), SEQUENCE)
  const fields = elementsOf(inside(element(list, 0), SEQUENCE))
  // tbsCertList: version OPTIONAL, signature, issuer, thisUpdate, nextUpdate OPTIONAL, …
  const at = fields[0]?.tag === INTEGER ? 2 : 1
  const [issuer, thisUpdate, nextUpdate] = fields.slice(at)
  if (issuer?.tag !== SEQUENCE || thisUpdate === undefined) throw new Error('it has no issuer or no date')
  const issuedMs = timeOf(thisUpdate)
  if (issuedMs === undefined) throw new Error('its date cannot be read')
  return { issuer: issuer.whole, issuedMs, nextUpdateMs: nextUpdate && timeOf(nextUpdate) }
}

/** The name of the subject of a certificate, as bytes of DER. @throws Error where it is none */
export function subjectOf(certificate: Buffer): Buffer {
  const list = inside(element(certificate, 0), SEQUENCE)
  const fields = elementsOf(inside(element(list, 0), SEQUENCE))
  // tbsCertificate: [0] version OPTIONAL, serialNumber, signature, issuer, validity, subject, …
  const subject = fields[fields[0]?.tag === VERSION ? 5 : 4]
  if (subject === undefined) throw new Error('it has no subject')
  return subject.whole
}

const INTEGER = 0x02
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18
const SEQUENCE = 0x30
const VERSION = 0xa0

/** X.690 §8.1: a tag, a length, contents. */
interface Element {
  readonly tag: number
  readonly content: Buffer
  readonly whole: Buffer
}

function element(bytes: Buffer, at: number): Element {
  const tag = bytes[at]
  let length = bytes[at + 1]
  if (tag === undefined || length === undefined) throw new Error('it ends too early')
  let start = at + 2
  if (length >= 0x80) {
    const digits = length & 0x7f
    if (digits === 0 || digits > 4 || start + digits > bytes.length) throw new Error('a length cannot be read')
    length = bytes.readUIntBE(start, digits)
    start += digits
  }
  const end = start + length
  if (end > bytes.length) throw new Error('it ends too early')
  return { tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) }
}

function inside({ tag, content }: Element, expected: number): Buffer {
  if (tag !== expected) throw new Error('it is something else')
  return content
}

/** More than any of those that are looked at has. A list has its revoked certificates in one of them. */
const MOST_ELEMENTS = 16

function elementsOf(bytes: Buffer): Element[] {
  const all: Element[] = []
  for (let at = 0; at < bytes.length && all.length < MOST_ELEMENTS; ) {
    const next = element(bytes, at)
    all.push(next)
    at += next.whole.length
  }
  return all
}

/** RFC 5280 §4.1.2.5: `YYMMDDHHMMSSZ` from 1950 on, or with four digits of the year. */
function timeOf({ tag, content }: Element): number | undefined {
  const text = content.toString('latin1')
  const digits = tag === UTC_TIME ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text
  if (tag !== UTC_TIME && tag !== GENERALIZED_TIME) return undefined
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits)
  if (match === null) return undefined
  const [year, month, ...rest] = match.slice(1).map(Number) as [number, number, number, number, number, number]
  return Date.UTC(year, month - 1, ...rest)
}
