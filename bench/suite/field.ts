/** The subjects of a run: those found on this machine, and those missing with the line that installs them. */
import { UsageError } from '../../src/bench/problem.ts'
import type { RunRecord } from '../report/record.ts'
import type { Contender } from '../subjects/contender.ts'

export interface Field {
  readonly taking: readonly Contender[]
  readonly missing: RunRecord['missing']
  /** By name. */
  readonly versions: Readonly<Record<string, string>>
}

/** In the order of `all`. @throws UsageError for a name that nobody has, or that two have */
export function fieldOf(all: readonly Contender[], names: readonly string[], more: readonly Contender[] = []): Field {
  for (const name of names) {
    if (all.some(contender => contender.name === name)) continue
    throw new UsageError(`no subject "${name}"; there are ${all.map(contender => contender.name).join(', ')}`)
  }
  const asked = [...all.filter(({ name }) => names.length === 0 || names.includes(name)), ...more]
  const twice = asked.find(({ name }, i) => asked.findIndex(other => other.name === name) !== i)
  if (twice !== undefined) throw new UsageError(`two subjects have the name "${twice.name}"`)
  const taking: Contender[] = []
  const missing: { name: string; install: string }[] = []
  const versions: Record<string, string> = {}
  for (const contender of asked) {
    const found = contender.find()
    if ('missing' in found) {
      missing.push({ name: contender.name, install: found.install })
    } else {
      taking.push(contender)
      versions[contender.name] = found.version
    }
  }
  return { taking, missing, versions }
}

/** The subject that ratios are against. @throws UsageError for somebody who takes no part */
export function baseOf(taking: readonly Contender[], asked: string | undefined): string {
  const has = (name: string): boolean => taking.some(contender => contender.name === name)
  if (asked !== undefined && !has(asked)) {
    throw new UsageError(`--base ${asked} takes no part; there are ${taking.map(({ name }) => name).join(', ')}`)
  }
  return asked ?? ['nghttpx', 'frames'].find(has) ?? taking[0]?.name ?? 'nobody'
}
