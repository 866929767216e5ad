/** Windows: WINDOW_UPDATE that breaks its rules, and windows that are held closed while responses wait. */
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { answer, answered, type Call, message, RESPONSE, requestFields } from '../contract/rig.ts'
import { share } from '../contract/windows.ts'
import { Code, Setting } from '../support/frames.ts'
import type { ClientOptions, RawClient } from '../support/raw-client.ts'
import { idle, until } from '../support/until.ts'
import { attacker, callOn, type Limits, leftAlone, lost, scene, served, untouched } from './scene.ts'

const MOST = 2 ** 31 - 1
const DEFAULT_WINDOW = 65_535

interface Rule {
  readonly what: string
  readonly token: string
  readonly code: number
  /** With a call of its own that is open: its stream. */
  readonly act: (client: RawClient, id: number) => void
  readonly below: (client: RawClient, id: number) => void
}

const CONNECTION: readonly Rule[] = [
  {
    what: 'WINDOW_UPDATE of 0 for the connection',
    token: 'window-update-0',
    code: Code.PROTOCOL_ERROR,
    act: client => client.windowUpdate(0, 0),
    below: client => client.windowUpdate(0, 1),
  },
  {
    what: "WINDOW_UPDATE that takes the connection's window past 2^31-1",
    token: 'window-overflow',
    code: Code.FLOW_CONTROL_ERROR,
    act: client => client.windowUpdate(0, MOST - DEFAULT_WINDOW + 1),
    below: client => client.windowUpdate(0, MOST - DEFAULT_WINDOW),
  },
  {
    what: "SETTINGS that take a stream's window past 2^31-1",
    token: 'settings-window-overflow',
    code: Code.FLOW_CONTROL_ERROR,
    act: (client, id) => {
      client.windowUpdate(id, 1)
      client.settings({ [Setting.INITIAL_WINDOW_SIZE]: MOST })
    },
    below: client => {
      client.settings({ [Setting.INITIAL_WINDOW_SIZE]: MOST })
      client.settings({ [Setting.INITIAL_WINDOW_SIZE]: DEFAULT_WINDOW })
    },
  },
  {
    what: 'SETTINGS with a window past 2^31-1',
    token: 'initial-window-size-value',
    code: Code.FLOW_CONTROL_ERROR,
    act: client => client.settings({ [Setting.INITIAL_WINDOW_SIZE]: MOST + 1 }),
    below: client => client.settings({ [Setting.INITIAL_WINDOW_SIZE]: DEFAULT_WINDOW }),
  },
]

/** What it is on one stream costs that alone (RFC 9113 §6.9, §6.9.1). */
const STREAM: readonly Rule[] = [
  {
    what: 'WINDOW_UPDATE of 0 for a stream',
    token: 'stream-window-update-0',
    code: Code.PROTOCOL_ERROR,
    act: (client, id) => client.windowUpdate(id, 0),
    below: (client, id) => client.windowUpdate(id, 1),
  },
  {
    what: "WINDOW_UPDATE that takes a stream's window past 2^31-1",
    token: 'stream-window-overflow',
    code: Code.FLOW_CONTROL_ERROR,
    act: (client, id) => client.windowUpdate(id, MOST - DEFAULT_WINDOW + 1),
    below: (client, id) => client.windowUpdate(id, MOST - DEFAULT_WINDOW),
  },
]

for (const { what, act, below, ...rule } of CONNECTION) {
  t.test(`${what}: costs the connection`, async t => {
    const here = await scene(t)
    const client = await attacker(t, here)
    const call = await callOn(here.backend, client, '/attack/Open')
    act(client, call.id)
    await lost(t, here, client, client.address, rule)
    await untouched(t, here)
    await idle(here.proxy)
  })

  t.test(`${what}: the most that is allowed`, async t => {
    const here = await scene(t)
    const client = await attacker(t, here, { auto: { window: false } })
    below(client, (await callOn(here.backend, client, '/attack/Open')).id)
    await leftAlone(t, here, client, rule.token)
  })
}

