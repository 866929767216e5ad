/** Peers and directors that mean harm, or might as well: the call fails, the proxy and its other calls do not. */
import { pino } from 'pino'
import type { Test } from 'tap'
import { type Director, GrpcError, type Target } from '../../src/index.ts'
import { certificates } from '../support/certs.ts'
import { Code, FrameType, Setting } from '../support/frames.ts'
import type { RawClient } from '../support/raw-client.ts'
import type { ReceivedHeaders } from '../support/received.ts'
import { idle, until } from '../support/until.ts'
import {
  answer,
  answered,
  arrived,
  directed,
  field,
  goesOn,
  neverEnded,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  type Rig,
  refused,
  requestFields,
  rig,
} from './rig.ts'

export function hostile(t: Test, pairing: Pairing): void {
  longAnswers(t, pairing)
  wrongTargets(t, pairing)
  heldRequests(t, pairing)
  backends(t, pairing)
}

/** The proxy's answer, and that nothing is left of the call; the session goes on. */
async function refusedForGood(t: Test, here: Rig, id: number, status: number): Promise<ReceivedHeaders | undefined> {
  await refused(t, here.client, id, status)
  await idle(here.proxy)
  const [only] = here.client.stream(id)
  return only?.kind === 'headers' ? only : undefined
}

const LONG_PATH = `/pkg.Service/${'m'.repeat(25_000)}`
/** Percent-encoding makes three characters of each. */
const LONG_TEXT = '%'.repeat(25_000)
/** PROTOCOL-HTTP2.md "Requests": "Servers may limit the size of Request-Headers", 8 KiB by default; clients do alike. */
const USUAL_LIMIT_BYTES = 8192

function longAnswers(t: Test, pairing: Pairing): void {
  const fits = (t: Test, head: ReceivedHeaders | undefined, begin: string) => {
    const text = field(head, 'grpc-message') ?? ''
    t.ok(text.startsWith(begin), 'the message begins as it should')
    t.ok(text.length < USUAL_LIMIT_BYTES, `${text.length} characters of grpc-message`)
  }
  const elseMain = (deny: () => never): Director => {
    return call => (call.path === '/after/all' ? { backend: 'main' } : deny())
  }
  const denial = elseMain(() => {
    throw new GrpcError('PERMISSION_DENIED', `not allowed: ${LONG_TEXT}`)
  })

  for (const [how, director] of [
    ['a director', denial],
    ['a director later', (async call => denial(call)) as Director],
  ] as const) {
    t.test(`${how} throws a message of 25 KB: an answer that fits comes`, async t => {
      const here = await directed(t, pairing, director)
      const id = here.client.request(requestFields(), { endStream: true })
      fits(t, await refusedForGood(t, here, id, 7), 'not allowed: %25%25')
      await goesOn(t, here)
    })
  }

  t.test('no route for 25 KB of path: an answer that fits comes', async t => {
    const here = await rig(t, pairing, { proxy: { routes: [{ match: { service: 'after' }, backend: 'main' }] } })
    const id = here.client.request(requestFields([], LONG_PATH), { endStream: true })
    fits(t, await refusedForGood(t, here, id, 12), 'no route for /pkg.Service/mmm')
    await goesOn(t, here)
  })

  t.test('a message whose characters are four bytes each: an answer that fits comes', async t => {
    const director = elseMain(() => {
      throw new GrpcError('ABORTED', '\u{1F600}'.repeat(20_000))
    })
    const here = await directed(t, pairing, director)
    const id = here.client.request(requestFields(), { endStream: true })
    fits(t, await refusedForGood(t, here, id, 10), '%F0%9F%98%80')
    await goesOn(t, here)
  })

  t.test('an answer that no limit lets through: a reset, and the call is over', async t => {
    const director = elseMain(() => {
      throw new GrpcError('ABORTED', '%'.repeat(400))
    })
    // What may be sent is for its receiver to say (RFC 9113 §6.5.2). nghttp2 has one limit for both directions: ours.
    const frames = pairing.downstream === 'frames'
    const here = await rig(t, pairing, {
      proxy: { director, ...(!frames && { limits: { maxHeaderListBytes: 1024 } }) },
      client: { settings: { [Setting.MAX_HEADER_LIST_SIZE]: frames ? 1024 : 65_536 } },
    })
    const id = here.client.request(requestFields(), { endStream: true })
    t.match(await here.client.ended(id), [{ kind: 'rst', code: Code.INTERNAL_ERROR }])
    await idle(here.proxy)
    await goesOn(t, here)
  })

  const own = { skip: pairing.downstream === 'native' && 'nghttp2 has one limit for both directions' }
  t.test("an answer above our own limit and below the client's comes", own, async t => {
    const director = elseMain(() => {
      throw new GrpcError('ABORTED', '%'.repeat(400))
    })
    const here = await rig(t, pairing, { proxy: { director, limits: { maxHeaderListBytes: 1024 } } })
    const id = here.client.request(requestFields(), { endStream: true })
    t.equal(field(await refusedForGood(t, here, id, 10), 'grpc-message'), '%25'.repeat(400))
    await goesOn(t, here)
  })
}

