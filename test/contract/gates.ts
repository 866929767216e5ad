/** Gates on real connections: who passes, what a client learns, and what the backend gets. */
import { createHash } from 'node:crypto'
import type { Test } from 'tap'
import { GrpcError } from '../../src/index.ts'
import { Code } from '../support/frames.ts'
import { answer, answered, field, goesOn, open, type Pairing, refused, requestFields, rig } from './rig.ts'

const KEY = 'a long and random key'
const KEYS = [{ name: 'ada', sha256: createHash('sha256').update(KEY).digest('hex') }]
const PROTECTED = {
  gates: { partners: { apiKeys: { keys: KEYS } }, slow: { rateLimit: { perSecond: 0.001, key: 'identity' } } },
  routes: [
    { match: { service: 'after' }, backend: 'main' },
    { match: { service: 'slow' }, backend: 'main', require: ['partners', 'slow'] },
    { backend: 'main', require: 'partners' },
  ],
} as const

export function gates(t: Test, pairing: Pairing): void {
  t.test('who passes reaches the backend, which does not get the credential', async t => {
    const here = await rig(t, pairing, { proxy: PROTECTED })
    const call = await open(here, {
      extra: [
        ['x-api-key', KEY],
        ['x-other', 'stays'],
      ],
      endStream: true,
    })
    t.equal(field(call.headers, 'x-api-key'), undefined)
    t.equal(field(call.headers, 'x-other'), 'stays')
    answer(call)
    await answered(t, call)
  })

  t.test('who does not learns no more than that, and the session goes on', async t => {
    const here = await rig(t, pairing, { proxy: PROTECTED })
    for (const extra of [
      [],
      [['x-api-key', 'wrong']],
      [
        ['x-api-key', KEY],
        ['x-api-key', KEY],
      ],
    ] as const) {
      const id = here.client.request(requestFields(extra as never), { endStream: true })
      await refused(t, here.client, id, 16, 'the call has no valid credentials')
    }
    await goesOn(t, here)
  })

  t.test('faults: a call may be ended, or wait, and other calls of the route go on', async t => {
    const faults = {
      delay: { ms: 60_000, share: 1, metadata: { 'x-fault': 'wait' } },
      abort: { status: 'DATA_LOSS', share: 1, metadata: { 'x-fault': 'end' } },
    } as const
    const here = await rig(t, pairing, { proxy: { allowFaults: true, routes: [{ backend: 'main', faults }] } })
    const ended = here.client.request(requestFields([['x-fault', 'end']]), { endStream: true })
    await refused(t, here.client, ended, 15, 'a fault injected by the proxy')
    const deadline = [
      ['x-fault', 'wait'],
      ['grpc-timeout', '20m'],
    ] as const
    const late = here.client.request(requestFields(deadline as never), { endStream: true })
    await refused(t, here.client, late, 4, 'deadline exceeded at the proxy')
    const left = here.client.request(requestFields([['x-fault', 'wait']]), { endStream: true })
    here.client.rst(left, Code.CANCEL)
    await goesOn(t, here)
    t.equal(here.proxy.counts().calls, 0, 'who left does not wait')
  })

  t.test('a call above the rate is told when there is room', async t => {
    const here = await rig(t, pairing, { proxy: PROTECTED })
    const path = '/slow/Method'
    const first = await open(here, { extra: [['x-api-key', KEY]], path, endStream: true })
    answer(first)
    await answered(t, first)
    const id = here.client.request(requestFields([['x-api-key', KEY]], path), { endStream: true })
    const [only] = await here.client.ended(id)
    t.equal(field(only, 'grpc-status'), '8')
    t.equal(field(only, 'x-grpc-verbatim-error'), 'rate-limited')
    const pushbackMs = Number(field(only, 'grpc-retry-pushback-ms'))
    t.ok(pushbackMs > 400_000 && pushbackMs <= 500_000, String(pushbackMs))
    await goesOn(t, here)
  })

  t.test('a gate of code before every call, and what it notes', async t => {
    const here = await rig(t, pairing, {
      proxy: {
        require: [
          next => call => {
            if (call.method === 'Denied') throw new GrpcError('PERMISSION_DENIED', 'not this one')
            call.notes.identity = { name: call.metadata.get('x-tenant') ?? '', by: 'test' }
            return next(call)
          },
        ],
        director: call => ({ backend: 'main', metadata: { 'x-seen': call.notes.identity?.name ?? 'nobody' } }),
      },
    })
    const call = await open(here, { extra: [['x-tenant', 'acme']], endStream: true })
    t.equal(field(call.headers, 'x-seen'), 'acme')
    answer(call)
    await answered(t, call)
    const id = here.client.request(requestFields([], '/pkg.Service/Denied'), { endStream: true })
    await refused(t, here.client, id, 7, 'not this one')
  })

  t.test('a limit of calls at a time: a place is free however a call ends', async t => {
    const here = await rig(t, pairing, {
      proxy: {
        gates: {
          few: { concurrency: { max: 1, key: 'service', retryAfterMs: 10 } },
          fair: { concurrency: { max: 2 } },
        },
        require: ['fair', 'few'],
        routes: [{ match: { service: 'denied' }, deny: 'NOT_FOUND' }, { backend: 'main' }],
      },
    })
    const first = await open(here)
    const id = here.client.request(requestFields(), { endStream: true })
    const [only] = await here.client.ended(id)
    t.equal(field(only, 'grpc-status'), '8')
    const pushbackMs = Number(field(only, 'grpc-retry-pushback-ms'))
    t.ok(pushbackMs >= 5 && pushbackMs <= 15, String(pushbackMs))
    answer(first)
    await answered(t, first)
    // The client has not ended its request: the call is over when it does, or when it resets.
    here.client.rst(first.id, Code.CANCEL)
    await here.client.roundTrip()
    const cancelled = await open(here)
    here.client.rst(cancelled.id, Code.CANCEL)
    await here.client.roundTrip()
    const broken = await open(here, { endStream: true })
    broken.backend.rst(broken.backendId, Code.INTERNAL_ERROR)
    await refused(t, here.client, broken.id, 13)
    for (let i = 0; i < 3; i++) {
      const denied = here.client.request(requestFields([], '/denied/Method'), { endStream: true })
      await refused(t, here.client, denied, 5)
    }
    await goesOn(t, here)
  })

  t.test('a client that leaves while a gate waits: nothing reaches the backend', async t => {
    let entered = (): void => {}
    const inside = new Promise<void>(resolve => {
      entered = resolve
    })
    const gone = Promise.withResolvers<void>()
    const here = await rig(t, pairing, {
      proxy: {
        require: next => async call => {
          if (call.service === 'after') return next(call)
          call.signal.addEventListener('abort', () => gone.resolve())
          entered()
          await gone.promise
          return next(call)
        },
      },
    })
    const id = here.client.request(requestFields())
    await inside
    here.client.rst(id, Code.CANCEL)
    await gone.promise
    await goesOn(t, here)
  })
}
