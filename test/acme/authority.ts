/** An authority on this machine that does what a test says. It verifies nothing. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import {
  cryptoProvider,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { Test } from 'tap'
import { certificates, issue } from '../support/certs.ts'

export const NAME = 'a.example'

/** @param payload what the client has signed */
type Answer = (response: ServerResponse, payload: Record<string, unknown>, request: IncomingMessage) => unknown

export interface Authority {
  readonly origin: string
  readonly directory: string
  readonly ca: Buffer
  /** The paths of all requests. */
  readonly asked: string[]
}

/** What it answers by path where a test says nothing else: a whole order, whose names need no proof. */
function honest(origin: () => string): Record<string, Answer> {
  let chain = ''
  const url = (path: string) => `${origin()}${path}`
  const order = () => ({
    status: chain === '' ? 'ready' : 'valid',
    authorizations: [url('/authorization')],
    finalize: url('/finalize'),
    ...(chain !== '' && { certificate: url('/certificate') }),
  })
  return {
    '/directory': response =>
      json(response, { newNonce: url('/nonce'), newAccount: url('/account'), newOrder: url('/new') }),
    '/nonce': response => response.end(),
    '/account': response => json(response, { status: 'valid' }, 201, { location: url('/account/1') }),
    '/new': response => json(response, order(), 201, { location: url('/order') }),
    '/order': response => json(response, order()),
    '/finalize': async (response, { csr }) => {
      chain = await chainFor(String(csr))
      json(response, order())
    },
    '/certificate': response => response.end(chain),
  }
}

export function json(
  response: ServerResponse,
  value: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

/** A certificate for the key and the names of the request, by itself. */
export async function chainFor(csr: string): Promise<string> {
  const request = new Pkcs10CertificateRequest(Buffer.from(csr, 'base64url'))
  const { subtle } = globalThis.crypto
  cryptoProvider.set(globalThis.crypto)
  const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const { privateKey } = (await subtle.generateKey(signing, true, ['sign', 'verify'])) as {
    readonly privateKey: never
    readonly publicKey: never
  }
  const made = await X509CertificateGenerator.create({
    issuer: 'CN=an authority',
    subject: `CN=${NAME}`,
    publicKey: request.publicKey,
    signingKey: privateKey,
    signingAlgorithm: signing,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: NAME }])],
  })
  return made.toString('pem')
}

export async function authority(
  t: Test,
  others: (origin: () => string) => Record<string, Answer> = () => ({}),
): Promise<Authority> {
  const { ca } = await certificates()
  const { cert, key } = await issue(ca, { name: 'localhost' })
  const asked: string[] = []
  let origin = ''
  const answers = { ...honest(() => origin), ...others(() => origin) }
  const server = createServer({ cert, key }, async (request, response) => {
    const { url = '' } = request
    asked.push(url)
    response.on('error', () => {})
    response.setHeader('replay-nonce', `nonce-${asked.length}`)
    const body = await text(request).catch(() => '')
    const { payload = '' } = body === '' ? {} : (JSON.parse(body) as { readonly payload?: string })
    const said = payload === '' ? {} : JSON.parse(Buffer.from(payload, 'base64url').toString())
    const answer = answers[url]
    if (answer === undefined) json(response, { detail: `there is no ${url}` }, 404)
    else await answer(response, said, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, directory: `${origin}/directory`, ca: Buffer.from(ca.cert), asked }
}
