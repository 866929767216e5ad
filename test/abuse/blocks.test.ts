/** Header blocks that are too long, never end, or grow when they are decoded. */
import t, { type Test } from 'tap'
import { field, message, RESPONSE, refused, requestFields, TRAILERS } from '../contract/rig.ts'
import { Code, Flag, FrameType, writeFrame } from '../support/frames.ts'
import { type Field, HpackEncoder } from '../support/hpack.ts'
import type { RawClient } from '../support/raw-client.ts'
import { idle } from '../support/until.ts'
import { type Attacker, attacker, type Limits, leftAlone, lost, type Scene, scene, served, untouched } from './scene.ts'

interface Attack {
  readonly what: string
  readonly token: string
  readonly limits?: Limits
  readonly act: (client: RawClient) => void
  /** The same a little less. */
  readonly below: (client: RawClient) => void
}

const CONTINUATIONS = 4

/** HEADERS without END_HEADERS, then these CONTINUATIONs, none of them the last. */
function unended(client: RawClient, head: Buffer, ...rest: readonly Buffer[]): void {
  const streamId = client.newStreamId()
  const frames = [head, ...rest].map((payload, at) =>
    writeFrame({ type: at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION, flags: 0, streamId, payload }),
  )
  client.raw(Buffer.concat(frames))
}

/** A request in so many CONTINUATIONs after its HEADERS. */
function inPieces(client: RawClient, continuations: number): void {
  const block = client.encoder.encode(requestFields([], '/attack/Pieces'))
  client.headerBlock(client.newStreamId(), block, { split: Math.ceil(block.length / (continuations + 1)) })
}

/** Each field once, with a value of so many bytes. */
const large = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, at): Field => [`x-${at}`, 'v'.repeat(bytes)])

const EMPTY = Buffer.alloc(0)
const FULL = Buffer.alloc(16_384)

const ATTACKS: readonly Attack[] = [
  {
    what: 'a CONTINUATION flood (CVE-2024-28182)',
    token: 'too-many-continuations',
    limits: { maxContinuations: CONTINUATIONS },
    act: client => unended(client, EMPTY, ...Array.from({ length: 100 }, () => Buffer.alloc(1))),
    below: client => inPieces(client, CONTINUATIONS),
  },
  {
    what: 'one CONTINUATION more than allowed, and the block is whole',
    token: 'too-many-continuations',
    limits: { maxContinuations: CONTINUATIONS },
    act: client => inPieces(client, CONTINUATIONS + 1),
    below: client => inPieces(client, CONTINUATIONS),
  },
  {
    what: 'empty CONTINUATIONs',
    token: 'empty-continuations',
    act: client => unended(client, EMPTY, EMPTY, EMPTY),
    below: client => {
      const streamId = client.newStreamId()
      const block = client.encoder.encode(requestFields([], '/attack/Empty'))
      client.frame({ type: FrameType.HEADERS, flags: 0, streamId, payload: block })
      client.frame({ type: FrameType.CONTINUATION, flags: 0, streamId, payload: EMPTY })
      client.frame({ type: FrameType.CONTINUATION, flags: Flag.END_HEADERS, streamId, payload: EMPTY })
    },
  },
  {
    what: 'a header block of more than 256 KiB, where that is the limit',
    token: 'header-block-too-large',
    limits: { maxHeaderBlockBytes: 262_144 },
    act: client => unended(client, FULL, ...Array.from({ length: 16 }, () => FULL)),
    // Above what a call may have, and below what costs the connection.
    below: client => client.request(requestFields(large(4, 60_000), '/attack/Large')),
  },
]

for (const { what, token, limits, act, below } of ATTACKS) {
  t.test(`${what}: costs the connection`, async t => {
    const here = await scene(t, limits)
    const client = await attacker(t, here)
    act(client)
    await lost(t, here, client, client.address, { token })
    await untouched(t, here)
    await idle(here.proxy)
  })

  t.test(`${what}: a little less does not`, async t => {
    const here = await scene(t, limits)
    const client = await attacker(t, here)
    below(client)
    await leftAlone(t, here, client, token)
  })
}

/** What fails by being decoded: its call only, as HPACK's state is still in step (protocol.md, "Headers"). */
interface Bomb {
  readonly what: string
  readonly limits?: Limits
  /** Fields of the bomb, the first of which is in the dynamic table already. */
  readonly fields: readonly Field[]
  /** As many as are let through, with one more field. */
  readonly below: readonly Field[]
}

/** One entry that nearly fills the dynamic table of 4,096 bytes. */
const ENTRY: Field = ['x-bomb', 'v'.repeat(4_000), 'indexed']
const CRUMB: Field = ['cookie', 'a=1', 'indexed']
const times = (count: number, field: Field) => Array.from({ length: count }, () => field)
/** Of `requestFields`. */
const USUAL = requestFields().length

const BOMBS: readonly Bomb[] = [
  {
    what: 'a header bomb: 10,000 references to one entry of 4,000 bytes',
    fields: times(10_000, ENTRY),
    below: times(15, ENTRY),
  },
  {
    what: 'a header bomb within the number of fields',
    limits: { maxHeaderFields: 65_536, maxHeaderListBytes: 20_000 },
    fields: times(5, ENTRY),
    below: times(4, ENTRY),
  },
  {
    what: 'cookie crumbs',
    limits: { maxHeaderFields: 50 },
    fields: times(51 - USUAL, CRUMB),
    below: times(49 - USUAL, CRUMB),
  },
  { what: 'as many cookie crumbs as a block holds', fields: times(16_000, CRUMB), below: times(100, CRUMB) },
]

