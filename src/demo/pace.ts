/** Waiting inside a call, without outliving it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Status } from '../grpc/status.ts'
import { type Call, CallError } from './call.ts'

/** The largest delay that Node's timers take. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** The request of a method that takes one. @throws CallError INVALID_ARGUMENT when none came */
export async function firstRequest<Request>(call: Call<Request, never>): Promise<Request> {
  for await (const request of call.requests) return request
  throw new CallError(Status.INVALID_ARGUMENT, 'the call has no request message')
}

/** Waits as long as a request asked. @throws CallError CANCELLED as soon as the call is */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  if (delayMs === 0) return
  try {
    await sleep(Math.min(delayMs, MAX_DELAY_MS), undefined, { signal })
  } catch {
    throw cancelled()
  }
}

/** What `promise` gives, unless the call is cancelled before. @throws CallError CANCELLED */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw cancelled()
  const aborted = deferred<never>()
  const onAbort = (): void => aborted.reject(cancelled())
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Nobody receives this status: it only ends the method. */
export function cancelled(): CallError {
  return new CallError(Status.CANCELLED, 'the call was cancelled')
}

export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: Error) => void
}

/** A promise that is settled from outside. */
export function deferred<T = void>(): Deferred<T> {
  let settle!: Omit<Deferred<T>, 'promise'>
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle }
}
