/**
 * What a primary and its workers tell each other. Each is of the same version as the other: the primary starts them from
 * its own files.
 *
 * ```
 *   primary ── question ─▶ worker ── answer ─▶ primary      of any number at a time
 *   primary ── connection, with its socket ─▶ worker        one at a time: the worker says by `connections` that it has it
 * ```
 */
import type { ProfileKind } from '../admin/profile.ts'
import type { KeyCounts, SharedCounts } from '../gates/shared-counts.ts'
import type { Reading } from '../observe/registry.ts'
import type { ChangeSummary } from '../proxy/change.ts'
import type { ProxyState, StateOptions } from '../proxy/state.ts'
import type { CertificatePair } from '../transport/server-names.ts'
import type { SetupData } from './setup-data.ts'

/** By what it is about: what is asked, and what is answered. */
export interface Questions {
  /** The first of all. The answer comes when the worker can serve. */
  start: { given: SetupData; answer: undefined }
  /** The next configuration: nothing changes yet. One of the next two follows. */
  prepare: { given: SetupData; answer: ChangeSummary }
  commit: { given: undefined; answer: undefined }
  discard: { given: undefined; answer: undefined }
  /** The answer says that its event loop turns. */
  alive: { given: undefined; answer: ConnectionCounts }
  /** Why it should get no new connections. */
  notReady: { given: undefined; answer: readonly string[] }
  state: { given: StateOptions; answer: ProxyState }
  /** What gates of the other workers count; the answer is what its own do. */
  gateCounts: { given: CountsQuestion; answer: CountsAnswer }
  metrics: { given: undefined; answer: readonly Reading[] }
  /** Undefined: another one is being taken. */
  profile: { given: { readonly profile: ProfileKind; readonly seconds: number }; answer: string | undefined }
  /** Calls finish, within this time; then the process ends. The answer comes before that: its metrics at the end. */
  drain: { given: { readonly graceMs: number }; answer: readonly Reading[] }
}

export type QuestionName = keyof Questions

export type ToWorker =
  | { readonly kind: 'question'; readonly id: number; readonly name: QuestionName; readonly given: unknown }
  /** With a socket, of which nothing was read. */
  | { readonly kind: 'connection'; readonly listener: string }
  | Notice

/** What needs no answer. */
export type Notice =
  | { readonly kind: 'log-level'; readonly level: string }
  /** What authorities are shown, instead of what was told before. */
  | { readonly kind: 'challenges'; readonly all: ReadonlyMap<string, CertificatePair> }
  /** Somebody has moved the files of the logs. */
  | { readonly kind: 'reopen-logs' }

export type ToPrimary =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly message: string }
  /** Whenever one of the two is another number. */
  | ({ readonly kind: 'connections' } & ConnectionCounts)
  /** Its gates have counted something, after a pause. */
  | { readonly kind: 'counted' }

export interface ConnectionCounts {
  /** Connections that it was handed since it began. */
  readonly taken: number
  /** Those of them that are open. */
  readonly open: number
}

/** What the gate of this name and definition counts in the other workers together. */
export interface GateCounts {
  readonly gate: string
  readonly counts: KeyCounts
  /** Numbers that were told before hold no longer. */
  readonly isAnew: boolean
}

export interface CountsQuestion {
  readonly told: readonly GateCounts[]
  /** Of so many keys of a gate the answer may tell. */
  readonly most: number
}

/** What has changed in a worker, of each gate that it has. */
export interface CountsAnswer {
  /** Numbers that it told before hold no longer. */
  readonly isAnew: boolean
  readonly gates: readonly {
    readonly gate: string
    readonly kind: SharedCounts['kind']
    readonly counts: KeyCounts
  }[]
}
