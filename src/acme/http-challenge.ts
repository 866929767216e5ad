/**
 * The challenge http-01 (RFC 8555 §8.3): the authority asks port 80 of a name for a file. The address is listened on only
 * while there is a challenge, and nothing else is answered there.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const PATH = '/.well-known/acme-challenge/'
/** A few authorities ask from several places at once. Strangers may be there too. */
const MAX_CONNECTIONS = 100
/** For the whole of a request; what is asked for has a few hundred bytes. */
const REQUEST_TIMEOUT_MS = 5_000
const MAX_HEADER_BYTES = 8_192

export class HttpChallenges {
  readonly #answers = new Map<string, string>()
  #server: Server | undefined

  /** @param address to listen on. @throws the system's error where it cannot be had */
  async open(address: { readonly host: string; readonly port: number }): Promise<AddressInfo> {
    const server = createServer(
      {
        ...{ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES },
        // Node looks at these times every half minute, unless it is told.
        connectionsCheckingInterval: 1_000,
      },
      (request, response) => this.#answer(request, response),
    )
    server.maxConnections = MAX_CONNECTIONS
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(address, resolve)
    })
    // Errors of accept (EMFILE) are temporary.
    server.on('error', () => {})
    return server.address() as AddressInfo
  }

  /** @param token by which the authority asks. @param answer that it expects: the token and the account */
  expect(token: string, answer: string): void {
    this.#answers.set(token, answer)
  }

  close(): void {
    this.#server?.close()
    this.#server?.closeAllConnections()
  }

  #answer({ method, url = '' }: IncomingMessage, response: ServerResponse): void {
    const isRead = method === 'GET' || method === 'HEAD'
    const answer = isRead && url.startsWith(PATH) ? this.#answers.get(url.slice(PATH.length)) : undefined
    const headers = { 'content-type': 'application/octet-stream', connection: 'close' }
    if (answer === undefined) response.writeHead(404, headers).end()
    else response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(answer) }).end(answer)
  }
}
