/** Which configuration is in force, and what became of those that were offered. */

/** What a reload says, as `config/reload.ts` has it. */
type VerdictKind = 'applied' | 'unchanged' | 'rejected'

export class ConfigurationRecord {
  /** 1 is the one that the proxy began with. */
  version = 1
  /** Since the epoch. */
  changedSeconds = Date.now() / 1_000
  readonly verdicts: Record<VerdictKind, number> = { applied: 0, unchanged: 0, rejected: 0 }
  /** Undefined: nothing was reloaded yet. */
  last: { readonly kind: VerdictKind; readonly atSeconds: number } | undefined

  /** Another one is in force. */
  changed(): void {
    this.version++
    this.changedSeconds = Date.now() / 1_000
  }

  /** A reload is over. */
  judged(kind: VerdictKind): void {
    this.verdicts[kind]++
    this.last = { kind, atSeconds: Date.now() / 1_000 }
  }
}
