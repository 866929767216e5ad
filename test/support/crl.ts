/** Lists of revoked certificates for TLS tests, made in memory (RFC 5280 §5.1). */
import { createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { subjectOf } from '../../src/transport/crl.ts'
import type { Identity } from './certs.ts'

const HOUR_MS = 3_600_000

export interface CrlOptions {
  readonly revoked?: readonly Identity[]
  readonly nextUpdate?: Date
}

/** A list of this authority, as PEM. */
export function revocationList(ca: Identity, { revoked = [], nextUpdate }: CrlOptions = {}): string {
  const now = new Date()
  const entries = revoked.map(({ cert }) => {
    const serial = Buffer.from(`00${new X509Certificate(cert).serialNumber}`, 'hex')
    return der(0x30, der(0x02, serial[1]! < 0x80 ? serial.subarray(1) : serial), utcTime(now))
  })
  // ecdsa-with-SHA256, 1.2.840.10045.4.3.2
  const algorithm = der(0x30, der(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
  const content = der(
    0x30,
    der(0x02, Buffer.from([1])),
    algorithm,
    subjectOf(new X509Certificate(ca.cert).raw),
    utcTime(new Date(now.getTime() - 48 * HOUR_MS)),
    utcTime(nextUpdate ?? new Date(now.getTime() + 24 * HOUR_MS)),
    ...(entries.length > 0 ? [der(0x30, ...entries)] : []),
  )
  const signature = sign('sha256', content, createPrivateKey(ca.key))
  const list = der(0x30, content, algorithm, der(0x03, Buffer.from([0]), signature))
  const lines = list.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const digits = Buffer.from(length.toString(16).padStart(4, '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 + digits.length]), digits, content])
}

function utcTime(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return der(0x17, Buffer.from(`${text}Z`, 'latin1'))
}
