/** Runs the command line as a real process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Scope } from '../support/teardown.ts'

export const CLI = join(import.meta.dirname, '../../src/cli.ts')

export interface Exit {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly exit: Promise<Exit>
  /** The first match in what it wrote to standard output, now or later. Rejects when it ends without. */
  output(pattern: RegExp): Promise<RegExpExecArray>
}

export function start(t: Scope, ...args: string[]): Running {
  return startNode(t, CLI, ...args)
}

/** The same with arguments of Node's before those of the command line. */
export function startNode(t: Scope, ...args: string[]): Running {
  return startProgram(t, process.execPath, ...args)
}

export function startProgram(t: Scope, program: string, ...args: string[]): Running {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  const waiting = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
    for (const look of waiting) look()
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const exit = new Promise<Exit>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ code, stdout, stderr }))
  })
  t.teardown(() => child.kill('SIGKILL'))

  const output = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(stdout)
        if (found === null) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
      exit.then(
        ({ code }) => reject(new Error(`ended with ${code} before it wrote ${pattern}: ${stdout}${stderr}`)),
        reject,
      )
    })
  return { child, exit, output }
}

/** Runs it to its end. */
export function run(t: Scope, ...args: string[]): Promise<Exit> {
  return start(t, ...args).exit
}
