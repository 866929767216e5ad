/** The events of an admin address, as they come (`config/overview-events.ts`). */
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import type { OverviewEvent } from '../config/overview-events.ts'

/** Where an admin address is, and what it needs. */
export interface AdminTarget {
  /** `127.0.0.1:9901`, `https://admin.example:9901`, `unix:/run/admin.sock`. */
  readonly address: string
  readonly token: string | undefined
  /** What its certificate is checked against, PEM; undefined: the authorities that Node knows. */
  readonly ca: string | undefined
}

/** Why there are no events, in a sentence for whoever called the command. */
export class NoEvents extends Error {
  override readonly name = 'NoEvents'
}

/** An event has some tens of kilobytes. What never ends is none. */
const MAX_EVENT_CHARACTERS = 8_000_000
/** A proxy tells something each second. */
const SILENCE_MS = 10_000

/** @throws NoEvents when it cannot be asked, refuses, or ends */
export async function* readOverviews(target: AdminTarget, signal: AbortSignal): AsyncGenerator<OverviewEvent> {
  const response = await ask(target, signal)
  if (response.statusCode !== 200) throw await refusalOf(response)
  response.setEncoding('utf8')
  let text = ''
  try {
    for await (const part of response) {
      text += part
      if (text.length > MAX_EVENT_CHARACTERS) throw new NoEvents('what it tells is no event')
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const block = text.slice(0, end)
        text = text.slice(end + 2)
        if (block.startsWith('data: ')) yield JSON.parse(block.slice('data: '.length)) as OverviewEvent
      }
    }
  } catch (error) {
    throw error instanceof NoEvents ? error : new NoEvents(`the connection is lost: ${(error as Error).message}`)
  } finally {
    response.destroy()
  }
  throw new NoEvents('the proxy has ended the connection')
}

async function ask(target: AdminTarget, signal: AbortSignal): Promise<IncomingMessage> {
  const { token, address } = target
  const headers = { ...(token !== undefined && { authorization: `Bearer ${token}` }) }
  const to = optionsOf(target)
  const client = to.protocol === 'https:' ? (await import('node:https')).default : http
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const request = client.get({ ...to, path: '/events', headers, signal, timeout: SILENCE_MS, agent: false })
  request.on('timeout', () => request.destroy(new Error(`silent for ${SILENCE_MS / 1_000} seconds`)))
  request.on('response', resolve)
  request.on('error', error => reject(new NoEvents(`${address} cannot be asked: ${error.message}`)))
  return promise
}

function optionsOf({ address, ca }: AdminTarget): RequestOptions & { readonly ca?: string } {
  if (address.startsWith('unix:')) return { protocol: 'http:', socketPath: address.slice('unix:'.length) }
  const url = URL.parse(/^https?:\/\//.test(address) ? address : `http://${address}`)
  if (url === null) throw new NoEvents(`${address} is no address: it is HOST:PORT, https://HOST:PORT or unix:/PATH`)
  const { protocol, hostname, port } = url
  return { protocol, hostname: hostname.replace(/^\[(.*)\]$/, '$1'), port, ...(ca !== undefined && { ca }) }
}

async function refusalOf(response: IncomingMessage): Promise<NoEvents> {
  if (response.statusCode === 401) return new NoEvents('it needs its token: --token-file FILE')
  let text = ''
  for await (const part of response.setEncoding('utf8')) if (text.length < 1_000) text += part
  return new NoEvents(`it answers ${response.statusCode}: ${text.trim()}`)
}
