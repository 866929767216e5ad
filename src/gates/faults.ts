/**
 * A gate that delays and refuses calls on purpose, so that those who test clients see what they do then. It stands behind all
 * other gates: a call that may not be made learns nothing of it.
 */
import type { StatusName } from '../grpc/status.ts'
import { Status } from '../grpc/status.ts'
import type { CallInfo } from '../routing/director.ts'
import type { Gate } from '../routing/gate.ts'
import { refusal } from '../routing/gate.ts'
import { compileMetadata, type MetadataMatch, metadataHolds } from '../routing/metadata-match.ts'
import { type Clock, systemClock } from '../transport/clock.ts'

/** Which calls a fault happens to. */
export interface FaultShare {
  /** From 0 to 1, of the calls that `metadata` names, at random. */
  readonly share: number
  /** Conditions by name; all must hold. Without it every call is meant. */
  readonly metadata?: Readonly<Record<string, MetadataMatch>> | undefined
}

/** At least one of the two. A call that both happen to waits first. */
export interface FaultOptions {
  /** The call waits for so long before it goes on. */
  readonly delay?: (FaultShare & { readonly ms: number }) | undefined
  /** The call is refused. */
  readonly abort?: (FaultShare & { readonly status: Exclude<StatusName, 'OK'> }) | undefined
}

const NEVER = (): boolean => false

/**
 * What the deadline of a call or its client ends while it waits is over at once.
 * @throws RangeError for a share that is not from 0 to 1
 */
export function faults({ delay, abort }: FaultOptions, clock: Clock = systemClock, random = Math.random): Gate {
  const isDelayed = chosen(delay, random)
  const isAborted = chosen(abort, random)
  const fault = abort && refusal('fault-injected', 'a fault of the route', undefined, Status[abort.status])
  return next => {
    const go: typeof next = call => {
      if (isAborted(call)) throw fault
      return next(call)
    }
    return call => (isDelayed(call) ? after(delay!.ms, call, go, clock) : go(call))
  }
}

function chosen(fault: FaultShare | undefined, random: () => number): (call: CallInfo) => boolean {
  if (fault === undefined) return NEVER
  const { share, metadata = {} } = fault
  if (!(share >= 0 && share <= 1)) throw new RangeError(`a share is from 0 to 1, it is ${share}`)
  const tests = Object.entries(metadata).map(entry => compileMetadata(entry, false))
  return call => tests.every(test => metadataHolds(test, call.metadata.fields)) && random() < share
}

function after(ms: number, call: CallInfo, next: ReturnType<Gate>, clock: Clock): ReturnType<ReturnType<Gate>> {
  const { signal } = call
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => {
      signal.removeEventListener('abort', onAbort)
      try {
        resolve(next(call))
      } catch (thrown) {
        reject(thrown)
      }
    })
    // Nobody waits for the answer any more.
    const onAbort = (): void => {
      timer.cancel()
      resolve(undefined)
    }
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
