/** `grpc-timeout`: PROTOCOL-HTTP2.md "Timeout", protocol.md "Deadlines". */
import type { Test } from 'tap'
import { Code } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import type { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import {
  arrived,
  broken,
  type Call,
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

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  H: 3_600_000_000_000n,
  M: 60_000_000_000n,
  S: 1_000_000_000n,
  m: 1_000_000n,
  u: 1_000n,
  n: 1n,
}
const inNanoseconds = (text: string) => BigInt(text.slice(0, -1)) * NANOSECONDS[text.at(-1)!]!

const timeout = (value: string): Field => ['grpc-timeout', value]

/** One of them leaves the time for what is to come first, however busy the machine is. */
const SHORT = ['200m', '2S', '20S']

const isOver = (client: RawClient, id: number) =>
  client.stream(id).some(item => item.kind === 'rst' || ('endStream' in item && item.endStream))

/** A call that the backend has before its deadline, which is soon. */
async function inTime(here: Rig): Promise<Call> {
  const { client, backend } = here
  for (const value of SHORT) {
    const before = backend.requests.length
    const id = client.request(requestFields([timeout(value)]))
    await until('it is there, or it is over', () => backend.requests.length > before || isOver(client, id))
    if (backend.requests.length > before) return arrived(here, id)
  }
  throw new Error('no deadline left the time to reach the backend')
}

export function deadlines(t: Test, pairing: Pairing): void {
  for (const value of ['1H', '60M', '100S', '00000100S', '100000m', '99999999u', '99999999H', '99999999S']) {
    t.test(`grpc-timeout ${value}: what is forwarded is no more, in at most 8 digits`, async t => {
      const extra = [timeout(value), ['x-after', '1']] as const
      const call = await open(await rig(t, pairing), { extra })
      const forwarded = field(call.headers, 'grpc-timeout') ?? ''
      t.match(forwarded, /^[0-9]{1,8}[HMSmun]$/)
      t.ok(inNanoseconds(forwarded) <= inNanoseconds(value), `${forwarded} is no more than ${value}`)
      // Nobody's machine takes an hour or half of the time for this.
      t.ok(inNanoseconds(forwarded) * 2n > inNanoseconds(value), `${forwarded} is about ${value}`)
      const names = requestFields(extra).map(([name]) => name)
      t.same(
        call.headers.fields.map(({ name }) => name),
        names,
        'in its place',
      )
    })
  }

  t.test('no grpc-timeout: none is made', async t => {
    const call = await open(await rig(t, pairing))
    t.same(pairs(call.headers.fields), requestFields())
  })

  for (const added of [{}, { addMetadata: { 'x-added': '1' } }]) {
    t.test(
      `the time of a route: one grpc-timeout for each call, beside what ${added.addMetadata ? 'is added' : 'came'}`,
      async t => {
        const routes = [{ backend: 'main', timeoutMs: 3_600_000, ...added }]
        const here = await rig(t, pairing, { proxy: { routes } })
        // The second and the third find what was encoded for the first.
        for (let i = 0; i < 3; i++) {
          const call = await open(here)
          const sent = [...call.headers.fields].sort(
            (a, b) => Number(a.name === 'grpc-timeout') - Number(b.name === 'grpc-timeout'),
          )
          const more: Field[] = added.addMetadata ? [['x-added', '1']] : []
          t.same(pairs(sent.slice(0, -1)), [...requestFields(), ...more])
          const { name, value } = sent.at(-1)!
          t.equal(name, 'grpc-timeout')
          t.match(value, /^[0-9]{1,8}[HMSmun]$/)
          const left = inNanoseconds(value)
          t.ok(left <= inNanoseconds('3600S') && left > inNanoseconds('1800S'), value)
        }
        await goesOn(t, here)
      },
    )
  }

  t.test('the deadline passes before a response: DEADLINE_EXCEEDED, and CANCEL to the backend', async t => {
    const here = await rig(t, pairing)
    const call = await inTime(here)
    await refused(t, call.client, call.id, 4)
    t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
    neverEnded(t, call.backend, call.backendId)
    await goesOn(t, here)
  })

  t.test('the deadline passes after response headers: DEADLINE_EXCEEDED in trailers, and CANCEL', async t => {
    const here = await rig(t, pairing)
    const answered = async (value: string): Promise<Call | undefined> => {
      const call = await open(here, { extra: [timeout(value)], endStream: true })
      call.backend.headers(call.backendId, RESPONSE)
      // Where the deadline came first this is the proxy's whole answer.
      return (await call.client.next('headers', call.id)).endStream ? undefined : call
    }
    const call = (await answered('500m')) ?? (await answered('20S'))
    if (call === undefined) return t.fail('no deadline left the time for a response')
    await broken(t, call, 4, 'deadline')
    t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
    await goesOn(t, here)
  })

  t.test('the deadline passes while the backend is not there yet: DEADLINE_EXCEEDED', async t => {
    const here = await rig(t, pairing, { backend: { greet: false } })
    const id = here.client.request(requestFields([timeout('50m')]))
    const connection = await here.backend.connection()
    await refused(t, here.client, id, 4)
    connection.greet()
    await goesOn(t, here)
    t.equal(here.backend.requests.length, 1, 'the late call never came')
  })

  for (const value of ['0S', '0n', '1n']) {
    t.test(`grpc-timeout ${value} is over before it began: DEADLINE_EXCEEDED`, async t => {
      const here = await rig(t, pairing)
      await refused(t, here.client, here.client.request(requestFields([timeout(value)]), { endStream: true }), 4)
    })
  }

  // grpc-go answers INTERNAL "malformed grpc-timeout"; protocol.md: nothing is forwarded.
  for (const value of ['', '5', 'S', '5x', '5s', '123456789S', '-5S', '+5S', '1.5S', '5 S', '5SS', '0x5S']) {
    t.test(`grpc-timeout ${JSON.stringify(value)} is malformed: INTERNAL, nothing is forwarded`, async t => {
      const here = await rig(t, pairing)
      await refused(t, here.client, here.client.request(requestFields([timeout(value)])), 13)
      await goesOn(t, here)
      t.equal(here.backend.requests.length, 1)
    })
  }
}
