/**
 * Installs the subjects that are missing on this machine, as far as that is possible: from Debian, PyPI and Go's
 * modules.
 * `npm run bench:peers`, with `-- --dry-run` it only prints the lines. It names what it cannot install, and that is no
 * failure.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { shellText } from '../src/bench/argument.ts'
import { CONTENDERS } from './subjects/all.ts'
import { lookAround, planFor, type Step } from './subjects/installation.ts'
import { CACHE } from './subjects/installed.ts'
import { exitCodeOf, parsed } from './suite/usage.ts'

/** The time for one line, enough for a slow mirror. */
const STEP_MS = 600_000

const HELP = `npm run bench:peers -- [options]

  --dry-run             says the lines and runs none`

process.exitCode = await exitCodeOf(async () => main(process.argv.slice(2)), HELP)

/** @returns the exit code */
function main(args: readonly string[]): number {
  const flag = { type: 'boolean', default: false } as const
  const { values } = parsed({ args: [...args], options: { 'dry-run': flag, help: flag } })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const dryRun = values['dry-run']
  const { steps, obstacles } = planFor(lookAround())
  const failed: string[] = []
  if (!dryRun) mkdirSync(CACHE, { recursive: true })
  for (const step of steps) {
    console.log(lineOf(step))
    if (!dryRun && !run(step)) failed.push(`${step.what}: the line above did not work`)
  }
  for (const obstacle of [...obstacles, ...failed]) console.log(`Not done: ${obstacle}`)
  if (!dryRun) listSubjects(steps)
  return 0
}

function listSubjects(steps: readonly Step[]): void {
  if (steps.some(({ line }) => /^(nginx|haproxy)/.test(line.at(-1)!))) {
    console.log('Debian may have started nginx and haproxy as services; the suite does not need those.')
  }
  console.log('\nSubjects:')
  for (const { name, find } of CONTENDERS) {
    const found = find()
    console.log(
      `  ${name.padEnd(14)} ${'missing' in found ? `missing: ${found.missing}; ${found.install}` : found.version}`,
    )
  }
}

function run({ line: [command, ...args], cwd }: Step): boolean {
  const { status, error } = spawnSync(command!, args, {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: STEP_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', PIP_ROOT_USER_ACTION: 'ignore' },
  })
  if (error !== undefined) console.log(error.message)
  return status === 0
}

/** The line as one would type it. */
function lineOf({ what, line, cwd }: Step): string {
  const typed = shellText(line)
  return `# ${what}\n${cwd === undefined ? typed : `(cd ${cwd} && ${typed})`}`
}
