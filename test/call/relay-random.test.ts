/** Whatever happens in whatever order: a call ends once, loses no byte, and leaves nothing behind. */
import fc from 'fast-check'
import t from 'tap'
import type { Target } from '../../src/routing/director.ts'
import { type CallPolicy, definePolicy } from '../../src/routing/policy.ts'
import { block, type FakeStream } from '../support/fake-transport.ts'
import { FakeTurn } from '../support/fake-turn.ts'
import { CallRig, CLIENT_CANCELS, lost, RESPONSE, request, resetByPeer, TRAILERS } from './rig.ts'

const EVENTS = [
  ...['client data', 'client data', 'client data', 'client end', 'client empty end', 'client trailers'],
  ...['client resets', 'client is lost', 'client is slow', 'client is quick', 'client side settles'],
  ...['director answers', 'director fails', 'session ready', 'connect fails', 'no streams', 'streams', 'GOAWAY'],
  ...['interim', 'response headers', 'response headers', 'Trailers-Only', 'response data', 'response data'],
  ...['UNAVAILABLE alone', 'UNAVAILABLE alone', 'pushback', 'no more', 'another attempt', 'another attempt'],
  ...['response end', 'response trailers', 'backend resets', 'backend refuses', 'backend refuses', 'backend is lost'],
  ...['backend never saw it', 'backend is slow', 'backend is quick', 'backend side settles'],
  ...['a little time', 'a long time', 'abort'],
] as const
type Event = (typeof EVENTS)[number]

const UNAVAILABLE = block({ ':status': '200', 'grpc-status': '14' })
const PUSHBACK = block({ ':status': '200', 'grpc-status': '14', 'grpc-retry-pushback-ms': '20' })
const NO_MORE = block({ ':status': '200', 'grpc-status': '14', 'grpc-retry-pushback-ms': '-1' })

const POLICIES = [
  undefined,
  definePolicy({ retry: { maxAttempts: 4, codes: ['UNAVAILABLE', 'INTERNAL'], perAttemptTimeoutMs: 1_000 } }),
  definePolicy({ timeoutMs: 2_000, responseHeadersTimeoutMs: 500, retry: {} }),
  definePolicy({ idleTimeoutMs: 2_000, retry: {} }),
  definePolicy({ hedge: { delayMs: 20, maxAttempts: 3, nonFatalCodes: ['UNAVAILABLE', 'INTERNAL'] } }),
  definePolicy({ idleTimeoutMs: 2_000, timeoutMs: 4_000, hedge: { delayMs: 0, maxAttempts: 5 } }),
]

class Play {
  readonly rig: CallRig
  readonly down: FakeStream
  readonly abort: () => void
  #answer: { ok: (target: Target) => void; ko: (error: unknown) => void } | undefined
  /** All that the client sent. */
  sent = ''
  /** All that the attempts which answered sent. */
  answered = ''
  /** Of which upstream streams response headers came. */
  readonly #responding = new Set<FakeStream>()
  /** … which were the whole response. */
  readonly #alone = new Set<FakeStream>()
  #piece = 0
  readonly #target: Target
  /** A hedged call begins attempts while its own data is being given to others: sessions come at the end of the turn. */
  readonly #loop = new FakeTurn()
  /** Attempts at a time. */
  mostOpen = 0
  /** Which of the attempts that are open plays. */
  #turn = 0

  constructor(patient: boolean, cold: boolean, timeout: string | undefined, policy: CallPolicy | undefined) {
    this.#target = { backend: 'main', policy }
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: a promise that settles within the turn
      then: (ok: (target: Target) => void, ko: (error: unknown) => void) => {
        this.#answer = { ok, ko }
      },
    }
    this.rig = new CallRig({
      cold,
      replayBytes: 12,
      ...(policy?.hedge && { turn: this.#loop }),
      director: () => (patient ? (thenable as never) : this.#target),
    })
    const { down, relay } = this.rig.open(request(timeout === undefined ? {} : { 'grpc-timeout': timeout }))
    this.down = down
    this.turnEnds()
    this.abort = () => relay.abort()
  }

  get #clientSends(): boolean {
    return this.down.ended === undefined && !this.down.endReceived
  }

  /** The backend's stream that plays; the last one, if none is open. */
  get #last(): FakeStream | undefined {
    const open = this.rig.ups.filter(up => !up.over && !up.endReceived)
    return open[this.#turn % open.length] ?? this.rig.ups.at(-1)
  }

  /** The same as long as its peer may send on it. */
  get #up(): FakeStream | undefined {
    const up = this.#last
    return up === undefined || up.over || up.endReceived ? undefined : up
  }

