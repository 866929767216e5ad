/**
 * What is used of the messages of `envoy.service.auth.v3.Authorization/Check`, by the numbers of their fields
 * (envoyproxy/envoy api/envoy/service/auth/v3).
 */
import { type HeaderToAdd, headersOf, type ResponseHeader, responseHeaders } from './header-option.ts'
import { Message, mapField, messageField, numberField, textField, WrongMessage } from './protobuf.ts'

export const CHECK_PATH = '/envoy.service.auth.v3.Authorization/Check'

/** What is told of a call. */
export interface CheckedCall {
  readonly path: string
  readonly authority: string
  readonly scheme: string
  /** Several values of a name are joined, as Envoy does. */
  readonly headers: Iterable<readonly [string, string]>
  /** Empty for a unix socket. */
  readonly host: string
  readonly port: number
  /** A name in the client's certificate that was checked; empty: there is none. */
  readonly principal: string
  readonly context: Readonly<Record<string, string>>
}

export function checkRequest(call: CheckedCall): Buffer {
  const { path, authority, scheme, headers, host, port, principal, context } = call
  // Address.socket_address, with the port as a number.
  const address = host === '' ? [] : [messageField(1, messageField(1, textField(2, host), numberField(3, port)))]
  const http = messageField(
    2,
    textField(2, 'POST'),
    mapField(3, headers),
    textField(4, path),
    textField(5, authority),
    textField(6, scheme),
    textField(10, 'HTTP/2'),
  )
  return messageField(
    1,
    messageField(1, ...address, textField(4, principal)),
    messageField(4, http),
    mapField(10, Object.entries(context)),
  )
}

export type CheckAnswer = Allowed | Denied

interface Allowed {
  readonly allowed: true
  readonly add: readonly HeaderToAdd[]
  readonly remove: readonly string[]
  /** For the client. */
  readonly respond: readonly ResponseHeader[]
}

interface Denied {
  readonly allowed: false
  readonly status: number
  /** 0: the service named no status of HTTP. */
  readonly http: number
  readonly text: string
  /** For the client. */
  readonly respond: readonly ResponseHeader[]
}

/** @throws WrongMessage */
export function readCheckResponse(bytes: Buffer): CheckAnswer {
  const response = new Message(bytes)
  // `error_response`: "the authorization service encounters an internal error", so it has not decided.
  if (response.message(5) !== undefined) throw new WrongMessage('it says that it failed')
  const status = response.message(1)
  const code = status?.number(1) ?? 0
  const denied = response.message(2)
  if (code === 0 && denied === undefined) {
    const ok = response.message(3)
    const respond = responseHeaders(ok?.messages(6) ?? [])
    return { allowed: true, add: headersOf(ok?.messages(2) ?? []), remove: ok?.texts(5) ?? [], respond }
  }
  const http = denied?.message(1)?.number(1) ?? 0
  const text = denied?.text(3) || (status?.text(2) ?? '')
  return { allowed: false, status: code, http, text, respond: responseHeaders(denied?.messages(2) ?? []) }
}
