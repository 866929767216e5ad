/**
 * What each attack costs an honest client, as a table for people: `npm run isolation`.
 *
 * `ISOLATION_SECONDS=20` for each attack, `ISOLATION_ONLY='resets|PING'` of those whose name has that,
 * `ISOLATION_BALANCER=least-request` for one of the balancers, with three endpoints that come and go beside the attack (a
 * name of balancers.ts, or `all` for each in turn); `ISOLATION_CONNECTIONS=1,20`, `ISOLATION_TRANSPORT=native`, `ISOLATION_FLAGS=--max-old-space-size=256` for the proxy,
 * `ISOLATION_KEEP=1` keeps its log.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { resetPeak, treeUsage } from '../../../bench/measure/process-tree.ts'
import type { Attack } from './attack.ts'
import { ATTACKS } from './attacks.ts'
import { BALANCERS } from './balancers.ts'
import { Field } from './field.ts'
import { type Harm, Victim } from './victim.ts'

const { env } = process
const SECONDS = Number(env.ISOLATION_SECONDS ?? 20)
const ONLY = new RegExp(env.ISOLATION_ONLY ?? '', 'i')
const CONNECTIONS = (env.ISOLATION_CONNECTIONS ?? '1,20').split(',').map(Number)
const TRANSPORT = (env.ISOLATION_TRANSPORT ?? 'frames') as 'native' | 'frames'
/** Undefined: one endpoint, which stays. */
const FLEETS = fleetsOf(env.ISOLATION_BALANCER)
const ENDPOINTS = 3
const FLAGS = (env.ISOLATION_FLAGS ?? '').split(' ').filter(flag => flag !== '')
/** Before an attack, for what is usual. */
const USUAL_SECONDS = Math.max(3, SECONDS / 4)
const RATES = { callsASecond: 200, newcomerEveryMs: 100 }
/** Not measured: the first calls of a process. */
const WARM_UP_MS = 1_500
const SETTLE_MS = 300

const LIMITS = { usual: {}, memory: {}, 'few-places': { maxClientSessions: 50 }, limited: {} }

const COLUMNS = [
  ['attack', 68],
  ['conn', 5],
  ['strikes', 10],
  ['ended', 6],
  ['calls', 6],
  ['lost', 5],
  ['usual', 7],
  ['beside', 8],
  ['ratio', 6],
  ['p50 x', 6],
  ['direct', 8],
  ['new', 8],
  ['RSS', 6],
  ['CPU', 5],
] as const

function fleetsOf(names: string | undefined): readonly (string | undefined)[] {
  if (names === undefined) return [undefined]
  const all = names === 'all' ? Object.keys(BALANCERS) : names.split(',')
  for (const name of all)
    if (!Object.hasOwn(BALANCERS, name)) throw new Error(`"${name}" is none of ${Object.keys(BALANCERS).join(', ')}`)
  return all
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

function line(cells: readonly string[]): string {
  return cells
    .map((cell, at) => {
      const width = COLUMNS[at]![1]
      return at === 0 ? cell.slice(0, width).padEnd(width) : cell.padStart(width)
    })
    .join(' ')
}

interface Measured {
  readonly usual: Harm
  readonly beside: Harm
  readonly direct: Harm
  readonly after: Harm
  readonly strikes: number
  readonly lost: number
  readonly peakBytes: number
  readonly cpuShare: number
}

async function measure(field: Field, attack: Attack, connections: number): Promise<Measured> {
  const { pid, port } = field.proxy
  const victim = await Victim.begin(port, RATES)
  // Shows what backend and machine take by themselves.
  const control = await Victim.begin(field.backendPort, { ...RATES, newcomerEveryMs: 10_000_000 })
  await sleep(WARM_UP_MS)
  victim.harm()
  await sleep(USUAL_SECONDS * 1_000)
  const usual = victim.harm()
  control.harm()
  resetPeak(pid)
  const [cpuMs, fromMs] = [treeUsage(pid).cpuMs, performance.now()]
  const raid = field.attack(attack.name, connections)
  await sleep(SECONDS * 1_000)
  const { strikes, lost } = raid
  const beside = victim.harm()
  const direct = control.harm()
  const usage = treeUsage(pid)
  const cpuShare = (usage.cpuMs - cpuMs) / (performance.now() - fromMs)
  await raid.stop()
  await sleep(SETTLE_MS)
  await Promise.all([victim.end(), control.end()])
  return { usual, beside, direct, after: victim.harm(), strikes, lost, peakBytes: treeUsage(pid).peakBytes, cpuShare }
}

function show(attack: Attack, connections: number, of: Measured): void {
  const { usual, beside, direct, after, strikes, lost, peakBytes, cpuShare } = of
  const p99 = percentile(usual.latenciesMs, 0.99)
  const besideP99 = percentile(beside.latenciesMs, 0.99)
  const p50 = percentile(beside.latenciesMs, 0.5) / percentile(usual.latenciesMs, 0.5)
  const losses = [...usual.lost, ...beside.lost, ...after.lost]
  console.log(
    line([
      attack.name + (attack.cpu ? ' *' : ''),
      String(connections),
      String(strikes),
      String(lost),
      String(beside.calls),
      String(losses.length),
      p99.toFixed(1),
      besideP99.toFixed(1),
      (besideP99 / p99).toFixed(1),
      p50.toFixed(1),
      percentile(direct.latenciesMs, 0.99).toFixed(1),
      percentile(beside.newcomersMs, 0.99).toFixed(1),
      String(Math.round(peakBytes / 2 ** 20)),
      `${Math.round(cpuShare * 100)}%`,
    ]),
  )
  for (const loss of [...new Set(losses)].slice(0, 5))
    console.log(`    lost ${losses.filter(other => other === loss).length} times: ${loss}`)
}

console.log(
  `${SECONDS} s each, ${RATES.callsASecond} calls a second; p99 in ms: usual, beside the attack, of calls beside it that go` +
    ' directly to the backend, of calls on new connections; RSS in MiB, at most; CPU of one core. *: takes all the CPU' +
    ' that it gets, and has a backend of its own',
)
for (const fleet of FLEETS) {
  if (fleet !== undefined) console.log(`\n${fleet}, ${ENDPOINTS} endpoints that come and go`)
  console.log(line(COLUMNS.map(([name]) => name)))
  await measureAll(fleet)
}

async function measureAll(fleet: string | undefined): Promise<void> {
  for (const attack of ATTACKS.filter(({ name }) => ONLY.test(name))) {
    for (const connections of CONNECTIONS) {
      // A process for each, so that none pays for the one before.
      const field = await Field.start({
        limits: LIMITS[attack.field ?? 'usual'],
        transport: TRANSPORT,
        flags: FLAGS,
        twoBackends: attack.cpu === true,
        ...(fleet !== undefined && { balancer: BALANCERS[fleet], comeAndGo: ENDPOINTS }),
      })
      try {
        show(attack, connections, await measure(field, attack, connections))
      } catch (error) {
        console.log(`${attack.name}, ${connections}: ${(error as Error).message} ${field.proxy.fate ?? ''}`)
      } finally {
        field.end()
      }
    }
  }
}