  #text(): string {
    return `<${this.#piece++}${'.'.repeat(this.#piece % 5)}>`
  }

  #clientData(text: string, endStream: boolean): void {
    if (!this.#clientSends) return
    this.sent += text
    this.down.data(text, endStream)
  }

  #responseData(text: string, endStream: boolean): void {
    const up = this.#up
    if (up === undefined || !this.#responding.has(up)) return
    this.answered += text
    up.data(text, endStream)
  }

  #responseHeaders(endStream: boolean, fields = endStream ? TRAILERS : RESPONSE): void {
    const up = this.#up
    if (up === undefined || this.#responding.has(up)) return
    this.#responding.add(up)
    if (endStream) this.#alone.add(up)
    up.headers(fields, endStream)
  }

  #closeUp(end: Parameters<FakeStream['close']>[0]): void {
    const up = this.#last
    if (up !== undefined && up.ended === undefined && !(up.endSent && up.endReceived)) up.close(end)
  }

  readonly play: Record<Event, () => void> = {
    'client data': () => this.#clientData(this.#text(), false),
    'client end': () => this.#clientData(this.#text(), true),
    'client empty end': () => this.#clientData('', true),
    'client trailers': () => this.#clientSends && this.down.trailers(block({ x: '1' })),
    'client resets': () => this.down.ended === undefined && this.down.close(CLIENT_CANCELS),
    'client is lost': () => this.down.ended === undefined && this.down.close(lost()),
    'client is slow': () => {
      this.down.writable = false
    },
    'client is quick': () => this.down.ended === undefined && !this.down.writable && this.down.drained(),
    'client side settles': () => this.down.settle(),
    'director answers': () => {
      this.#answer?.ok(this.#target)
      this.#answer = undefined
    },
    'director fails': () => {
      this.#answer?.ko(new Error('no'))
      this.#answer = undefined
    },
    'session ready': () => this.rig.backend.endpoints[0]!.state === 'connecting' && this.rig.session.ready(),
    'connect fails': () => this.rig.backend.endpoints[0]!.state === 'connecting' && this.rig.session.closed('no'),
    'no streams': () => this.rig.backend.endpoints[0]!.state === 'ready' && this.rig.session.settings(0),
    streams: () => this.rig.backend.endpoints[0]!.state === 'ready' && this.rig.session.settings(9),
    GOAWAY: () => this.rig.backend.endpoints[0]!.state === 'ready' && this.rig.session.goaway(),
    interim: () => {
      const up = this.#up
      if (up !== undefined && !this.#responding.has(up)) up.headers(block({ ':status': '103' }))
    },
    'response headers': () => this.#responseHeaders(false),
    'Trailers-Only': () => this.#responseHeaders(true),
    'UNAVAILABLE alone': () => this.#responseHeaders(true, UNAVAILABLE),
    pushback: () => this.#responseHeaders(true, PUSHBACK),
    'no more': () => this.#responseHeaders(true, NO_MORE),
    'response data': () => this.#responseData(this.#text(), false),
    'response end': () => this.#responseData('', true),
    'response trailers': () => {
      const up = this.#up
      if (up !== undefined && this.#responding.has(up)) up.trailers(TRAILERS)
    },
    'backend resets': () => this.#closeUp(resetByPeer(2)),
    'backend refuses': () => this.#closeUp(resetByPeer(7)),
    'backend is lost': () => this.#closeUp(lost()),
    'backend never saw it': () => this.#closeUp(lost(true)),
    'backend is slow': () => {
      const up = this.#last
      if (up !== undefined) up.writable = false
    },
    'backend is quick': () => {
      const up = this.#last
      if (up !== undefined && up.ended === undefined && !up.writable) up.drained()
    },
    'backend side settles': () => this.#last?.settle(),
    'another attempt': () => {
      this.#turn++
    },
    'a little time': () => this.rig.clock.advance(30),
    'a long time': () => this.rig.clock.advance(3_000),
    abort: () => this.abort(),
  }

  turnEnds(): void {
    while (this.#loop.waits) this.#loop.end()
  }

  /** True after every event. @throws saying what is not */
  check(): void {
    const { down, rig } = this
    const misuse = [down, ...rig.ups].flatMap(stream => stream.misuse)
    if (misuse.length > 0) throw new Error(misuse.join('; '))
    const open = rig.ups.filter(up => !up.over && !(up.endSent && up.endReceived))
    const most = this.#target.policy?.hedge?.maxAttempts ?? 1
    this.mostOpen = Math.max(this.mostOpen, open.length)
    if (open.length > most) throw new Error(`${open.length} attempts at a time`)
    for (const up of rig.ups) {
      if (!this.sent.startsWith(up.body)) throw new Error('a backend has what nobody sent')
      if (!up.over && down.ended === undefined && up.body !== this.sent)
        throw new Error(`the backend has ${up.body} of ${this.sent}`)
    }
    if (down.ended === undefined && open.some(up => up.writable) && down.released !== down.received)
      throw new Error('request window kept')
    const answering = rig.ups.filter(up => this.#responding.has(up) && !this.#alone.has(up) && !up.over)
    if (answering.length > 1) throw new Error('two attempts answer')
    const [up] = answering
    if (up !== undefined && !down.over) {
      if (down.body !== this.answered) throw new Error(`the client has ${down.body} of ${this.answered}`)
      if (down.writable && up.released !== up.received) throw new Error('response window kept')
    }
    if (!this.answered.startsWith(down.body)) throw new Error('the client has what nobody sent')
    const { retries, hedges } = rig.backend.shared
    if (down.ended !== undefined && retries + hedges > 0) throw new Error('it is still sent again')
    const over = down.ended === undefined ? 0 : 1
    if (rig.records.length !== over || rig.over !== over) throw new Error(`${rig.records.length} records`)
    if (rig.context.live.size !== 1 - over) throw new Error('live')
  }

  /** The peers do what they must, and time passes. */
  finish(): void {
    this.down.settle()
    this.check()
    this.play['client is lost']()
    this.rig.clock.advance(10_000)
    this.turnEnds()
    for (const up of this.rig.ups) up.settle()
    this.turnEnds()
    this.check()
    const { live, waiting, timers, open } = this.rig.left as Record<string, number>
    if (live! + waiting! + timers! + open! > 0) throw new Error(`left: ${JSON.stringify(this.rig.left)}`)
    this.rig.backend.close()
    if (this.rig.clock.pending > 0) throw new Error('a timer is left')
  }
}

/** Ends that a record may tell of; anything else was made up. */
const REASONS =
  /^(|deadline|director-failed|unreachable|queue-timeout|shutting-down|upstream-(reset|lost|refused)|idle-timeout|attempt-timeout|response-headers-timeout|reset-CANCEL|disconnected)$/

t.test('random interleavings', async t => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom(undefined, undefined, '50m', '20S'),
      fc.constantFrom(...POLICIES),
      fc.array(fc.constantFrom(...EVENTS), { minLength: 1, maxLength: 40 }),
      (patient, cold, timeout, policy, events) => {
        const play = new Play(patient, cold, timeout, policy)
        play.check()
        for (const event of events) {
          play.play[event]()
          play.turnEnds()
          play.check()
        }
        play.finish()
        const { endedBy, reason, status, retries } = play.rig.record
        const end = `${endedBy} ${reason}${retries > 0 ? ' after a retry' : ''}`
        seen.set(end, (seen.get(end) ?? 0) + 1)
        if (play.mostOpen > 2 && status === 0) seen.set('OK of one of several', 1)
        if (!REASONS.test(reason)) throw new Error(`reason ${reason}`)
        if ((reason === '') !== (endedBy === 'backend' && !reason.startsWith('upstream'))) throw new Error(end)
        if (endedBy === 'client' && status !== 1) throw new Error(`status ${status}`)
        if (status === 0 && endedBy !== 'backend') throw new Error('OK without a backend')
      },
    ),
    { numRuns: 8_000 },
  )
  for (const end of [
    'backend ',
    'backend  after a retry',
    'proxy deadline',
    'client disconnected',
    'backend upstream-lost',
    'proxy idle-timeout',
    'OK of one of several',
  ]) {
    t.ok(seen.has(end), `met: ${end}`)
  }
  t.comment([...seen].map(([end, times]) => `${times} × ${end}`).sort())
})