for (const { what, token, code, act, below } of STREAM) {
  t.test(`${what}: costs the call`, async t => {
    const here = await scene(t)
    const client = await attacker(t, here)
    const call = await callOn(here.backend, client, '/attack/Open')
    act(client, call.id)
    t.match(await client.ended(call.id), [{ kind: 'rst', code }])
    t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
    t.equal(here.proxy.violations()[token], 1)
    await served(t, here.backend, client, '/after/It')
    t.same(here.lines, [], 'no line at warn: it is one call')
    await untouched(t, here, 2)
    await idle(here.proxy)
  })

  t.test(`${what}: the most that is allowed`, async t => {
    const here = await scene(t)
    const client = await attacker(t, here, { auto: { window: false } })
    const call = await callOn(here.backend, client, '/attack/Open')
    below(client, call.id)
    await client.roundTrip()
    answer(call)
    await answered(t, call)
    await leftAlone(t, here, client, token)
  })
}

interface Held {
  readonly what: string
  readonly client: ClientOptions
  /** Bytes that the client lets through of all its calls. */
  readonly through: number
}

const WINDOW = 16_384
const CALLS = 3
const PENDING = Buffer.alloc(100_000)
const STALL: Limits = { stallTimeoutMs: 500, streamWindowBytes: WINDOW, maxStreamWindowBytes: WINDOW }

const HELD: readonly Held[] = [
  { what: 'INITIAL_WINDOW_SIZE 0', client: { settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 } }, through: 0 },
  {
    what: 'INITIAL_WINDOW_SIZE 1',
    client: { settings: { [Setting.INITIAL_WINDOW_SIZE]: 1 }, auto: { window: false } },
    through: CALLS,
  },
  {
    what: "the connection's window used up",
    client: { settings: { [Setting.INITIAL_WINDOW_SIZE]: 2 ** 20 }, auto: { window: false } },
    through: DEFAULT_WINDOW,
  },
]

for (const { what, client: options, through } of HELD) {
  t.test(`${what} while responses wait: they take no more than their windows, and cost the connection`, async t => {
    const here = await scene(t, STALL)
    const client = await attacker(t, here, options)
    const calls = []
    for (let i = 0; i < CALLS; i++) calls.push(await callOn(here.backend, client, '/attack/Held', { endStream: true }))
    for (const { backend, backendId } of calls) {
      backend.headers(backendId, RESPONSE)
      // Ends where the window does, and is never told of another.
      void backend.upload(backendId, PENDING).catch(() => {})
    }
    await lost(t, here, client, client.address, { token: 'stalled' })
    const sent = calls.map(({ backend, backendId }) => backend.windows.sent(backendId))
    const got = calls.map(({ id }) => client.dataBytes(id))
    const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)
    t.equal(sum(got), through, 'as much as the client allowed')
    t.ok(
      sent.every((bytes, at) => bytes >= WINDOW && bytes <= WINDOW + got[at]!),
      `each call's window, once, and what went through: ${sent} bytes came, ${got} went`,
    )
    for (const { backend, backendId } of calls) t.match(await backend.next('rst', backendId), { code: Code.CANCEL })
    await untouched(t, here)
    await idle(here.proxy)
  })
}

t.test('responses that ended and wait for their client still count, and come when it takes them', async t => {
  const here = await scene(t, { ...STALL, stallTimeoutMs: 60_000, maxSessionBufferedBytes: DEFAULT_WINDOW })
  const client = await attacker(t, here, { settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 } })
  const calls: Call[] = []
  for (let i = 0; i < 10; i++) calls.push(await callOn(here.backend, client, '/attack/Held', { endStream: true }))
  const whole = Buffer.alloc(WINDOW - 100, 'x')
  const sending = calls.map(async ({ backend, backendId }) => {
    backend.headers(backendId, RESPONSE)
    await share(backend, backendId, whole, true)
  })
  await here.open.backend.roundTrip()
  const sent = () => calls.reduce((sum, { backend, backendId }) => sum + backend.windows.sent(backendId), 0)
  t.ok(sent() <= DEFAULT_WINDOW, `${sent()} bytes came of ${calls.length * whole.length}`)
  client.settings({ [Setting.INITIAL_WINDOW_SIZE]: DEFAULT_WINDOW })
  await Promise.all(sending)
  for (const { id } of calls) {
    await client.ended(id)
    t.equal(client.dataBytes(id), whole.length)
  }
  await untouched(t, here, 2)
  client.destroy()
  await idle(here.proxy)
})

