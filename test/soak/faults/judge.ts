/**
 * Is this end of a call legal for what was done to it? A call to which nothing was done must end with its
 * backend's status and every byte; anything else needs a mark, on the call or on the endpoint, that explains it.
 */
import { Code } from '../../support/frames.ts'
import type { Call, Outcome } from './call.ts'
import { LONG_DEADLINE_MS } from './plan.ts'

const DEADLINE_EXCEEDED = 4
const UNAVAILABLE = 14

/** PROTOCOL-HTTP2.md, "Errors": HTTP/2 code to gRPC status; 2 (UNKNOWN) for the rest. */
const STATUS_OF_CODE: Readonly<Record<number, number>> = {
  [Code.NO_ERROR]: 13,
  [Code.PROTOCOL_ERROR]: 13,
  [Code.INTERNAL_ERROR]: 13,
  [Code.FLOW_CONTROL_ERROR]: 13,
  [Code.SETTINGS_TIMEOUT]: 13,
  [Code.FRAME_SIZE_ERROR]: 13,
  [Code.REFUSED_STREAM]: 14,
  [Code.CANCEL]: 1,
  [Code.COMPRESSION_ERROR]: 13,
  [Code.CONNECT_ERROR]: 13,
  [Code.ENHANCE_YOUR_CALM]: 8,
  [Code.INADEQUATE_SECURITY]: 7,
}
const UNKNOWN = 2

/** What the proxy keeps of a request for a second try. */
const REPLAY_BYTES = 65_536

/** What happened to endpoints in the time of a call. */
export interface Times {
  /** A session of the endpoint with this port, else of any endpoint, died. */
  died(port: number | undefined): boolean
  /** Or said GOAWAY. */
  saidGoaway(port: number | undefined): boolean
  /** A session of any endpoint died or said GOAWAY: the proxy may know that a request was not processed that no backend saw. */
  readonly left: boolean
  readonly nativeUpstream: boolean
}

/** @returns what is wrong */
export function judge(call: Call, times: Times): string | undefined {
  const outcome = call.outcome!
  switch (outcome.kind) {
    case 'left':
      return call.has('left') ? undefined : 'the client left it without a reason'
    case 'lost':
      return "the proxy ended the client's connection"
    case 'no-trailers':
      if (!call.has('no-trailers')) return 'a response without trailers that the backend never sent'
      return whole(call)
    case 'status':
      return outcome.own === undefined ? backendStatus(call, outcome) : ownStatus(call, outcome, outcome.own, times)
    case 'reset':
      return reset(call, outcome, times)
  }
}

function whole(call: Call): string | undefined {
  if (call.downReceived === call.down.length) return undefined
  return `a clean end after ${call.downReceived} of ${call.down.length} bytes`
}

/** After response headers the proxy says a status of its own only where the last message is whole. */
function betweenMessages({ down, downReceived }: Call): boolean {
  return downReceived === 0 || down.ends.includes(downReceived)
}

type StatusOutcome = Extract<Outcome, { kind: 'status' }>

function backendStatus(call: Call, outcome: StatusOutcome): string | undefined {
  if (call.answered !== outcome.status) return `a status that its backend never sent: ${outcome.status}`
  const { treatment } = call.plan
  if (treatment.kind === 'trailers-only') {
    return outcome.trailersOnly ? undefined : 'Trailers-Only became headers and trailers'
  }
  if (outcome.trailersOnly) return 'headers and trailers became Trailers-Only'
  if (treatment.kind !== 'early' && call.upReceived !== call.up.length) return 'answered before the request was whole'
  return whole(call)
}