/** What plain JavaScript can return, and what TypeScript lets through as a string. */
const WRONG: Readonly<Record<string, object>> = {
  'a metadata value that is undefined': { metadata: { 'x-user': undefined } },
  'a metadata value that is null': { metadata: { 'x-user': null } },
  'a metadata value that is a number': { metadata: { 'x-user': 7 } },
  'a metadata value undefined among others': { metadata: { 'x-user': ['a', undefined] } },
  'a metadata value with CRLF': { metadata: { 'x-user': 'a\r\nx-admin: yes' } },
  'a metadata value with NUL': { metadata: { 'x-user': 'a\0b' } },
  'a metadata value above U+00FF': { metadata: { 'x-user': 'Zo\u0141' } },
  'a metadata value with a space before it': { metadata: { 'x-user': ' a' } },
  'a pseudo-header field as metadata': { metadata: { ':path': '/other.Service/Method' } },
  'a metadata name with a space': { metadata: { 'x user': 'a' } },
  'a metadata name with CRLF': { metadata: { 'x-user: a\r\nx-admin': 'yes' } },
  'a metadata name above U+00FF': { metadata: { 'x-\u0141': 'a' } },
  'an empty metadata name': { metadata: { '': 'a' } },
  'null metadata': { metadata: null },
  'an authority with CRLF': { authority: 'a\r\nx-admin: yes' },
  'an authority that is a number': { authority: 7 },
  'an authority that is null': { authority: null },
}

function wrongTargets(t: Test, pairing: Pairing): void {
  const good = (path: string): Target | undefined => (/after|behind/.test(path) ? { backend: 'main' } : undefined)

  for (const [what, part] of Object.entries(WRONG)) {
    t.test(`a director answers with ${what}: INTERNAL, logged, and nothing goes out`, async t => {
      const wrong = { backend: 'main', ...part } as Target
      const kinds: Readonly<Record<string, Director>> = {
        now: call => good(call.path) ?? wrong,
        later: async call => good(call.path) ?? wrong,
      }
      for (const [when, director] of Object.entries(kinds)) {
        const lines: string[] = []
        const logger = pino({ level: 'error' }, { write: line => lines.push(line) })
        const here = await rig(t, pairing, { proxy: { director, logger } })
        // None has a session yet: were the first one queued, the second would wait behind it.
        const id = here.client.request(requestFields())
        const behind = here.client.request(requestFields([], '/behind/it'), { endStream: true })
        await refused(t, here.client, id, 13, 'the director failed')
        t.equal(field(here.client.stream(id)[0], 'x-grpc-verbatim-error'), 'director-failed', when)
        const call = await arrived(here, behind)
        t.equal(field(call.headers, ':path'), '/behind/it', 'the call behind it is the first to arrive')
        answer(call)
        await answered(t, call)
        await goesOn(t, here)
        await idle(here.proxy)
        t.equal(here.backend.requests.length, 2)
        t.match(
          lines.map(line => JSON.parse(line)),
          [{ msg: "the director's answer cannot be sent", path: '/pkg.Service/Method', err: { type: 'TypeError' } }],
        )
        t.equal(lines.length, 1, 'one record')
      }
    })
  }

  // RFC 9113 §8.2: "Field names MUST be converted to lowercase when constructing an HTTP/2 message."
  t.test('a director adds metadata with an upper-case name: it goes out in lower case', async t => {
    const here = await directed(t, pairing, () => ({ backend: 'main', metadata: { 'X-User': ['a', 'b'] } }))
    const call = await open(here, { endStream: true })
    t.same(pairs(call.headers.fields).slice(-2), [
      ['x-user', 'a'],
      ['x-user', 'b'],
    ])
    answer(call)
    await answered(t, call)
  })

  for (const [when, none] of [
    ['', () => null],
    [' later', async () => null],
  ] as const) {
    t.test(`a director answers null${when}: no route`, async t => {
      const director = ((call: { path: string }) => good(call.path) ?? none()) as unknown as Director
      const here = await directed(t, pairing, director)
      const id = here.client.request(requestFields())
      t.equal(field(await refusedForGood(t, here, id, 12), 'x-grpc-verbatim-error'), 'no-route')
      await goesOn(t, here)
    })
  }
}

