/** A run as one HTML page that needs nothing else: charts and styles are in it, and it has no script. */
import { escapeText, htmlPage, htmlTable } from '../../src/bench/html.ts'
import type { Figure } from './figures.ts'
import type { Metric, RunRecord, ScenarioRecord } from './record.ts'
import {
  baseOf,
  disturbanceText,
  failuresOf,
  headlinesOf,
  headOf,
  numberText,
  type Row,
  ratioText,
  rowsOf,
  subjectsOf,
} from './rows.ts'
import { againstBase, againstSubject, type Judged, pText } from './verdicts.ts'

const TITLE = 'grpc-verbatim: what a proxy costs'
/** The subject that the text compares peers with. */
const OURS = 'frames'

export function pageOf(run: RunRecord, figures: readonly Figure[]): string {
  const judged = againstBase(run)
  return htmlPage(
    TITLE,
    `<h1>${TITLE}</h1>
${factsOf(run)}
${methodOf(run)}
${failuresSection(run)}
${contestOf(run)}
<h2>Charts</h2>
${figures.map(({ id, svg }) => `<figure id="${escapeText(id)}">${svg}</figure>`).join('\n')}
<h2>Each scenario</h2>
<p>Median, and (least–most) of the rounds. A ratio is the median of the rounds' ratios, with their least and most; below
it the corrected p-value, or what the test could not show. <span class="better">Blue</span>: better than the subject that
is 1; <span class="worse">red</span>: worse; both beyond the noise.</p>
${run.scenarios.map(scenario => scenarioOf(scenario, run.base, judged)).join('\n')}
${absencesOf(run)}`,
  )
}

function factsOf(run: RunRecord): string {
  const { machine } = run
  const memory = `${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB`
  const subjects = subjectsOf(run)
  const programs = Object.entries(run.versions).filter(([name]) => !subjects.some(subject => subject.name === name))
  const facts: [string, string][] = [
    ['Date', run.date],
    ['Machine', `${machine.cpu}, ${machine.cores} cores, ${memory}`],
    ['System', machine.system],
    ['Versions', programs.map(([name, text]) => versionText(name, text)).join(', ')],
    ['Revision', run.revision ?? 'unknown: not a repository'],
    ['Base of ratios', run.base],
  ]
  const rows = facts.map(([name, text]) => `<dt>${name}</dt><dd>${escapeText(text)}</dd>`)
  const pinned = machine.pinned
    ? ''
    : '<p class="worse">Nothing was pinned to a core of its own: compare orders of magnitude, and nothing else.</p>'
  const disturbance = disturbanceText(run)
  return `<dl>${rows.join('')}<dt>Repeat it</dt><dd><code>${escapeText(run.command)}</code></dd></dl>
${pinned}${disturbance === undefined ? '' : `<p class="worse">${escapeText(disturbance)}</p>`}${subjectsTable(run)}`
}

const KINDS = { floor: 'floor: no gRPC proxy', ours: 'this project', peer: 'peer' } as const

function subjectsTable(run: RunRecord): string {
  const rows = subjectsOf(run).map(({ name, title, kind }) => {
    const cells = [KINDS[kind], title, run.versions[name] ?? ''].map(
      text => `<td class="text">${escapeText(text)}</td>`,
    )
    return `<tr><th>${escapeText(name)}</th>${cells.join('')}</tr>`
  })
  const head = ['kind', 'what it is', 'version'].map(text => `<th class="text">${text}</th>`)
  return htmlTable(['<th>subject</th>', ...head], rows)
}

/** A text such as `nghttpx 1.52.0` already has the name. */
function versionText(name: string, text: string): string {
  return text.toLowerCase().startsWith(name.toLowerCase()) ? text : `${name} ${text}`
}

