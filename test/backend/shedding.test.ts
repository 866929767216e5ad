/** Which calls give way when many wait: sheddable ones first, and never because of what another client says of its own. */
import fc from 'fast-check'
import t from 'tap'
import { CRITICAL, DEFAULT, SHEDDABLE } from '../../src/backend/call-priority.ts'
import { Client } from '../../src/backend/client-share.ts'
import { BackendRig, type Call, QUEUE_TIMEOUT_MS } from './rig.ts'

const finish = { kind: 'clean' } as const

/** All streams are taken by calls that do not end; each call that comes waits. */
function fullRig(maxCalls: number, shedAt?: number): BackendRig {
  const priority = shedAt === undefined ? undefined : { shedAt }
  const rig = new BackendRig({
    sessions: { reserve: 0 },
    queue: { maxCalls, timeoutMs: QUEUE_TIMEOUT_MS, priority },
  })
  rig.call(undefined, new Client())
  rig.session().ready(1)
  return rig
}

function whyOf(calls: readonly Call[]): (string | undefined)[] {
  return calls.map(({ failed }) => failed?.[0])
}

const waits = undefined

t.test('half of the queue is taken: sheddable calls do not wait, others do', async t => {
  const rig = fullRig(6)
  const client = new Client()
  const calls = [1, 2, 3, 4].map(() => rig.call(undefined, client, SHEDDABLE))
  t.same(whyOf(calls), [waits, waits, waits, 'shed'])
  t.same(calls[3]!.failed, ['shed', '3 of 6 calls wait already'])
  t.same(whyOf([rig.call(undefined, client), rig.call(undefined, client, CRITICAL)]), [waits, waits])
})

t.test('how long the queue is when they do not wait is configured', async t => {
  for (const [shedAt, most] of [
    [0, 0],
    [0.3, 3],
    [1, 10],
  ] as const) {
    const rig = fullRig(10, shedAt)
    const client = new Client()
    const calls = Array.from({ length: 10 }, () => rig.call(undefined, client, SHEDDABLE))
    t.equal(rig.backend.waiting, most)
    t.same(calls.filter(({ failed }) => failed !== undefined).length, 10 - most)
  }
})

t.test(
  'the queue is full: of its own calls a client gives up the sheddable, then the usual ones, the last first',
  async t => {
    const rig = fullRig(4, 1)
    const client = new Client()
    const call = (name: string, priority: number) => rig.call(name, client, priority)
    const calls = [call('d1', DEFAULT), call('s1', SHEDDABLE), call('s2', SHEDDABLE), call('d2', DEFAULT)]
    const gone = () => calls.filter(({ failed }) => failed !== undefined).map(({ name }) => name)
    call('d3', DEFAULT)
    t.same(gone(), ['s2'])
    t.same(calls[2]!.failed, ['shed', 'a call of the same client that matters more took its place'])
    call('c1', CRITICAL)
    t.same(gone(), ['s1', 's2'])
    call('c2', CRITICAL)
    const [d3] = [call('d4', DEFAULT)]
    t.same(gone(), ['s1', 's2'], 'the last of the usual ones was d3')
    t.same(d3.failed, ['queue-full', '4 calls wait already'])
    call('c3', CRITICAL)
    call('c4', CRITICAL)
    t.same(gone(), ['d1', 's1', 's2', 'd2'])
    t.match(call('c5', CRITICAL).failed, ['queue-full'])
  },
)

t.test(
  'a loud client gives up a place to a quiet one: its sheddable call, though the quiet one is only usual',
  async t => {
    const rig = fullRig(4, 1)
    const [loud, quiet] = [new Client(), new Client()]
    const calls = [CRITICAL, SHEDDABLE, CRITICAL, CRITICAL].map(priority => rig.call(undefined, loud, priority))
    t.equal(rig.call(undefined, quiet).told, 0)
    t.same(whyOf(calls), [waits, 'client-share', waits, waits])
  },
)

t.test('a client whose calls are all critical fills the queue: the sheddable call of another waits', async t => {
  const rig = fullRig(10)
  const [loud, quiet] = [new Client(), new Client()]
  const critical = Array.from({ length: 10 }, () => rig.call(undefined, loud, CRITICAL))
  const sheddable = [1, 2, 3].map(() => rig.call(undefined, quiet, SHEDDABLE))
  t.same(whyOf(sheddable), [waits, waits, 'shed'], 'its part of half of the queue')
  t.equal(whyOf(critical).filter(why => why === 'client-share').length, 2)
})

t.test('priority changes no turn: who waits is served client by client, in the order of its calls', async t => {
  const rig = fullRig(10)
  const [one, other] = [new Client(), new Client()]
  rig.call('a1', one, SHEDDABLE)
  rig.call('a2', one, CRITICAL)
  rig.call('b1', other, CRITICAL)
  rig.call('b2', other, CRITICAL)
  while (rig.backend.waiting > 0) rig.session().opened.at(-1)!.close(finish)
  t.same(rig.served.slice(1), ['a1', 'b1', 'a2', 'b2'])
})

t.test('whatever a client says of its calls, the others get what they would have got', async t => {
  const CLIENTS = 4
  const steps = fc.array(
    fc.record({
      client: fc.nat(CLIENTS - 1),
      priority: fc.nat(2),
      claim: fc.constantFrom(DEFAULT, CRITICAL),
      ends: fc.nat(3),
    }),
    { minLength: 1, maxLength: 80, size: 'max' },
  )
  type Steps = typeof steps extends fc.Arbitrary<infer S> ? S : never
  let refused = 0
  /** @returns what became of the calls of all but the first client */
  const play = (all: Steps, claims: boolean) => {
    const rig = fullRig(8)
    const clients = Array.from({ length: CLIENTS }, () => new Client())
    const calls = all.map(({ client, priority, claim, ends }) => {
      const said = client > 0 ? priority : claims ? claim : DEFAULT
      const call = rig.call(undefined, clients[client]!, said)
      if (ends === 0) rig.session().opened.at(-1)!.close(finish)
      return { client, call }
    })
    while (rig.backend.waiting > 0) rig.session().opened.at(-1)!.close(finish)
    const others = calls.filter(({ client }) => client > 0).map(({ call }) => call)
    refused += others.filter(({ failed }) => failed !== undefined).length
    const served = rig.served.filter(name => others.some(other => other.name === name))
    return [others.map(({ failed }) => failed?.[0]), served]
  }
  fc.assert(
    fc.property(steps, all => {
      const [honest, claiming] = [play(all, false), play(all, true)]
      if (JSON.stringify(honest) !== JSON.stringify(claiming)) throw new Error('its claims changed what others got')
    }),
    { numRuns: 300 },
  )
  t.ok(refused > 1_000, `${refused} calls of the others gave way`)
})
