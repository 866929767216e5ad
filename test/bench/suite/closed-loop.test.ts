/** What a closed loop does before it measures: it checks each call, and finds how many fill the time. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import {
  BULK_BYTES,
  BULK_PATH,
  grpcMessage,
  openWorld,
  SMALL_BYTES,
  type World,
} from '../../../bench/subjects/world.ts'
import { catalogue, select } from '../../../bench/suite/catalogue.ts'
import { closedLoop } from '../../../bench/suite/closed-loop.ts'
import type { Scenario, Target } from '../../../bench/suite/scenario.ts'
import { WHOLE } from '../../support/whole.ts'
import { PLAIN } from './fakes.ts'

const PACE = { seconds: 0.1, warmUpSeconds: 0.1 }

/** What somebody makes of an answer, otherwise good. */
interface Spoiled {
  readonly status?: string
  readonly trailers?: boolean
  readonly spoil?: (message: Buffer) => Buffer
}

/** Answers each call at once, all with status 200 and as many bytes as there must be. */
async function subject(t: Test, { status = '0', trailers = true, spoil = message => message }: Spoiled) {
  const messages = new Map([SMALL_BYTES, BULK_BYTES].map(bytes => [bytes, spoil(grpcMessage(bytes))]))
  const server = http2.createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', session => sessions.add(session))
  server.on('sessionError', () => {})
  server.on('stream', (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {})
    if (trailers) stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: trailers })
    stream.end(messages.get(headers[':path'] === BULK_PATH ? BULK_BYTES : SMALL_BYTES))
    stream.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { name: 'subject', proxy: { port: (server.address() as AddressInfo).port } }
}

/** One for all: nobody here spoils the backend. */
let world: Promise<World> | undefined
t.teardown(async () => (await world)?.close())

async function target(t: Test, how: Spoiled): Promise<Target> {
  world ??= openWorld({ backends: 1, tls: false, backend: 'own' })
  return { ...(await subject(t, how)), world: await world }
}

function scenario(name: string): Scenario {
  return select(catalogue({ load: 'h2load', backend: 'own' }), [name])[0]!
}

const flipLast = (message: Buffer): Buffer => {
  message[message.length - 1]! ^= 1
  return message
}
const flipPrefix = (message: Buffer): Buffer => {
  message[0] = 1
  return message
}

/** h2load counts each of these as a success; so it need not be here. */
const SPOILED: readonly (readonly [name: string, how: Spoiled, reason: RegExp])[] = [
  ['ends calls with grpc-status 13', { status: '13' }, /grpc-status 13/],
  ['drops trailers', { trailers: false }, /no trailers|grpc-status undefined/],
  ['scrambles a payload', { spoil: flipLast }, /the payload of message 1/],
  ['changes a prefix', { spoil: flipPrefix }, /the prefix of message 1/],
]

/** One call at a time and ten are checked alike. */
const SCENARIOS = WHOLE ? ['m1', 'm10', 'bulk'] : ['m10', 'bulk']

for (const [name, how, message] of SPOILED) {
  t.test(`who ${name} fails also where h2load makes the calls`, async t => {
    const there = await target(t, how)
    for (const one of SCENARIOS) await t.rejects(scenario(one).open(there, PACE, []), { message }, one)
  })
}

const skip = spawnSync('h2load', ['--version']).status === 0 ? false : 'no h2load on PATH'
t.test('who does none of that is measured by h2load', { skip }, async t => {
  const opened = await scenario('m10').open(await target(t, {}), PACE, [])
  const { sample } = await opened.measure()
  t.ok(sample['calls/s']! > 0)
})

/** Whose n-th calls come at that rate; the last of them for ever. */
function fake(rates: readonly number[], more: { most?: number } = {}) {
  const made: number[] = []
  const scenario = closedLoop({
    ...{ name: 'fake', title: '', world: PLAIN, unit: 'call', probe: 10, load: 'own', ...more },
    async make(_, calls) {
      made.push(calls)
      return { calls, seconds: calls / rates[Math.min(made.length, rates.length) - 1]!, dataBytes: 0, messages: 0 }
    },
  })
  return { scenario, made }
}

t.test('a cold first look neither shortens the warm-up nor the measurement', async t => {
  const { scenario, made } = fake([100, 1_000, 2_000])
  const opened = await scenario.open({ name: 'x', proxy: { port: 1 } } as Target, { seconds: 3, warmUpSeconds: 2 }, [])
  await opened.measure()
  // A first look; 0.2 s of 2 s, of which 1.8 s are left: 0.9 s of them; and as they go at the rate of then.
  t.strictSame(made, [10, 200, 1_800, 1_800, 6_000])
})

t.test('where there is a limit, the warm-up keeps to it', async t => {
  const { scenario, made } = fake([1_000], { most: 50 })
  const opened = await scenario.open({ name: 'x', proxy: { port: 1 } } as Target, { seconds: 3, warmUpSeconds: 2 }, [])
  await opened.measure()
  t.strictSame(made, [10, 50, 50])
})