/** Comes into the dynamic table by the bomb itself, where that is above the limit already. */
const AFTER: Field = ['x-after', 'k', 'indexed']

/** The proxy answers, and says why. */
async function tooLarge(t: Test, client: RawClient, id: number): Promise<void> {
  await refused(t, client, id, 8)
  t.equal(field(client.stream(id)[0], 'x-grpc-verbatim-error'), 'headers-too-large')
}

/** The refused request did not arrive; the next one refers to the same entries. */
async function costsItsCall(t: Test, here: Scene, client: Attacker, bomb: Bomb): Promise<void> {
  const kept = bomb.fields[0]!
  // Its own block first: it puts the entry into both tables.
  client.request(requestFields([kept], '/attack/Primed'))
  const seen = here.backend.requests.length
  const id = client.request(requestFields([...bomb.fields, AFTER], '/attack/Bomb'))
  await tooLarge(t, client, id)
  t.equal(here.proxy.violations()['header-list-too-large'], 1)
  t.same(here.lines, [], 'no line at warn: it is one call')
  client.request(requestFields([AFTER, ...bomb.below], '/attack/Below'))
  const { headers } = await here.backend.request(({ headers }) => field(headers, ':path') === '/attack/Below')
  const came = headers.fields.filter(({ name, value }) => name === kept[0] && value === kept[1])
  t.equal(came.length, bomb.below.length, 'decoded by the same table')
  t.equal(field(headers, AFTER[0]), AFTER[1], 'with what the bomb put there')
  const paths = here.backend.requests.slice(seen).map(({ headers }) => field(headers, ':path'))
  t.notOk(paths.includes('/attack/Bomb'), 'not forwarded')
  await served(t, here.backend, client, '/after/Bomb')
}

for (const bomb of BOMBS) {
  t.test(`${bomb.what}: costs its call, and HPACK's state goes on`, async t => {
    const here = await scene(t, bomb.limits)
    const client = await attacker(t, here)
    await costsItsCall(t, here, client, bomb)
    await untouched(t, here, 2)
    await client.close()
    await idle(here.proxy)
  })

  t.test(`${bomb.what}, again and again: costs the connection`, async t => {
    const here = await scene(t, { ...bomb.limits, floods: { maxResets: { burst: 5, perSecond: 1 } } })
    const client = await attacker(t, here)
    // Bytes that stay the same once the entry is in the table.
    const encoder = new HpackEncoder()
    for (let i = 0; i < 50; i++)
      client.headerBlock(client.newStreamId(), encoder.encode(requestFields(bomb.fields, '/attack/Bomb')))
    await lost(t, here, client, client.address, { token: 'reset-flood' })
    await untouched(t, here)
    await idle(here.proxy)
  })
}

/** A Python backend sends that many with one call: `grpc-status-details-bin`. */
const HUGE: Field = ['x-details-bin', 'QUJD'.repeat(75_000)]
/** Of the same block, behind what is dropped. */
const BEHIND: Field = ['x-behind', 'kept in the table', 'indexed']

/** A call of the attacker, on the neighbour's session. */
async function call(here: Scene, client: RawClient, path: string) {
  const id = client.request(requestFields([], path), { endStream: true })
  const came = await here.backend.request(({ headers }) => field(headers, ':path') === path)
  return { id, backend: came.connection, backendId: came.streamId }
}

t.test('a request of 300 KB costs its call, and HPACK goes on', async t => {
  const here = await scene(t)
  const client = await attacker(t, here)
  const id = client.request(requestFields([HUGE, BEHIND], '/attack/Huge'))
  await tooLarge(t, client, id)
  client.request(requestFields([BEHIND], '/attack/After'))
  const { headers } = await here.backend.request(({ headers }) => field(headers, ':path') === '/attack/After')
  t.equal(field(headers, BEHIND[0]), BEHIND[1])
  await untouched(t, here, 2)
})

t.test('response headers of 300 KB cost their call, and HPACK goes on', async t => {
  const here = await scene(t)
  const client = await attacker(t, here)
  for (const endStream of [false, true]) {
    const { id, backend, backendId } = await call(here, client, `/attack/${endStream}`)
    backend.headers(backendId, [...RESPONSE, HUGE, BEHIND], { endStream })
    await tooLarge(t, client, id)
  }
  const { id, backend, backendId } = await call(here, client, '/attack/After')
  backend.headers(backendId, [...RESPONSE, ...TRAILERS, BEHIND], { endStream: true })
  const [answer] = await client.ended(id)
  t.equal(field(answer, BEHIND[0]), BEHIND[1])
  t.equal(here.proxy.violations()['header-list-too-large'], 2)
  await untouched(t, here, 2)
})

t.test(
  'trailers of 300 KB (grpc-status-details-bin of grpc-python) cost their call, which is not sent again',
  async t => {
    const here = await scene(t)
    const client = await attacker(t, here)
    const { id, backend, backendId } = await call(here, client, '/attack/Trailers')
    backend.headers(backendId, RESPONSE)
    backend.data(backendId, message('hello'))
    backend.headers(backendId, [['grpc-status', '3'], HUGE], { endStream: true })
    const came = await client.ended(id)
    t.ok(client.body(id).equals(message('hello')))
    const last = came.at(-1)
    if (last?.kind === 'rst') t.equal(last.code, Code.ENHANCE_YOUR_CALM)
    else t.equal(field(last, 'grpc-status'), '8')
    const paths = here.backend.requests.map(({ headers }) => field(headers, ':path'))
    t.equal(paths.filter(path => path === '/attack/Trailers').length, 1)
    await served(t, here.backend, client, '/attack/After')
    await untouched(t, here, 2)
  },
)
