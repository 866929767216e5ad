/**
 * Echo servers and clients on the gRPC libraries of other languages (the folders beside this file): built with
 * the toolchains that are there, into a folder of the user's cache, and ended with this process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

/** What is needed is not here and cannot be had, which is no fault of the proxy. */
export class Unavailable extends Error {}

export interface Peer {
  readonly name: string
  /** Of a server that is started: where it listens, and its version. */
  serve(): Promise<Server>
  /** A server with the health service of its library; not every peer has one. */
  readonly health?: () => Promise<HealthServer>
  /** A program that makes calls; not every peer has one. */
  readonly call?: (address: string) => Promise<Caller>
  /** Answers when the request is at its end, and no sooner. */
  readonly answersAtEnd?: boolean
}

/** How often a server of grpc-go lets clients send PING, and how old it lets connections become; as Go writes them. */
export interface GoLimits {
  readonly minTime?: string
  readonly age?: string
  readonly grace?: string
}

export interface Server {
  readonly port: number
  readonly version: string
  /** Of a program of ours. */
  readonly pid?: number | undefined
  stop(): void
}

/** Any call ends with OK. */
export interface HealthServer extends Server {
  readonly pid: number
  /** @param status `SERVING`, `NOT_SERVING` */
  set(service: string, status: string): void
}

/** A client that makes one unary call for each line that it is given. */
export interface Caller {
  readonly version: string
  /** Resolves with the status that the client tells; never rejects. */
  call(path: string, patienceMs?: number): Promise<Told>
  stop(): void
}

export interface Told {
  /** `undefined` when the client ended or told nothing in time. */
  readonly code: number | undefined
  readonly message: string
}

const HERE = import.meta.dirname
const CACHE = path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'grpc-verbatim', 'peers')
/** With empty caches Rust compiles for two minutes on two busy cores. */
const BUILD_TIMEOUT_MS = 600_000
const STARTUP_TIMEOUT_MS = 60_000
const CALL_TIMEOUT_MS = 30_000
/** Ended by SIGINT, as shells tell it. */
const INTERRUPTED = 130
/** Of what a failed build printed. */
const LAST_CHARACTERS = 2_000

const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(INTERRUPTED))

/** Runs a build to its end. @throws Unavailable when it fails: without a registry nothing can be built */
async function build(file: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const options = { cwd, env: { ...process.env, ...env }, timeout: BUILD_TIMEOUT_MS, killSignal: 'SIGKILL' } as const
  const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (output += text))
  const code = await new Promise(resolve => child.once('error', resolve).once('close', resolve))
  children.delete(child)
  if (code === 0) return
  throw new Unavailable(`${file} ${args[0]} failed (${code}):\n${output.slice(-LAST_CHARACTERS)}`)
}

function needs(...programs: string[]): void {
  const places = (process.env.PATH ?? '').split(path.delimiter)
  const missing = programs.filter(program => !places.some(place => existsSync(path.join(place, program))))
  if (missing.length > 0) throw new Unavailable(`there is no ${missing.join(' and no ')} here`)
}

function cacheOf(name: string): string {
  const folder = path.join(CACHE, name)
  mkdirSync(folder, { recursive: true })
  return folder
}

/** Starts a program and waits for the line that says where it is. */
async function start(command: readonly string[], announces: RegExp): Promise<{ child: ChildProcess; said: string[] }> {
  const [file, ...args] = command
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  children.add(child)
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', text => (errors = (errors + text).slice(-LAST_CHARACTERS)))
  // Writing to one that has ended.
  child.stdin.on('error', () => {})
  const said = await new Promise<string[]>((resolve, reject) => {
    const fail = (why: unknown): void => reject(new Error(`${command.join(' ')} did not start (${why}):\n${errors}`))
    const timer = setTimeout(fail, STARTUP_TIMEOUT_MS, 'it was silent')
    child.once('error', fail).once('close', fail)
    createInterface({ input: child.stdout }).on('line', line => {
      const match = announces.exec(line)
      if (match === null) return
      clearTimeout(timer)
      resolve([...match])
    })
  })
  return { child, said }
}

function stop(child: ChildProcess): void {
  children.delete(child)
  child.kill('SIGKILL')
}

async function serving(command: readonly string[]): Promise<Server> {
  const { child, said } = await start(command, /^listening on [\d.]+:(\d+), (.*)$/)
  return { port: Number(said[1]), version: said[2]!, pid: child.pid, stop: () => stop(child) }
}

async function servingHealth(command: readonly string[]): Promise<HealthServer> {
  const { child, said } = await start(command, /^listening on [\d.]+:(\d+), (.*)$/)
  return {
    port: Number(said[1]),
    version: said[2]!,
    pid: child.pid!,
    stop: () => stop(child),
    set: (service, status) => child.stdin!.write(`${service} ${status}\n`),
  }
}

