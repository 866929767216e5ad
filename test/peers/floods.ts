/** What a client can do to a session with many frames, each of them allowed. */
import { setTimeout } from 'node:timers/promises'
import { Code, FrameType, writeFrame } from '../support/frames.ts'
import type { RawClient } from '../support/raw-client.ts'
import { MESSAGE, requestFields, SLOW, wholeCall } from './odd-requests.ts'

export interface Flood {
  readonly name: string
  /** So many send it at once; default: one. */
  readonly clients?: number
  /** Ends by itself; what was sent may still be on its way. */
  run(client: RawClient): Promise<void>
}

const PATIENCE_MS = 10
const TINY = Buffer.from('\0\0\0\0\x01x', 'latin1')

function open(client: RawClient): boolean {
  return !client.socket.destroyed && client.socket.writable
}

/** Sends in batches, as fast as the socket takes them. */
async function send(client: RawClient, count: number, batch: number, one: (i: number) => void): Promise<void> {
  for (let i = 0; i < count && open(client); ) {
    client.socket.cork()
    for (const end = Math.min(i + batch, count); i < end; i++) one(i)
    client.socket.uncork()
    while (open(client) && client.socket.writableLength > 0) await setTimeout(1)
    await setTimeout(1)
  }
}

/** Each call is reset some milliseconds after it began. */
async function resetsAtRate(client: RawClient, count: number, perSecond: number): Promise<void> {
  const live: { readonly id: number; readonly since: number }[] = []
  const begin = performance.now()
  for (let sent = 0; (sent < count || live.length > 0) && open(client); ) {
    const now = performance.now()
    while (sent < count && sent < ((now - begin) / 1000) * perSecond) {
      const id = client.request(requestFields())
      client.data(id, MESSAGE)
      live.push({ id, since: now })
      sent++
    }
    while (live.length > 0 && now - live[0]!.since >= PATIENCE_MS) client.rst(live.shift()!.id, Code.CANCEL)
    await setTimeout(2)
  }
}

function other(client: RawClient, type: number, streamId: number, payload: Buffer): void {
  client.raw(writeFrame({ type, flags: 0, streamId, payload }))
}

function onStream(
  name: string,
  count: number,
  one: (client: RawClient, id: number, i: number) => void,
  path?: string,
): Flood {
  const run = async (client: RawClient): Promise<void> => {
    const id = client.request(requestFields(path === undefined ? {} : { ':path': path }))
    await send(client, count, 200, i => one(client, id, i))
  }
  return { name, run }
}

const pair = (client: RawClient): void => client.rst(client.request(requestFields()), Code.CANCEL)

export const RESETS: readonly Flood[] = [
  {
    name: '25 pairs of HEADERS and RST_STREAM in one segment',
    run: client => send(client, 25, 25, () => pair(client)),
  },
  { name: '1,500 pairs in one segment', run: client => send(client, 1_500, 1_500, () => pair(client)) },
  { name: '3,000 pairs, 30 at a time', run: client => send(client, 3_000, 30, () => pair(client)) },
  { name: '2,000 calls reset after 10 ms, 500 a second', run: client => resetsAtRate(client, 2_000, 500) },
  { name: '4,000 calls reset after 10 ms, 2,000 a second', run: client => resetsAtRate(client, 4_000, 2_000) },
  {
    name: '100 calls of each of 20 clients reset after 10 ms, 25 a second each',
    clients: 20,
    run: client => resetsAtRate(client, 100, 25),
  },
  {
    name: '1,500 calls that pass their deadline of 5 ms',
    run: client =>
      send(client, 1_500, 25, () => {
        client.data(client.request(requestFields({ ':path': SLOW }, [['grpc-timeout', '5m']])), MESSAGE)
      }),
  },
  {
    name: '1,500 calls that break a rule once they are open',
    run: client =>
      send(client, 1_500, 25, () => {
        const id = client.request(requestFields({}, [['content-length', '3']]))
        client.data(id, MESSAGE)
      }),
  },
]

export const CHATTER: readonly Flood[] = [
  onStream('20,000 empty DATA frames', 20_000, (client, id) => client.data(id, '')),
  onStream('4,000 small messages that are read at once', 4_000, (client, id) => client.data(id, TINY)),
  onStream('5,000 WINDOW_UPDATE of 1', 5_000, (client, id) => client.windowUpdate(id, 1)),
  onStream('5,000 PRIORITY', 5_000, (client, id) =>
    other(client, FrameType.PRIORITY, id, Buffer.from([0, 0, 0, 0, 16])),
  ),
  onStream('5,000 unknown frames', 5_000, (client, id) => other(client, 0xbe, id, Buffer.alloc(8))),
  { name: '2,000 PING', run: client => send(client, 2_000, 200, () => client.ping()) },
  { name: '500 SETTINGS', run: client => send(client, 500, 50, i => client.settings({ 1: i % 2 === 0 ? 0 : 4_096 })) },
  { name: '1,000 calls left open', run: client => send(client, 1_000, 100, () => client.request(requestFields())) },
  { name: '2,000 whole calls', run: client => send(client, 2_000, 100, () => wholeCall(client)) },
]
