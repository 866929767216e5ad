/** The content types of gRPC-Web (grpc/grpc doc/PROTOCOL-WEB.md, "Protocol differences vs gRPC over HTTP2"). */
import { isGrpcContentType } from './metadata.ts'

const WEB = 'application/grpc-web'
const TEXT = `${WEB}-text`

/** What a content type of gRPC-Web says. */
export interface WebType {
  /** The body is base64. */
  readonly text: boolean
  /** How messages are encoded, and parameters, as they were written: `+proto`, `+json; charset=utf-8`, or nothing. */
  readonly rest: string
}

/** @returns undefined for any other type. Letters may be in any case (RFC 9110 §8.3.1). */
export function webTypeOf(contentType: string): WebType | undefined {
  const text = begins(contentType, TEXT)
  if (!text && !begins(contentType, WEB)) return undefined
  const rest = contentType.slice((text ? TEXT : WEB).length)
  return rest === '' || /^[+; ]/.test(rest) ? { text, rest } : undefined
}

function begins(contentType: string, type: string): boolean {
  return contentType.slice(0, type.length).toLowerCase() === type
}

/** The type of the same messages in gRPC. */
export function grpcType({ rest }: WebType): string {
  return `${GRPC}${rest}`
}

const GRPC = 'application/grpc'

/**
 * The type in gRPC-Web of a response that has `contentType` in gRPC. A backend that names no encoding answers in that of
 * the request (PROTOCOL-HTTP2.md, "Content-Type").
 * @returns undefined where `contentType` is not gRPC's
 */
export function webTypeFor(contentType: string, request: WebType, text: boolean): string | undefined {
  if (!isGrpcContentType(contentType)) return undefined
  const rest = contentType.slice(GRPC.length)
  return `${text ? TEXT : WEB}${rest.startsWith('+') ? rest : request.rest}`
}

/**
 * Whether the answer is to be text. "Accept: application/grpc-web-text" asks for it (PROTOCOL-WEB.md); a client that
 * accepts anything, or does not say, gets the form that it speaks.
 */
export function answersInText(request: WebType, accept: string): boolean {
  const wanted = accept.toLowerCase()
  if (wanted.includes(TEXT)) return true
  return request.text && !wanted.includes(WEB)
}
