/** Faults that a route makes on purpose. */
import type { StatusName } from '../../grpc/status.ts'
import type { MetadataCondition } from './metadata-condition.ts'

/** At least one of the two. A call that both happen to waits first. */
export interface FaultsOptions {
  /** Calls wait before they go to the backend. */
  readonly delay?: DelayFaultOptions
  /** Calls end with a status and do not go to the backend. */
  readonly abort?: AbortFaultOptions
}

/** A delay, and which calls it happens to. */
export interface DelayFaultOptions {
  /** How long the call waits (milliseconds). */
  readonly ms: number
  /** From 0 to 1: how many of the calls that `metadata` names, at random. */
  readonly share: number
  /** Conditions as in `match`: only calls that meet all of them are meant. */
  readonly metadata?: Readonly<Record<string, MetadataCondition>>
}

/** An end, and which calls it happens to. */
export interface AbortFaultOptions {
  /** What the call ends with. */
  readonly status: Exclude<StatusName, 'OK'>
  /** From 0 to 1: how many of the calls that `metadata` names, at random. */
  readonly share: number
  /** Conditions as in `match`: only calls that meet all of them are meant. */
  readonly metadata?: Readonly<Record<string, MetadataCondition>>
}