function methodOf({ rounds, seconds, machine }: RunRecord): string {
  const alone = machine.pinned ? ', alone on one core, with load and backend on another' : ''
  return `<p>Each subject is a process of its own${alone}; it is warmed up, then measured in turn with all others
(A B C, B C A, …) for ${rounds} rounds of about ${seconds} s, and a call that fails makes it FAILED, never fast.
CPU is user and system time of its whole process tree, divided by calls; in open loops latency counts from the time at
which a call should have begun, so that a stall is charged for every call that it kept waiting.
Whether a difference exceeds the noise is said by the rank test of Mann and Whitney, two-sided, exact for few rounds, on
all headline numbers of this page together, with false discoveries held at 5 % (Benjamini and Hochberg). All rounds of a
scenario but of those on memory are of one process a subject, so the noise is that within a process: another process of
the same program may differ by more. <code>npm run bench:compare</code> has a fresh one each round.</p>`
}

function failuresSection(run: RunRecord): string {
  const failures = failuresOf(run)
  if (failures.length === 0) return ''
  const items = failures.map(
    ({ subject, scenario, why }) =>
      `<li><b class="worse">FAILED</b> ${escapeText(subject)} in ${escapeText(scenario)}: ${escapeText(why)}</li>`,
  )
  return `<h2>Failures</h2><ul>${items.join('')}</ul>`
}

/** Says where a peer is better and where ours is. Nothing in it is chosen by hand. */
function contestOf(run: RunRecord): string {
  const peers = subjectsOf(run).flatMap(({ kind, name }) => (kind === 'peer' ? [name] : []))
  const judged = againstSubject(run, OURS).filter(({ subject }) => peers.includes(subject))
  if (judged.length === 0) return ''
  const peerBetter = judged.filter(({ outcome }) => outcome === 'better')
  const oursBetter = judged.filter(({ outcome }) => outcome === 'worse')
  const few = judged.filter(({ verdict }) => verdict === 'not enough rounds')
  const rest = judged.length - peerBetter.length - oursBetter.length - few.length
  return `<h2>Where a peer is better than ${OURS}</h2>
<p>Of ${judged.length} headline numbers of peers beside those of ${OURS}, ${peerBetter.length} are better,
${oursBetter.length} worse, ${rest} show no difference${few.length > 0 ? `, and ${few.length} had not enough rounds to show one` : ''}.</p>
${contestList(peers, peerBetter, true)}
<h2>Where ${OURS} is better than a peer</h2>
${contestList(peers, oursBetter, false)}`
}

function contestList(subjects: readonly string[], judged: readonly Judged[], open: boolean): string {
  if (judged.length === 0) return '<p>None shown in this run.</p>'
  return subjects
    .filter(subject => judged.some(other => other.subject === subject))
    .map(subject => {
      const own = judged.filter(other => other.subject === subject)
      const rows = own.map(contestRow)
      const coverage = Math.floor(100 * Math.min(...own.map(({ difference }) => difference.coverage)))
      const head = `<th>scenario</th><th class="text">metric</th><th>${escapeText(subject)}</th><th>${OURS}</th><th>ratio (${coverage} % interval)</th><th>p</th>`
      return `<details${open ? ' open' : ''}><summary>${escapeText(subject)}: ${own.length}</summary>
${htmlTable([head], rows)}</details>`
    })
    .join('\n')
}

function contestRow({ scenario, metric, subjectMedian, againstMedian, ratio, adjustedP }: Judged): string {
  const number = (value: number): string => numberText(value, metric.digits)
  const ratioCell =
    ratio === undefined ? '–' : `${ratioText(ratio.estimate)} (${ratioText(ratio.least)}–${ratioText(ratio.most)})`
  const cells = [number(subjectMedian), number(againstMedian), ratioCell, escapeText(pText(adjustedP))]
  const names = `<th>${escapeText(scenario.name)}</th><td class="text">${escapeText(headOf(metric))}</td>`
  return `<tr>${names}${cells.map(cell => `<td>${cell}</td>`).join('')}</tr>`
}

