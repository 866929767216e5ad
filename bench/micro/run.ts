/**
 * Measures what the hot parts cost by themselves: `npm run bench:micro -- [FILTER…] [options]`. README.md says what it
 * cannot tell.
 *
 * Each part is measured in a process of its own. V8 compiles a function for the shapes and types that it has met so
 * far, and its inline caches remember them for all callers: a reader that was run with two handlers is not the same
 * reader as one that knows only its own. In one process the first part would be measured alone and the last after
 * all the others. Within a part this is the same as in a proxy, where each piece meets all kinds of calls.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { numberOf, shellText } from '../../src/bench/argument.ts'
import type { Bound } from '../../src/bench/bounds.ts'
import { UsageError } from '../../src/bench/problem.ts'
import { exitCodeOf, parsed } from '../suite/usage.ts'
import type { Request } from './measure.ts'
import { PART_NAMES, type PartName } from './parts.ts'
import { type CaseResult, tableOf } from './result.ts'

/** The time for each case, in all rounds together. */
const MIN_CPU_MS: Bound = { least: 1, most: 60_000, usual: 400 }
/** A part that takes longer hangs. At the default, the longest takes half a minute. */
const PART_TIMEOUT_MS = 900_000
const MEASURE = fileURLToPath(new URL('measure.ts', import.meta.url))

const HELP = `npm run bench:micro -- [FILTER…] [options]

  FILTER              cases with this in "part: name", say "router:" or "decode request"; several: any of them.
                      Parts: ${PART_NAMES.join(', ')}
  --min-cpu-ms N      measured by case (default ${MIN_CPU_MS.usual})
  --json FILE         the results
  --help`

process.exitCode = await exitCodeOf(() => main(process.argv.slice(2)), HELP)

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals: words } = parsed({
    args: [...args],
    allowPositionals: true,
    options: {
      'min-cpu-ms': { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const minCpuMs = numberOf('--min-cpu-ms', values['min-cpu-ms'], MIN_CPU_MS, 'milliseconds')
  console.log(`Node ${process.version}, ${os.cpus()[0]?.model ?? os.arch()}: median (middle half) of single runs`)
  const results: CaseResult[] = []
  for (const part of PART_NAMES) {
    if (!mayHave(part, words)) continue
    const its = await measured(part, { words, minCpuMs })
    if (its.length === 0) continue
    console.log(`\n${part}\n${tableOf(its)}`)
    results.push(...its)
  }
  if (results.length === 0) throw new UsageError(`no case has ${words.map(word => `"${word}"`).join(' or ')} in it`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(recordOf(results, minCpuMs), null, 2)}\n`)
  return 0
}

/** Whether the part needs a process: words that name other parts do not concern it. */
function mayHave(part: PartName, words: readonly string[]): boolean {
  const named = (word: string): PartName | undefined => PART_NAMES.find(name => word.startsWith(`${name}:`))
  return words.length === 0 || words.some(word => (named(word) ?? part) === part)
}

/** @throws Error when the process fails, or takes longer than `PART_TIMEOUT_MS` */
async function measured(part: PartName, request: Request): Promise<readonly CaseResult[]> {
  if (process.stderr.isTTY) process.stderr.write(`${part} …`)
  const args = ['--expose-gc', MEASURE, part, JSON.stringify(request)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: PART_TIMEOUT_MS })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const endWithUs = (): boolean => child.kill()
  process.once('SIGTERM', endWithUs)
  const [code, signal] = await once(child, 'close')
  process.off('SIGTERM', endWithUs)
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  if (code !== 0) throw new Error(`${part}: the process that measures it ended with ${signal ?? code}`)
  return JSON.parse(output) as CaseResult[]
}

function recordOf(results: readonly CaseResult[], minCpuMs: number) {
  return {
    format: 1,
    date: new Date().toISOString(),
    command: shellText(['npm', 'run', 'bench:micro', '--', ...process.argv.slice(2)]),
    cpu: os.cpus()[0]?.model ?? os.arch(),
    system: `${os.type()} ${os.release()}`,
    versions: { node: process.versions.node, v8: process.versions.v8 },
    minCpuMs,
    cases: results,
  }
}
