/**
 * What each attack happens in: a proxy of frames to frames with one backend session, and on it a neighbour's call
 * that was open before. The attacker is a client of its own connection.
 */
import pino from 'pino'
import type { Test } from 'tap'
import type { GrpcProxy, ProxyOptions } from '../../src/index.ts'
import { answer, answered, type Call, field, message, requestFields, running } from '../contract/rig.ts'
import { PAIRING } from '../proxy/rig.ts'
import { Code } from '../support/frames.ts'
import { type ClientOptions, RawClient } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import { RawServer, type ServerOptions } from '../support/raw-server.ts'
import { idle, until } from '../support/until.ts'

export type Limits = NonNullable<ProxyOptions['limits']>

/** A line of the log, at warn or above. */
export interface Line {
  readonly level: number
  readonly peer?: string
  readonly violation?: string
}

export interface Scene {
  readonly proxy: GrpcProxy
  readonly port: number
  readonly backend: RawServer
  readonly neighbour: RawClient
  /** The neighbour's: the request is not whole yet, the response has not begun. */
  readonly open: Call
  readonly lines: Line[]
}

export interface Attacker extends RawClient {
  /** As the proxy logs it. */
  readonly address: string
}

const WARN = 40

/** @returns a logger, and what it wrote at warn or above */
export function listening(): { logger: pino.Logger; lines: Line[] } {
  const lines: Line[] = []
  const logger = pino({ level: 'warn' }, { write: (text: string) => lines.push(JSON.parse(text)) })
  return { logger, lines }
}

export async function scene(t: Test, limits: Limits = {}, server: ServerOptions = {}): Promise<Scene> {
  const { logger, lines } = listening()
  const backend = await RawServer.listen(t, server)
  const main = { endpoints: [backend.url], transport: PAIRING.upstream, sessions: { max: 1 } }
  const { proxy, port } = await running(t, PAIRING, { backends: { main }, limits, logger })
  const neighbour = await RawClient.connect(t, port)
  const open = await callOn(backend, neighbour, '/neighbour/Open')
  return { proxy, port, backend, neighbour, open, lines }
}

export async function attacker(t: Test, here: Scene, options: ClientOptions = {}): Promise<Attacker> {
  const client = await RawClient.connect(t, here.port, options)
  return Object.assign(client, { address: `127.0.0.1:${client.socket.localPort}` })
}

/** A call of this path, once it is at the backend: whatever an attacker sent there besides. */
export async function callOn(
  backend: RawServer,
  client: RawClient,
  path: string,
  options: { readonly endStream?: boolean } = {},
): Promise<Call> {
  const id = client.request(requestFields([], path), options)
  const came = await backend.request(({ headers }) => field(headers, ':path') === path)
  return { client, id, backend: came.connection, backendId: came.streamId, headers: came.headers }
}

/** A whole call of a client that is served as usual. */
export async function served(t: Test, backend: RawServer, client: RawClient, path: string): Promise<Call> {
  const call = await callOn(backend, client, path, { endStream: true })
  answer(call)
  await answered(t, call)
  return call
}

/** GOAWAY with the rule's code and name; then the end of the connection; counted once, and logged once. */
export async function lost(
  t: Test,
  here: Pick<Scene, 'proxy' | 'lines'>,
  connection: RawConnection,
  address: string,
  rule: { readonly token: string; readonly code?: number },
): Promise<void> {
  const { token, code = Code.ENHANCE_YOUR_CALM } = rule
  const goaway = await connection.next('goaway')
  t.match(goaway, { code, debug: token })
  await connection.closed
  t.equal(here.proxy.violations()[token], 1, 'counted once')
  t.same(
    here.lines.map(({ level, peer, violation }) => ({ level, peer, violation })),
    [{ level: WARN, peer: address, violation: token }],
    'one line in the log',
  )
}

/** What became of the backend's sessions. */
export interface Sessions {
  /** The attacker's calls went to one of their own. */
  readonly apart?: boolean
  /** The one that it shared with the neighbour takes no new calls. */
  readonly replaced?: boolean
}

/** The neighbour ends the call that it had open, and makes another; nothing is left of the attacker. */
export async function untouched(t: Test, here: Scene, clients = 1, sessions: Sessions = {}): Promise<void> {
  const { backend, neighbour, open, proxy } = here
  const question = message('what the neighbour still had to say')
  neighbour.data(open.id, question, { endStream: true })
  await open.backend.received(open.backendId, question.length)
  answer(open)
  await answered(t, open)
  const next = await served(t, backend, neighbour, '/neighbour/Next')
  const { apart = false, replaced = false } = sessions
  if (!replaced) t.equal(next.backend, open.backend, 'through the same backend session')
  if (!apart && !replaced) t.equal(backend.connections.length, 1, 'there was never another one')
  const told = replaced ? [neighbour] : [neighbour, open.backend]
  t.notOk(
    told.some(connection => connection.log.some(item => item.kind === 'goaway')),
    'GOAWAY neither to the neighbour nor on its session',
  )
  await until(
    'the sessions are closed',
    () => proxy.counts().clientSessions === clients,
    () => JSON.stringify(proxy.counts()),
  )
}

/** The attacker stayed below the limit: its connection is as good as before. */
export async function leftAlone(
  t: Test,
  here: Scene,
  client: Attacker,
  token: string,
  sessions: Sessions = {},
): Promise<void> {
  await client.roundTrip()
  await served(t, here.backend, client, '/after/Below')
  t.notOk(
    client.log.some(item => item.kind === 'goaway'),
    'no GOAWAY',
  )
  t.equal(here.proxy.violations()[token], undefined, 'not counted')
  t.same(here.lines, [], 'nothing in the log')
  await untouched(t, here, 2, sessions)
  // What it left open goes with it.
  await client.close()
  await idle(here.proxy)
}
