/** The first bytes of a connection: HTTP/2's preface, HTTP/1, or something else. */

/** RFC 9113 §3.4: "In HTTP/2, each endpoint is required to send a connection preface". */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
/** An HTTP/1 request line begins like this; the longest registered method has 17 letters (RFC 3253). */
const HTTP1 = /^(?:CONNECT |[A-Z]{1,20} [/*h])/

export type FirstBytes = 'http2' | 'http1' | 'unknown' | 'more'

/** `'more'`: what came so far may still become the preface. */
export function judgeFirstBytes(bytes: Buffer): FirstBytes {
  const seen = Math.min(bytes.length, PREFACE.length)
  if (bytes.compare(PREFACE, 0, seen, 0, seen) === 0) return seen === PREFACE.length ? 'http2' : 'more'
  const text = bytes.toString('latin1', 0, 32)
  if (HTTP1.test(text)) return 'http1'
  return /^[A-Z]{1,20} ?$/.test(text) ? 'more' : 'unknown'
}

const EXPLANATION = 'This port speaks gRPC over HTTP/2 with prior knowledge. It does not speak HTTP/1.\n'

/** What an HTTP/1 client gets to read before the connection is closed. */
export const HTTP1_ANSWER = [
  'HTTP/1.1 505 HTTP Version Not Supported',
  'content-type: text/plain; charset=utf-8',
  `content-length: ${EXPLANATION.length}`,
  'connection: close',
  '',
  EXPLANATION,
].join('\r\n')