function ownStatus(call: Call, outcome: StatusOutcome, own: string, times: Times): string | undefined {
  if (!outcome.trailersOnly && !betweenMessages(call)) return 'a status of the proxy in the middle of a message'
  const unlike = (status: number) => (outcome.status === status ? undefined : `${own} with status ${outcome.status}`)
  switch (own) {
    case 'deadline':
      return deadline(call) ?? unlike(DEADLINE_EXCEEDED)
    case 'upstream-refused':
      // Node says REFUSED_STREAM of a request that it had not sent when GOAWAY came.
      if (!call.has('refused') && !(times.nativeUpstream && times.left)) return 'nobody refused it'
      if (!refusedEnough(call, times)) return 'it was not refused often enough'
      return unlike(UNAVAILABLE)
    case 'upstream-reset': {
      const codes = call.marks.filter(mark => mark.kind === 'reset').map(mark => STATUS_OF_CODE[mark.code!] ?? UNKNOWN)
      return codes.includes(outcome.status as never) ? undefined : `no reset explains status ${outcome.status}`
    }
    case 'upstream-lost':
      // Of which endpoint its session was, no client is told, and the endpoint may not have seen it.
      return lost(call, undefined, times) ? unlike(UNAVAILABLE) : `no session ended in its time: ${outcome.message}`
    default:
      return `the proxy had no reason to say ${own}: ${outcome.message}`
  }
}

function reset(call: Call, outcome: Extract<Outcome, { kind: 'reset' }>, times: Times): string | undefined {
  const { code } = outcome
  if (call.marks.some(mark => mark.kind === 'reset' && mark.headers && mark.code === code)) return undefined
  // Node's client cannot tell RST_STREAM(NO_ERROR) from END_STREAM without trailers once it has read slowly.
  if (code === Code.NO_ERROR && call.has('no-trailers') && call.client.includes('(node')) return whole(call)
  // What no backend has processed, and the proxy cannot send again, the client may.
  // A session that said GOAWAY may never have seen it.
  const refused = call.has('refused') || call.has('unprocessed') || times.left
  if (!outcome.headers && code === Code.REFUSED_STREAM && refused && refusedEnough(call, times)) return undefined
  // Before response headers the proxy has a status to say.
  if (!outcome.headers) return `RST_STREAM ${code} instead of a status`
  if (code === Code.CANCEL && deadline(call) === undefined) return undefined
  const gone = call.has('unprocessed') || call.visits.some(visit => lost(call, visit.port, times))
  if (code === Code.INTERNAL_ERROR && gone) return undefined
  return `nothing explains RST_STREAM ${code}`
}

/** Longer than anything that is injected holds up a call. */
const LONGEST_STAND_MS = LONG_DEADLINE_MS / 2

/**
 * The proxy reads its clock once in a turn of its loop. What comes while that goes on counts from its begin, and a process
 * that has to wait for a core may stand still in the middle of a turn.
 */
const MOST_EARLY_MS = 50

/** @returns what is wrong with its deadline having passed */
function deadline(call: Call): string | undefined {
  const { deadlineMs } = call.plan
  if (deadlineMs === undefined) return 'it has no deadline'
  const tookMs = call.endMs - call.startMs
  if (tookMs < deadlineMs - MOST_EARLY_MS)
    return `its deadline of ${deadlineMs} ms passed after ${tookMs.toFixed(1)} ms`
  if (deadlineMs < LONG_DEADLINE_MS) return undefined
  const stoodMs = call.endMs - call.movedMs
  // A machine that is too slow for the load moves bytes all the same: small windows, large bodies.
  return stoodMs < LONGEST_STAND_MS ? undefined : `it stood still for ${Math.round(stoodMs)} ms before its deadline`
}

function lost(call: Call, port: number | undefined, times: Times): boolean {
  if (call.has('session-ended') || times.died(port)) return true
  return (call.has('unprocessed') || times.saidGoaway(port)) && refusedEnough(call, times)
}

/**
 * The proxy tries once more what a backend did not look at, unless it was too large to keep. A first try that no
 * backend has seen may have been lost with a session.
 */
function refusedEnough(call: Call, times: Times): boolean {
  const refusals = call.marks.filter(mark => mark.kind === 'unprocessed' || mark.kind === 'refused').length
  return refusals + Number(times.left) >= 2 || call.up.length > REPLAY_BYTES
}
