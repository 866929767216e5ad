/** What the log says of a failure besides what happened: which kind it is, and what to do. */
import { FAILURES, type FailureKind } from '../call/failure-table.ts'
import { type ConnectFailureKind, connectFailureOf } from '../transport/connect-failure.ts'

export interface Advice {
  /** Why no endpoint could be reached, as far as that is known. */
  readonly problem?: ConnectFailureKind
  readonly advice?: string
}

/** @param reason token of a failure, or how a client ended its call: then there is none to give */
export function adviceOn(reason: string, cause: string): Advice {
  const failure: FailureKind | undefined = Object.hasOwn(FAILURES, reason)
    ? FAILURES[reason as keyof typeof FAILURES]
    : undefined
  return (reason === 'unreachable' ? connectAdvice(cause) : undefined) ?? { advice: failure?.advice }
}

/** @param cause of several endpoints: what is said of the first of them counts */
export function connectAdvice(cause: string): Advice | undefined {
  const [first = ''] = cause.split('; ', 1)
  const { kind, advice } = connectFailureOf(first)
  return kind === 'other' ? undefined : { problem: kind, advice }
}
