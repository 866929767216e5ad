/** The health service by itself, on a clock that stands still: who is told what, how often, and what it keeps. */
import t from 'tap'
import { healthRequest, ServingStatus } from '../../src/grpc/health-message.ts'
import { prefixed } from '../../src/grpc/message.ts'
import { HealthService } from '../../src/rpc/health-service.ts'
import type { ClientSession, HeaderBlock, Stream, StreamEnd, StreamOwner } from '../../src/transport/transport.ts'
import { ErrorCode } from '../../src/wire/errors.ts'
import { FakeClock } from '../support/fake-clock.ts'

const { SERVING, NOT_SERVING } = ServingStatus

/** A call, as the service sees it, and all that it was told. */
class Call implements StreamOwner {
  waitingBytes = 0
  readonly consumer: object
  readonly statuses: number[] = []
  status: string | undefined
  overdue = 0
  end: StreamEnd | undefined
  stream!: Stream

  constructor(consumer: object) {
    this.consumer = consumer
  }

  onHeaders(block: HeaderBlock): void {
    this.#read(block)
  }

  onData(bytes: Buffer, _start: number, end: number): void {
    this.statuses.push(bytes[end - 1]!)
  }

  onTrailers(block: HeaderBlock): void {
    this.#read(block)
  }

  #read(block: HeaderBlock): void {
    this.status = block.find(({ name }) => name === 'grpc-status')?.value ?? this.status
  }

  onWritable(): void {}

  onOverdue(): void {
    this.overdue++
  }

  onClosed(end: StreamEnd): void {
    this.end = end
  }
}

function scene() {
  const clock = new FakeClock()
  const statuses = new Map<string, ServingStatus>([['', SERVING]])
  let computed = 0
  const service = new HealthService(name => {
    computed++
    return statuses.get(name)
  }, clock)
  const closed: string[] = []
  const session: ClientSession = service.connect(
    { name: 'the proxy' },
    { onReady() {}, onFree() {}, onDraining() {}, onSpent() {}, onSessionClosed: (_, reason) => closed.push(reason) },
  )
  const ask = async (method: string, name: string, client: object = {}): Promise<Call> => {
    const call = new Call(client)
    call.stream = session.open(call)
    const field = (name: string, value: string) => ({ name, value, neverIndexed: false })
    call.stream.sendHeaders([field(':path', `/grpc.health.v1.Health/${method}`)], false)
    const body = prefixed(healthRequest(name))
    call.stream.sendData(body, 0, body.length, true)
    await null
    return call
  }
  return { clock, statuses, service, session, ask, closed, computed: () => computed }
}

t.test('a status is computed ten times a second at most, however often it is asked for', async t => {
  const { ask, clock, computed, statuses } = scene()
  for (let i = 0; i < 50; i++) t.same((await ask('Check', '')).statuses, [SERVING])
  t.equal(computed(), 1)
  statuses.set('', NOT_SERVING)
  clock.advance(101)
  t.same((await ask('Check', '')).statuses, [NOT_SERVING])
})

t.test('names that nobody knows are not kept', async t => {
  const { ask, statuses } = scene()
  t.equal((await ask('Check', 'later')).status, '5')
  statuses.set('later', SERVING)
  t.same((await ask('Check', 'later')).statuses, [SERVING], 'at once')
})

t.test('a client that does not read holds one message, and gets the latest status then', async t => {
  const { ask, clock, statuses } = scene()
  const call = await ask('Watch', '')
  call.waitingBytes = 7
  for (const status of [NOT_SERVING, SERVING, NOT_SERVING]) {
    statuses.set('', status)
    clock.advance(1_000)
  }
  t.same(call.statuses, [SERVING])
  call.waitingBytes = 0
  clock.advance(1_000)
  t.same(call.statuses, [SERVING, NOT_SERVING])
  clock.advance(10_000)
  t.same(call.statuses, [SERVING, NOT_SERVING], 'only what changes is told')
})

t.test('one timer for all who watch, and none without them', async t => {
  const { ask, clock, computed } = scene()
  t.equal(clock.pending, 0)
  const calls = [await ask('Watch', ''), await ask('Watch', ''), await ask('Watch', '')]
  t.equal(clock.pending, 1)
  const before = computed()
  clock.advance(1_000)
  t.equal(computed(), before + 1, 'a service is looked at once for all')
  for (const { stream } of calls) stream.reset(ErrorCode.CANCEL)
  t.equal(clock.pending, 0)
})

t.test('so many watch in all; one that leaves makes room', async t => {
  const { ask } = scene()
  const calls: Call[] = []
  for (let i = 0; i < 16_384; i++) calls.push(await ask('Watch', ''))
  t.equal((await ask('Watch', '')).status, '8')
  calls[0]!.stream.reset(ErrorCode.CANCEL)
  t.same((await ask('Watch', '')).statuses, [SERVING])
})

t.test('a drain tells all; who has not read it after a second is given up', async t => {
  const { ask, clock, service } = scene()
  const [reads, deaf, unknown] = [await ask('Watch', ''), await ask('Watch', ''), await ask('Watch', 'nobody')]
  service.drain()
  deaf.waitingBytes = 14
  for (const call of [reads, deaf]) t.same([call.statuses, call.status], [[SERVING, NOT_SERVING], '14'])
  t.equal(unknown.statuses.at(-1), NOT_SERVING)
  t.same((await ask('Check', '')).statuses, [NOT_SERVING])
  t.equal((await ask('Check', 'nobody')).status, '5')
  t.equal((await ask('Watch', '')).status, '14')
  clock.advance(1_000)
  t.same([reads.overdue, deaf.overdue], [0, 1])
  t.same([reads.end, deaf.end], [{ kind: 'clean' }, { kind: 'clean' }])
  t.equal(clock.pending, 0)
})

t.test('a session that is retired ends with its last stream; one that is destroyed tells its streams', async t => {
  const { ask, session, closed } = scene()
  const call = await ask('Watch', '')
  session.retire()
  await null
  t.same([session.free, closed], [0, []])
  call.stream.reset(ErrorCode.CANCEL)
  await null
  await null
  t.same(closed, ['closed'])

  const other = scene()
  const lost = await other.ask('Watch', '')
  other.session.destroy('the end')
  await null
  t.match(lost.end, { kind: 'lost', reason: 'the end' })
  t.same(other.closed, ['the end'])
  t.equal(other.clock.pending, 0)
})
