/** `grpc-verbatim bench`: checks the options, measures, and reports. */
import { writeFileSync } from 'node:fs'
import { CHART_TITLE, curves } from './chart.ts'
import { type Draw, loadDraw } from './draw.ts'
import { measure, type Progress } from './measure.ts'
import { withoutSecrets } from './metadata.ts'
import type { BenchOptions } from './options.ts'
import { pageOf } from './page.ts'
import { type Plan, planOf } from './plan.ts'
import { BenchFailure } from './problem.ts'
import { isFailing, isMissing, type Report, reportOf } from './report.ts'
import { terminalText } from './table.ts'

export { UsageError } from './problem.ts'

export interface BenchOutput {
  readonly out: (text: string) => void
  readonly error: (text: string) => void
  /** Takes the line that shows the progress, again and again. Undefined where nobody watches. */
  readonly progress?: (line: string) => void
}

/**
 * Measures, and writes what was found.
 * @param signal ends the measuring; what was measured so far is told
 * @returns the exit code: 0 measured as planned; 1 it cannot be measured, or too many calls failed or had no response;
 * 130 ended by `signal`
 * @throws UsageError before anything is sent
 */
export async function runBench(options: BenchOptions, signal: AbortSignal, output: BenchOutput): Promise<number> {
  const plan = planOf(options)
  try {
    // Before the load, so that nobody waits for a page that cannot be drawn.
    const draw = plan.html === undefined ? undefined : await loadDraw()
    const measurement = await measure(plan, signal, progress => output.progress?.(progressLine(progress)))
    output.progress?.('')
    const report = reportOf(plan, measurement)
    output.out(terminalText(report))
    await writeFiles(plan, report, draw)
    if (report.stopped?.by === 'user') return 130
    return report.stopped !== undefined || report.ways.some(isFailing) || isMissing(report.ways) ? 1 : 0
  } catch (error) {
    if (!(error instanceof BenchFailure)) throw error
    output.progress?.('')
    output.error(`grpc-verbatim bench: ${withoutSecrets(error.message, plan.secrets)}`)
    return 1
  }
}

async function writeFiles({ html, json }: Plan, report: Report, draw: Draw | undefined): Promise<void> {
  try {
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`)
    if (html !== undefined && draw !== undefined)
      writeFileSync(html, pageOf(report, await draw(curves(report), CHART_TITLE)))
  } catch (error) {
    throw new BenchFailure(`cannot write: ${(error as Error).message}`)
  }
}

function progressLine({ way, slice, slices, secondsLeft }: Progress): string {
  const what = slice === 0 ? 'warming up' : `slice ${slice} of ${slices}`
  return `${what}, ${way}; ${Math.ceil(secondsLeft)} s left (Ctrl-C tells what was measured so far)`
}
