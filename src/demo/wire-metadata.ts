/** Metadata to and from what node:http2 gives and takes. */
import type { OutgoingHttpHeaders } from 'node:http2'
import type { Metadata, MetadataValue } from './call.ts'

/** Fields of gRPC itself and of HTTP, which are not metadata of the application. */
const RESERVED = new Set(['content-type', 'te', 'grpc-encoding', 'grpc-accept-encoding', 'grpc-timeout'])

/** From node's raw list `[name, value, name, value, …]`: only there do order and duplicates survive. */
export function metadataOf(raw: readonly string[]): Metadata {
  const metadata: [string, MetadataValue][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!
    const value = raw[i + 1]!
    if (name.startsWith(':') || RESERVED.has(name)) continue
    if (!name.endsWith('-bin')) metadata.push([name, value])
    // "Multiple values may be joined with ','" and padding may be missing (PROTOCOL-HTTP2.md, "Custom-Metadata").
    else for (const part of value.split(',')) metadata.push([name, Buffer.from(part, 'base64')])
  }
  return metadata
}

/** As an object for node; several values of a name become an array, which goes out as several fields. */
export function headersOf(metadata: Metadata): OutgoingHttpHeaders {
  const headers: Record<string, string[]> = {}
  for (const [name, value] of metadata) {
    const text = typeof value === 'string' ? value : value.toString('base64').replace(/=+$/, '')
    headers[name] = [...(headers[name] ?? []), text]
  }
  return headers
}

/** `grpc-message` as text. Text that is not percent-encoded stays as it came (PROTOCOL-HTTP2.md, "Status-Message"). */
export function decodeMessage(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
