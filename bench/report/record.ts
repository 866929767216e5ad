/** A run as it is kept: `--json` writes it, and tables, charts and comparisons are made of it. */

export interface RunRecord {
  readonly format: 1
  /** ISO 8601, when it began. */
  readonly date: string
  /** The command that repeats it. */
  readonly command: string
  readonly machine: Machine
  /** The version of each program: Node, the peers, h2load, … */
  readonly versions: Readonly<Record<string, string>>
  /** The revision of this project, from `git describe --always --dirty`, where there is a repository. */
  readonly revision: string | undefined
  /** What is missing on this machine, and the line that installs it. */
  readonly missing: readonly { readonly name: string; readonly install: string }[]
  /** What was not measured, and why: a scenario, or a subject in a scenario. */
  readonly leftOut: readonly { readonly what: string; readonly why: string }[]
  readonly rounds: number
  /** About how long one measurement takes. */
  readonly seconds: number
  /** The subject that ratios are against. */
  readonly base: string
  /** The subjects, in the order of tables and charts. Default: all that have an entry, with kinds by name. */
  readonly subjects?: readonly SubjectRecord[]
  readonly scenarios: readonly ScenarioRecord[]
}

export interface SubjectRecord {
  readonly name: string
  /** One line: what it is. */
  readonly title: string
  /** `floor`: no gRPC proxy at all, such as no proxy or a TCP relay. */
  readonly kind: 'floor' | 'ours' | 'peer'
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  /** Whether the subject had a core for itself. */
  readonly pinned: boolean
}

export interface ScenarioRecord {
  readonly name: string
  readonly title: string
  /** The place on the axis, where the scenario is one point of a growth curve. */
  readonly curve?: { readonly name: string; readonly unit: string; readonly at: number }
  /** Who made the calls, and who answered them. */
  readonly load?: 'own' | 'h2load'
  readonly backend?: 'own' | 'nghttpd'
  readonly metrics: readonly Metric[]
  readonly entries: readonly Entry[]
}

export interface Metric {
  readonly name: string
  readonly unit: string
  /** Digits behind the point. */
  readonly digits: number
  /** Which direction is good. Undefined for a metric about the measurement and not the subject, which gets no ratio. */
  readonly better?: 'less' | 'more'
  /** The subject that ratios are against, where it is not the run's base. */
  readonly base?: string
}

/**
 * One measurement: a number for each metric, by name; a metric that this subject cannot have (the CPU of no proxy) is
 * missing.
 */
export type Sample = Readonly<Record<string, number>>

/** What a subject did in a scenario: a sample for each round, or the reason why it is out. */
export interface Entry {
  readonly subject: string
  readonly samples: readonly Sample[]
  /** A subject that failed is reported as failing, never as fast, and has no samples. */
  readonly failure?: string
  /** All rounds together, where latency was measured: an HDR histogram of microseconds (see load/shape.ts). */
  readonly histogram?: string
}