function scenarioOf(scenario: ScenarioRecord, base: string, judged: readonly Judged[]): string {
  const headlines = headlinesOf(scenario)
  const rest = scenario.metrics.filter(
    metric => !headlines.includes(metric) && rowsOf(metric, scenario.entries, base).length > 0,
  )
  const made = [
    scenario.load === undefined ? '' : `load: ${scenario.load === 'own' ? "the suite's own" : scenario.load}`,
    scenario.backend === undefined
      ? ''
      : `backend: ${scenario.backend === 'own' ? "the suite's own" : scenario.backend}`,
  ].filter(text => text !== '')
  const details =
    rest.length === 0
      ? ''
      : `<details><summary>All other numbers</summary>${tableOf(scenario, rest, base, judged)}</details>`
  return `<section><h3 id="scenario-${escapeText(scenario.name)}">${escapeText(scenario.name)}</h3>
<p>${escapeText([scenario.title, ...made].join('; '))}</p>
${tableOf(scenario, headlines, base, judged)}${details}</section>`
}

function tableOf(
  scenario: ScenarioRecord,
  metrics: readonly Metric[],
  base: string,
  judged: readonly Judged[],
): string {
  const columns = metrics.map(metric => {
    const rows = rowsOf(metric, scenario.entries, base)
    return { metric, rows, compared: rows.some(({ ratio }) => ratio !== undefined) }
  })
  const head = columns.map(({ metric, compared }) => {
    const better = metric.better === undefined ? '' : `<small>${metric.better} is better</small>`
    const ratio = compared ? `<th><small>${escapeText(baseOf(metric, base))} = 1</small></th>` : ''
    return `<th>${escapeText(headOf(metric))}${better}</th>${ratio}`
  })
  const width = columns.reduce((sum, { compared }) => sum + (compared ? 2 : 1), 0)
  const body = scenario.entries.map(({ subject, failure }) => {
    const name = `<th>${escapeText(subject)}</th>`
    if (failure !== undefined) {
      return `<tr>${name}<td class="text worse" colspan="${width}"><b>FAILED</b>: ${escapeText(failure)}</td></tr>`
    }
    const cells = columns.map(({ metric, rows, compared }) => {
      const row = rows.find(other => other.subject === subject)
      const verdict = judged.find(
        other => other.scenario === scenario && other.metric === metric && other.subject === subject,
      )
      return valueCell(row, metric) + (compared ? ratioCell(row, verdict) : '')
    })
    return `<tr>${name}${cells.join('')}</tr>`
  })
  return htmlTable(['<th>subject</th>', ...head], body)
}

function valueCell(row: Row | undefined, { digits }: Metric): string {
  if (row === undefined) return '<td>–</td>'
  const { median, least, most } = row.value
  return `<td>${numberText(median, digits)}<small>(${numberText(least, digits)}–${numberText(most, digits)})</small></td>`
}

function ratioCell(row: Row | undefined, verdict: Judged | undefined): string {
  if (row?.ratio === undefined) return '<td>–</td>'
  const { median, least, most } = row.ratio
  const text = `${ratioText(median)}<small>(${ratioText(least)}–${ratioText(most)})</small>`
  if (verdict === undefined) return `<td>${text}</td>`
  const said = verdict.outcome === undefined ? verdict.verdict : `p ${escapeText(pText(verdict.adjustedP))}`
  return `<td class="${verdict.outcome ?? 'unknown'}">${text}<small>${said}</small></td>`
}

function absencesOf({ missing, leftOut }: RunRecord): string {
  const missed = missing.map(
    ({ name, install }) => `<li>${escapeText(name)}; to install: <code>${escapeText(install)}</code></li>`,
  )
  const left = leftOut.map(({ what, why }) => `<li>${escapeText(what)}: ${escapeText(why)}</li>`)
  return [
    missed.length === 0 ? '' : `<h2>Missing on this machine</h2><ul>${missed.join('')}</ul>`,
    left.length === 0 ? '' : `<h2>Left out</h2><ul>${left.join('')}</ul>`,
  ].join('\n')
}