const TIMES = 150
/** A call that stayed open would take one of these from those after it: they were refused. */
const FEW_STREAMS = { limits: { maxConcurrentStreams: 10 } }
/** More than a backend takes that gives no window back, and less than the stream's window of the proxy. */
const HELD = Buffer.alloc(100_000)

/** The connection lives, and nothing is left but what the test holds open. */
async function nothingLeft(t: Test, pairing: Pairing, here: Rig, held: number): Promise<void> {
  // A call that waits for the backend's window has the session watched: `limits.stallTimeoutMs`.
  const timers = pairing.upstream === 'frames' && held > 0 ? 1 : 0
  const left = { calls: held, waitingCalls: 0, backendStreams: held, timers }
  const now = () => {
    const { calls, waitingCalls, backendStreams, timers } = here.proxy.counts()
    return JSON.stringify({ calls, waitingCalls, backendStreams, timers })
  }
  await until('nothing is left', () => now() === JSON.stringify(left), now)
  await here.client.roundTrip()
  t.notOk(
    here.client.log.some(item => item.kind === 'goaway'),
    'no GOAWAY',
  )
}

/** The rig's backend reads no more: its session's window is used up by a call that stays open. */
async function blocked(t: Test, pairing: Pairing): Promise<Rig> {
  const here = await rig(t, pairing, { backend: { auto: { window: false } }, proxy: FEW_STREAMS })
  const hog = await open(here)
  await here.client.upload(hog.id, HELD)
  await hog.backend.received(hog.backendId, 65_535)
  return here
}

/** All of the request is in the proxy, more than one DATA frame of it. */
async function upload(client: RawClient, id: number): Promise<void> {
  await client.upload(id, HELD, { endStream: true })
  await client.roundTrip()
}