async function calling(command: readonly string[], address: string): Promise<Caller> {
  const { child, said } = await start([...command, address], /^calling \S+, (.*)$/)
  const waiting = new Map<string, (told: Told) => void>()
  let last = 0
  const silent: Told = { code: undefined, message: 'the client told nothing' }
  createInterface({ input: child.stdout! }).on('line', line => {
    const [, id, code, message] = /^(\d+) (\d+) (.*)$/.exec(line) ?? []
    if (id !== undefined) waiting.get(id)?.({ code: Number(code), message: message! })
  })
  child.once('close', () => {
    for (const tell of waiting.values()) tell({ code: undefined, message: 'the client ended' })
  })
  return {
    version: said[1]!,
    stop: () => stop(child),
    call: (path, patienceMs = CALL_TIMEOUT_MS) =>
      new Promise(resolve => {
        const id = String(++last)
        const end = (told: Told): void => {
          clearTimeout(timer)
          waiting.delete(id)
          resolve(told)
        }
        const timer = setTimeout(end, patienceMs, silent)
        waiting.set(id, end)
        child.stdin!.write(`${id} ${path}\n`)
      }),
  }
}

/** A peer of which one program is both. It is prepared once. */
function program(name: string, prepare: () => Promise<readonly string[]>, serveMode = 'serve'): Peer {
  let prepared: Promise<readonly string[]> | undefined
  const command = (): Promise<readonly string[]> => (prepared ??= prepare())
  return {
    name,
    serve: async () => serving([...(await command()), serveMode]),
    call: async address => calling([...(await command()), 'call'], address),
  }
}

/** Two peers of one folder share what is built. */
function shared<T>(build: () => Promise<T>): () => Promise<T> {
  let built: Promise<T> | undefined
  return () => {
    built ??= build()
    return built
  }
}

async function buildGo(): Promise<readonly string[]> {
  needs('go')
  const file = path.join(cacheOf('go'), 'peer')
  await build('go', ['build', '-trimpath', '-o', file, '.'], path.join(HERE, 'go'))
  return [file]
}

async function rust(): Promise<readonly string[]> {
  needs('cargo')
  const folder = cacheOf('rust')
  await build('cargo', ['build', '--quiet', '--locked'], path.join(HERE, 'rust'), { CARGO_TARGET_DIR: folder })
  return [path.join(folder, 'debug', 'peer')]
}

async function buildJava(): Promise<readonly string[]> {
  needs('java', 'mvn')
  const folder = cacheOf('java')
  const goals = ['compile', 'dependency:copy-dependencies', '-DincludeScope=runtime']
  await build('mvn', ['--quiet', '--batch-mode', `-Doutput=${folder}`, ...goals], path.join(HERE, 'java'))
  return [
    'java',
    '-cp',
    [path.join(folder, 'classes'), path.join(folder, 'dependency', '*')].join(path.delimiter),
    'Peer',
  ]
}

/** @returns a Python that has what `requirements.txt` names */
async function buildPython(): Promise<string> {
  needs('python3')
  const folder = cacheOf('python')
  const inside = path.join(folder, 'bin', 'python')
  if (!existsSync(inside)) await build('python3', ['-m', 'venv', folder], HERE)
  const requirements = path.join(HERE, 'python', 'requirements.txt')
  const options = ['--quiet', '--disable-pip-version-check', '--only-binary=:all:', '--requirement', requirements]
  await build(inside, ['-m', 'pip', 'install', ...options], HERE)
  return inside
}

const go = shared(buildGo)
const java = shared(buildJava)
const python = shared(buildPython)

export async function grpcGo({ minTime = '0', age = '0', grace = '0' }: GoLimits): Promise<Server> {
  return serving([...(await go()), 'serve-for', minTime, age, grace])
}

async function pythonProgram(file: string): Promise<readonly string[]> {
  return [await python(), path.join(HERE, 'python', file)]
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function nghttpdVersion(): Promise<string> {
  const child = spawn('nghttpd', ['--version'])
  let said = ''
  child.stdout.setEncoding('utf8').on('data', text => (said += text))
  await once(child, 'close')
  return said.trim()
}

/** nghttpd says nothing when it listens. */
async function nghttpd(): Promise<Server> {
  needs('nghttpd')
  const port = await freePort()
  const answers = ['--echo-upload', '--trailer=grpc-status: 0']
  const child = spawn('nghttpd', ['--no-tls', ...answers, '-d', os.tmpdir(), '-a', '127.0.0.1', String(port)])
  children.add(child)
  const ends = Date.now() + STARTUP_TIMEOUT_MS
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const connected = await new Promise(resolve =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
    )
    socket.destroy()
    if (connected) return { port, version: await nghttpdVersion(), stop: () => stop(child) }
    if (Date.now() > ends) throw new Error('nghttpd did not start')
  }
}

export const PEERS: readonly Peer[] = [
  { ...program('grpc-go', go), health: async () => servingHealth([...(await go()), 'serve-health']) },
  { ...program('net-http', go, 'serve-http'), call: undefined },
  program('tonic', rust),
  { ...program('grpc-java', java), health: async () => servingHealth([...(await java()), 'serve-health']) },
  {
    ...program('grpcio', () => pythonProgram('peer.py')),
    health: async () => servingHealth(await pythonProgram('health_peer.py')),
  },
  program('grpclib', () => pythonProgram('grpclib_peer.py')),
  program('grpc-js', async () => [process.execPath, path.join(HERE, 'node', 'peer.ts')]),
  { name: 'nghttpd', serve: nghttpd, answersAtEnd: true },
]
