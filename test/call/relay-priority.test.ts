/** Whose word it is how important a call is: the route's, else the client's where it may say it, else nobody's. */
import t from 'tap'
import type { CallPriority } from '../../src/routing/director.ts'
import { block } from '../support/fake-transport.ts'
import { CallRig, ownAnswer, request } from './rig.ts'

const TOLD = { maxCalls: 2, timeoutMs: 5_000, priority: { metadata: 'x-priority', shedAt: 0 } }
const UNTOLD = { ...TOLD, priority: { shedAt: 0 } }

interface Case {
  readonly what: string
  readonly queue?: typeof TOLD | typeof UNTOLD
  readonly route?: unknown
  readonly said?: readonly string[]
  readonly sheds: boolean
}

const CASES: readonly Case[] = [
  { what: 'nobody says anything', sheds: false },
  { what: 'the client says it', said: ['sheddable'], sheds: true },
  { what: 'the client says it, and its word does not count', queue: UNTOLD, said: ['sheddable'], sheds: false },
  { what: 'the client says something that is unknown', said: ['Sheddable '], sheds: false },
  { what: 'the client says it twice', said: ['sheddable', 'sheddable'], sheds: false },
  { what: 'the route says it', queue: UNTOLD, route: 'sheddable', sheds: true },
  { what: 'the route says it, and the client something else', route: 'sheddable', said: ['critical'], sheds: true },
  { what: 'the client says it, and the route something else', route: 'default', said: ['sheddable'], sheds: false },
  { what: 'a director says what is no priority', route: { toString: () => 'sheddable' }, sheds: false },
]

for (const { what, queue = TOLD, route, said = [], sheds } of CASES) {
  t.test(what, async t => {
    const director = () => ({ backend: 'main', priority: route as CallPriority })
    const rig = new CallRig({ cold: true, queue, director })
    const { down } = rig.open([...request(), ...block(said.map(value => ['x-priority', value] as const))], true)
    t.equal(ownAnswer(down)?.token, sheds ? 'shed' : undefined)
    if (sheds) t.match(ownAnswer(down), { status: '14', message: 'the call gave way to more important ones' })
    t.equal(rig.backend.waiting, sheds ? 0 : 1)
  })
}

t.test('what the client said goes on to the backend', async t => {
  const rig = new CallRig({ queue: TOLD })
  rig.open(request({ 'x-priority': 'critical' }), true)
  t.match(rig.up.sent[0], { kind: 'headers' })
  const [sent] = rig.up.sent
  t.ok(sent?.kind === 'headers' && sent.block.some(({ name, value }) => name === 'x-priority' && value === 'critical'))
})
