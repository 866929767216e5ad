/**
 * `grpc-timeout` (grpc/grpc doc/PROTOCOL-HTTP2.md, "Timeout"):
 * TimeoutValue {1 to 8 digits} TimeoutUnit {H M S m u n}.
 */
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }
/** "at most 8 digits" */
const MAX_VALUE = 99_999_999

/** @returns milliseconds, with fractions; undefined when the value is malformed */
export function parseTimeout(text: string): number | undefined {
  const digits = text.length - 1
  if (digits < 1 || digits > 8) return undefined
  const unit = UNIT_MS[text[digits]!]
  if (unit === undefined) return undefined
  let value = 0
  for (let i = 0; i < digits; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value * unit
}

/**
 * The finest unit that fits in 8 digits, rounded down: so the forwarded time is never more than the time that is left.
 * @param ms over 0
 */
export function formatTimeout(ms: number): string {
  if (ms <= MAX_VALUE / 1e6) return `${Math.max(1, Math.floor(ms * 1e6))}n`
  if (ms <= MAX_VALUE / 1e3) return `${Math.floor(ms * 1e3)}u`
  if (ms <= MAX_VALUE) return `${Math.floor(ms)}m`
  if (ms <= MAX_VALUE * 1e3) return `${Math.floor(ms / 1e3)}S`
  if (ms <= MAX_VALUE * 6e4) return `${Math.floor(ms / 6e4)}M`
  return `${Math.min(MAX_VALUE, Math.floor(ms / 3.6e6))}H`
}
