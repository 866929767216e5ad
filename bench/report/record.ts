/** A run as it is kept: what `--json` writes, and what tables, charts and comparisons are made of. */

export interface RunRecord {
  readonly format: 1
  /** ISO 8601, when it began. */
  readonly date: string
  /** What repeats it. */
  readonly command: string
  readonly machine: Machine
  /** By program: Node, the peers, h2load, … */
  readonly versions: Readonly<Record<string, string>>
  /** Of this project: `git describe --always --dirty`, where there is a repository. */
  readonly revision: string | undefined
  /** What is not on this machine, and the line that installs it. */
  readonly missing: readonly { readonly name: string; readonly install: string }[]
  /** What was not measured, and why: a scenario, or a subject in a scenario. */
  readonly leftOut: readonly { readonly what: string; readonly why: string }[]
  readonly rounds: number
  /** Of one measurement, about. */
  readonly seconds: number
  /** Whom ratios are against. */
  readonly base: string
  /** Who took part, in the order of tables and charts. Default: whoever has an entry, kinds by name. */
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
  /** The subject had a core for itself. */
  readonly pinned: boolean
}

export interface ScenarioRecord {
  readonly name: string
  readonly title: string
  /** Where it is one point of a growth curve: its number on the axis. */
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
  /** What is good. Undefined: it tells of the measurement and not of the subject, and gets no ratio. */
  readonly better?: 'less' | 'more'
  /** Whom the ratios are against, where it is not the run's base. */
  readonly base?: string
}

/** One measurement: a number for each metric, by name; a metric that this subject cannot have (the CPU of no proxy) is not there. */
export type Sample = Readonly<Record<string, number>>

/** What a subject did in a scenario: a sample a round, or why it is out. */
export interface Entry {
  readonly subject: string
  readonly samples: readonly Sample[]
  /** It is reported as failing, never as fast; then there are no samples. */
  readonly failure?: string
  /** All rounds together, where latency was measured: an HDR histogram of microseconds (see load/shape.ts). */
  readonly histogram?: string
}