t.test('a client that opens its window late, in small steps', async t => {
  const here = await scene(t, { streamWindowBytes: WINDOW, maxStreamWindowBytes: WINDOW })
  const client = await attacker(t, here, { settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 }, auto: { window: false } })
  const call = await callOn(here.backend, client, '/attack/Late', { endStream: true })
  answer(call, 'x'.repeat(5_000))
  await client.next('headers', call.id)
  for (let bytes = 500; bytes < 5_000; bytes += 500) {
    client.windowUpdate(call.id, 500)
    await client.received(call.id, bytes)
  }
  t.equal(client.dataBytes(call.id), 4_500, 'no more than it allowed')
  client.settings({ [Setting.INITIAL_WINDOW_SIZE]: DEFAULT_WINDOW })
  await until('all of it came', () => client.dataBytes(call.id) === message('x'.repeat(5_000)).length)
  t.match((await client.ended(call.id)).at(-1), { kind: 'headers', endStream: true })
  await leftAlone(t, here, client, 'stalled')
})

/** Requests of one write, and at most: their answers are more than the kernel's buffers and the proxy's bound. */
const AT_ONCE = 200
const MOST_REQUESTS = 1_000_000

t.test('a client that reads nothing and asks for answers of the proxy itself: it is not read any more', async t => {
  const here = await scene(t, { stallTimeoutMs: 500 })
  const client = await attacker(t, here)
  client.socket.pause()
  const wrong = requestFields([['grpc-timeout', 'never']], '/attack/Unread')
  const stalled = () => here.proxy.violations().stalled === 1
  let requests = 0
  while (requests < MOST_REQUESTS && !stalled()) {
    // What is not taken is either not read any more or waits for its share of a turn.
    if (client.socket.writableLength === 0) {
      client.socket.cork()
      for (let i = 0; i < AT_ONCE; i++) client.request(wrong, { endStream: true })
      client.socket.uncork()
      requests += AT_ONCE
    }
    await immediate()
  }
  t.ok(requests < MOST_REQUESTS, `the proxy stopped reading after ${requests} requests, and ended the session`)
  // The answers are of no interest, and many.
  client.socket.removeAllListeners('data').resume()
  await client.closed
  t.same(
    here.lines.map(({ peer, violation }) => ({ peer, violation })),
    [{ peer: client.address, violation: 'stalled' }],
  )
  await untouched(t, here)
  await idle(here.proxy)
})

t.test('a client that refuses trailers while the response waits for it: nothing stays held', async t => {
  const here = await scene(t, { ...STALL, stallTimeoutMs: 60_000, maxSessionBufferedBytes: DEFAULT_WINDOW })
  const settings = { [Setting.INITIAL_WINDOW_SIZE]: 0, [Setting.MAX_HEADER_LIST_SIZE]: 400 }
  const client = await attacker(t, here, { settings })
  for (let i = 0; i < 10; i++) {
    const { backend, backendId, id } = await callOn(here.backend, client, '/attack/Refuse', { endStream: true })
    backend.headers(backendId, RESPONSE)
    await backend.upload(backendId, Buffer.alloc(WINDOW - 100))
    backend.headers(
      backendId,
      [
        ['grpc-status', '0'],
        ['x-details', 'x'.repeat(500)],
      ],
      { endStream: true },
    )
    t.match((await client.ended(id)).at(-1), { kind: 'rst' })
  }
  await here.open.backend.roundTrip()
  t.ok(here.open.backend.windows.left(0) >= DEFAULT_WINDOW / 2, `${here.open.backend.windows.left(0)} bytes of window`)
  client.destroy()
  await untouched(t, here, 1, { apart: true })
  await idle(here.proxy)
})

