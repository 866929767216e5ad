/**
 * What the checks against programs written in Go have in common: a program is found or installed,
 * run, and ended with this process; where it cannot be had, the check says so and is skipped.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export interface GoProgram {
  /** Of its file. */
  readonly name: string
  /** What `go install` takes. */
  readonly package: string
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv
  /** It is killed if it runs longer; without, it is ended with this process. */
  readonly timeoutMs?: number
}

export interface Ended {
  /** It ended by itself, with 0. */
  readonly ok: boolean
  /** `ended with 1`, `was killed by SIGKILL (it may take 10 s)`. */
  readonly how: string
  /** What it wrote on standard output and standard error. */
  readonly output: string
}

export interface Running {
  readonly pid: number
  readonly ended: Promise<Ended>
  /** The first match in its output, now or later. @throws Error when it ends without, or not in time */
  line(pattern: RegExp): Promise<RegExpExecArray>
}

/** The program is not here and cannot be had, which is no fault of the proxy. */
export class Unavailable extends Error {}

const GO: GoProgram = { name: 'go', package: 'cmd/go' }
/** Installed programs go into a folder of our own, not among the user's. */
const CACHE = path.join(import.meta.dirname, '../../node_modules/.cache/grpc-verbatim')
/** With an empty cache gRPC is a minute of compiling on two cores. */
const INSTALL_TIMEOUT_MS = 300_000
const GO_ENV_TIMEOUT_MS = 10_000
const STARTUP_TIMEOUT_MS = 10_000
/** Ended by SIGINT, as shells tell it. */
const INTERRUPTED = 130

const children = new Set<ChildProcess>()
const folders = new Set<string>()

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(INTERRUPTED))

/** A folder that is gone when this process is. */
export function scratchFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'grpc-verbatim-interop-'))
  folders.add(folder)
  return folder
}

/**
 * Runs a whole check, then ends this process: with 0 when it passed or was skipped, else with 1.
 * @param check its npm script
 * @param run gives whether it passed
 */
export async function main(check: string, run: () => Promise<boolean>): Promise<never> {
  try {
    process.exit((await run()) ? 0 : 1)
  } catch (error) {
    if (!(error instanceof Unavailable)) {
      console.error(error)
      process.exit(1)
    }
    console.log(`SKIPPED: ${check}, because ${error.message}`)
    process.exit(0)
  }
}

/**
 * @param folder the only place to look in, when the user named one
 * @returns its path
 * @throws Unavailable when it is nowhere and cannot be installed; Error when it is not in `folder`
 */
export async function findOrInstall(program: GoProgram, folder?: string): Promise<string> {
  if (folder !== undefined) {
    const named = path.resolve(folder, fileOf(program))
    if (!existsSync(named)) throw new Error(`${named} does not exist`)
    return named
  }
  const go = onPath(GO)[0]
  const goPath = go === undefined ? [] : await goPathOf(go)
  const places = [CACHE, ...goPath, path.join(os.homedir(), 'go')].map(place =>
    path.join(place, 'bin', fileOf(program)),
  )
  const found = [...onPath(program), ...places].find(file => isBuiltFrom(file, program.package))
  return found ?? (await install(program, go))
}

async function install(program: GoProgram, go: string | undefined): Promise<string> {
  const byHand = `go install ${program.package}@latest`
  if (go === undefined) {
    throw new Unavailable(
      `${program.name} is not here, nor is Go. Install Go (https://go.dev/dl), then it by ${byHand}`,
    )
  }
  console.log(`installing ${program.name}: ${byHand}`)
  const env = { ...process.env, GOBIN: path.join(CACHE, 'bin') }
  const { ok, how, output } = await start(go, ['install', `${program.package}@latest`], {
    env,
    timeoutMs: INSTALL_TIMEOUT_MS,
  }).ended
  if (!ok) throw new Unavailable(`${program.name} is not here and go install ${how}:\n${output}Install it by ${byHand}`)
  return path.join(CACHE, 'bin', fileOf(program))
}

export interface BuildOptions {
  /** Instead of `go.mod`: other versions of what it is made of. */
  readonly modFile?: string
  readonly timeoutMs?: number
}

/**
 * Builds a program of ours.
 * @param folder where its `go.mod` is
 * @returns its path, in a folder that is gone when this process is
 * @throws Unavailable when there is no Go, or what it is made of cannot be had
 */
export async function build(
  folder: string,
  { modFile = 'go.mod', timeoutMs = INSTALL_TIMEOUT_MS }: BuildOptions = {},
): Promise<string> {
  const go = onPath(GO)[0]
  if (go === undefined) throw new Unavailable('there is no Go here (https://go.dev/dl)')
  const file = path.join(scratchFolder(), 'program')
  const args = ['build', '-C', folder, `-modfile=${modFile}`, '-o', file, '.']
  const { ok, how, output } = await start(go, args, { env: process.env, timeoutMs }).ended
  if (!ok) throw new Unavailable(`go build in ${folder} ${how}:\n${output}`)
  return file
}

async function goPathOf(go: string): Promise<string[]> {
  const { ok, output } = await start(go, ['env', 'GOPATH'], { timeoutMs: GO_ENV_TIMEOUT_MS }).ended
  return ok ? output.trim().split(path.delimiter) : []
}

function fileOf(program: GoProgram): string {
  return process.platform === 'win32' ? `${program.name}.exe` : program.name
}

function onPath(program: GoProgram): string[] {
  const places = (process.env.PATH ?? '').split(path.delimiter).filter(place => place !== '')
  return places.map(place => path.join(place, fileOf(program))).filter(file => existsSync(file))
}

/** Go writes into a program what it was built from: any program may be called `client`, and is not run. */
function isBuiltFrom(file: string, goPackage: string): boolean {
  try {
    return readFileSync(file).includes(goPackage)
  } catch {
    return false
  }
}

/** Starts a program; whatever becomes of it, it does not outlive this process. */
export function start(file: string, args: readonly string[], options: StartOptions = {}): Running {
  const { env, timeoutMs } = options
  const child = spawn(file, args, { env, timeout: timeoutMs, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  let output = ''
  let onOutput = (): void => {}
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output += text
      onOutput()
    })
  }
  const ended = new Promise<Ended>(resolve => {
    const end = (ok: boolean, how: string): void => {
      children.delete(child)
      resolve({ ok, how, output })
    }
    child.once('error', error => end(false, `did not start: ${error.message}`))
    child.once('close', (code, signal) => {
      const limit = timeoutMs === undefined ? '' : ` (it may take ${timeoutMs / 1000} s)`
      end(code === 0, signal === null ? `ended with ${code}` : `was killed by ${signal}${limit}`)
    })
  })
  const line = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const fail = (how: string): void => reject(new Error(`${file} ${how}, without ${pattern}:\n${output}`))
      const timer = setTimeout(fail, STARTUP_TIMEOUT_MS, `was silent for ${STARTUP_TIMEOUT_MS / 1000} s`)
      onOutput = () => {
        const match = pattern.exec(output)
        if (match === null) return
        clearTimeout(timer)
        resolve(match)
      }
      onOutput()
      ended.then(({ how }) => fail(how))
    })
  return { pid: child.pid ?? 0, ended, line }
}