function heldRequests(t: Test, pairing: Pairing): void {
  t.test(`the deadline passes while the request is held, ${TIMES} times: each is answered`, async t => {
    const here = await blocked(t, pairing)
    for (let round = 0; round < TIMES / 5; round++) {
      const ids = Array.from({ length: 5 }, () => here.client.request(requestFields([['grpc-timeout', '20m']])))
      await Promise.all(ids.map(id => here.client.upload(id, HELD, { endStream: true })))
      for (const id of ids) {
        const [head] = await here.client.ended(id)
        if (field(head, 'grpc-status') !== '4') t.fail(`round ${round}`, { head })
      }
    }
    await nothingLeft(t, pairing, here, 1)
  })

  t.test(`an early Trailers-Only and RST_STREAM(NO_ERROR) while the request is held, ${TIMES} times`, async t => {
    const here = await blocked(t, pairing)
    for (let time = 0; time < TIMES; time++) {
      const call = await open(here)
      await upload(here.client, call.id)
      call.backend.headers(call.backendId, [...RESPONSE, ['grpc-status', '8']], { endStream: true })
      call.backend.rst(call.backendId, Code.NO_ERROR)
      const [head] = await here.client.ended(call.id)
      if (field(head, 'grpc-status') !== '8') t.fail(`time ${time}`, { head })
    }
    await nothingLeft(t, pairing, here, 1)
  })

  t.test(`a director denies later, the request being there already, ${TIMES} times`, async t => {
    let deny = () => {}
    const director: Director = ({ path }) => {
      if (path === '/after/all') return { backend: 'main' }
      const { promise, reject } = Promise.withResolvers<Target>()
      deny = () => reject(new GrpcError('UNAUTHENTICATED', 'no'))
      return promise
    }
    const here = await rig(t, pairing, { proxy: { director, ...FEW_STREAMS } })
    for (let time = 0; time < TIMES; time++) {
      const id = here.client.request(requestFields())
      await upload(here.client, id)
      deny()
      const [head] = await here.client.ended(id)
      if (field(head, 'grpc-status') !== '16') t.fail(`time ${time}`, { head })
    }
    await nothingLeft(t, pairing, here, 0)
    await goesOn(t, here)
  })

  // RFC 9113 §5.4.2: RST_STREAM ends the stream, whatever its code. NO_ERROR would read as "response complete".
  t.test('the client resets with NO_ERROR while its request is held: the backend hears CANCEL', async t => {
    const here = await rig(t, pairing, { backend: { auto: { window: false } } })
    const call = await open(here)
    await here.client.upload(call.id, HELD)
    await call.backend.received(call.backendId, 65_535)
    await here.client.roundTrip()
    here.client.rst(call.id, Code.NO_ERROR)
    t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
    neverEnded(t, call.backend, call.backendId)
    await idle(here.proxy)
    call.backend.windowUpdate(0, HELD.length)
    await goesOn(t, here)
  })
}

const ORIGIN = 0xc

function backends(t: Test, pairing: Pairing): void {
  // RFC 8336 §2: "ASCII serialization of an origin"; a client has to expect any bytes.
  for (const [what, origin] of [
    ['a NUL in it', 'https://a\0b'],
    ['no host', 'https://'],
    ['a space in it', 'https://a b'],
    ['no origin at all', '\xff\r\n'],
    ['the wildcard of a certificate', 'https://*.test'],
  ] as const) {
    t.test(`a TLS backend sends an ORIGIN frame with ${what}: nothing comes of it`, async t => {
      const { ca, server } = await certificates()
      const here = await rig(t, pairing, {
        backend: { tls: { cert: server.cert, key: server.key } },
        upstream: { tls: { ca: ca.cert, serverName: 'localhost' } },
      })
      const call = await open(here, { endStream: true })
      const bytes = Buffer.from(origin, 'latin1')
      const payload = Buffer.concat([Buffer.from([0, bytes.length]), bytes])
      call.backend.frame({ type: ORIGIN, flags: 0, streamId: 0, payload })
      answer(call)
      await answered(t, call)
      await goesOn(t, here)
      t.equal(here.backend.connections.length, 1)
    })
  }

  t.test('a backend breaks its session: the calls that wait for a stream go to a new one', async t => {
    const here = await rig(t, pairing, {
      backend: { settings: { [Setting.MAX_CONCURRENT_STREAMS]: 1 } },
      upstream: { sessions: { max: 1 } },
    })
    const call = await open(here, { endStream: true })
    const ids = [1, 2, 3].map(() => here.client.request(requestFields([], '/pkg.Service/Waiting'), { endStream: true }))
    await here.client.roundTrip()
    t.equal(here.proxy.counts().waitingCalls, 3)
    // RFC 9113 §6.1: DATA on stream 0 is a connection error.
    call.backend.frame({ type: FrameType.DATA, flags: 0, streamId: 0, payload: Buffer.from('x') })
    await refused(t, here.client, call.id, 14)
    const [, ...others] = await Promise.all([
      call.backend.closed,
      ...ids.map(async () => {
        const { connection, streamId } = await here.backend.request()
        answer({ backend: connection, backendId: streamId })
        return connection
      }),
    ])
    for (const id of ids) await answered(t, { client: here.client, id })
    t.notOk(others.includes(call.backend), 'none on the session that broke')
    t.equal(here.backend.connections.length, 2)
    await idle(here.proxy)
    await goesOn(t, here)
  })
}