/** Whole responses and halves: both hold what their client does not take. */
const HOARDED: readonly { readonly what: string; readonly ended: boolean }[] = [
  { what: 'of calls that go on', ended: false },
  { what: 'of calls whose backend has ended', ended: true },
]

for (const { what, ended } of HOARDED) {
  t.test(
    `a client that takes nothing ${what}, until the backend session is full: those calls end, and no other`,
    async t => {
      const limits = { ...STALL, stallTimeoutMs: 60_000, maxSessionBufferedBytes: DEFAULT_WINDOW }
      const here = await scene(t, { ...limits, slowReaderTimeoutMs: 300 })
      const client = await attacker(t, here, { settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 } })
      const calls: Call[] = []
      for (let i = 0; i < 5; i++) calls.push(await callOn(here.backend, client, '/attack/Hoard', { endStream: true }))
      for (const { backend, backendId } of calls) {
        backend.headers(backendId, RESPONSE)
        void share(backend, backendId, Buffer.alloc(WINDOW - 100), ended).catch(() => {})
      }
      await until('calls are ended', () => here.proxy.violations()['slow-reader'] !== undefined)
      const resets = () =>
        calls.flatMap(({ id }) => client.log.filter(item => item.kind === 'rst' && item.streamId === id))
      await until('the client is told', () => resets().length > 0)
      for (const reset of resets()) t.match(reset, { code: Code.ENHANCE_YOUR_CALM })
      t.same(here.lines, [], 'no line at warn')
      await untouched(t, here, 2)
      client.destroy()
      await idle(here.proxy)
    },
  )
}

/** @returns whether the client was late by its own measure, so that nothing is shown */
async function takesLittleByLittle(t: Test, slowReaderTimeoutMs: number): Promise<boolean> {
  const limits = { ...STALL, stallTimeoutMs: 60_000, maxSessionBufferedBytes: DEFAULT_WINDOW }
  const here = await scene(t, { ...limits, slowReaderTimeoutMs })
  const settings = { [Setting.INITIAL_WINDOW_SIZE]: 0 }
  const client = await attacker(t, here, { settings, auto: { window: false } })
  const calls: Call[] = []
  for (let i = 0; i < 5; i++) calls.push(await callOn(here.backend, client, '/slow/Reader', { endStream: true }))
  const sending = calls.map(async ({ backend, backendId }) => {
    backend.headers(backendId, RESPONSE)
    await share(backend, backendId, Buffer.alloc(WINDOW - 100), true)
  })
  const taken = () => calls.reduce((sum, { id }) => sum + client.dataBytes(id), 0)
  while (taken() < calls.length * (WINDOW - 100)) {
    const before = performance.now()
    client.windowUpdate(0, 6_000 * calls.length)
    for (const { id } of calls) client.windowUpdate(id, 6_000)
    await delay(slowReaderTimeoutMs / 4)
    const late = performance.now() - before > slowReaderTimeoutMs / 2
    if (!late && here.proxy.violations()['slow-reader'] === undefined) continue
    void Promise.allSettled(sending)
    if (!late) t.fail('calls of a client in time were ended')
    return late
  }
  await Promise.all(sending)
  t.equal(here.proxy.violations()['slow-reader'], undefined)
  await untouched(t, here, 2)
  client.destroy()
  await idle(here.proxy)
  return false
}

t.test('a full backend session, and a client that takes little by little: its calls go on', async t => {
  // A machine that is too busy for a client in time gets a longer time.
  for (const timeoutMs of [400, 4_000, 20_000]) if (!(await takesLittleByLittle(t, timeoutMs))) return
  t.fail('no time was long enough')
})
