/** `grpc-verbatim serve`: the proxy as a process of its own. */
import { setFlagsFromString } from 'node:v8'
import type { Command } from 'commander'
import type { Logger } from 'pino'
import type { LogOptions, TransportOption } from '../config/options.ts'
import type { ReadConfig } from '../config/reload.ts'
import { type Resolution, resolveConfig } from '../config/resolve.ts'
import { systemClock } from '../transport/clock.ts'
import { Failure, sentenceOf } from './exit.ts'
import { warnOfFewFiles } from './open-files.ts'
import { PidFile } from './pid-file.ts'
import { Predecessor } from './predecessor.ts'
import { type ServedProxy, Serving } from './serving.ts'
import { reloadOnHangup } from './signals.ts'
import { inheritFromSystemd } from './socket-activation.ts'

export interface ServeOptions {
  readonly config?: string
  readonly listen?: readonly string[]
  readonly backend?: readonly string[]
  readonly transport?: TransportOption
  readonly logLevel?: LogOptions['level']
  readonly watch?: boolean
  readonly workers?: number | 'auto'
  readonly pidFile?: string
  readonly replace?: boolean
}

export async function serve(options: ServeOptions, command: Command): Promise<void> {
  inheritFromSystemd()
  const predecessor = Predecessor.ofThisProcess()
  try {
    await run(options, command, predecessor)
  } catch (error) {
    predecessor?.failed(sentenceOf(error) ?? String(error))
    throw error
  }
}

async function run(options: ServeOptions, command: Command, predecessor: Predecessor | undefined): Promise<void> {
  const read = await readerOf(options, command)
  const files = new Set<string>()
  const resolution = read(files)
  const pidFile = options.pidFile === undefined ? undefined : new PidFile(options.pidFile)
  if (options.replace) {
    const { replaceRunning } = await import('./replace.ts')
    const done = await replaceRunning(pidFile ?? command.error('error: --replace needs --pid-file FILE'))
    if (done !== undefined) return console.log(done)
  }
  checkWritable(pidFile)
  const flags = readBufferFlags()
  for (const flag of flags) setFlagsFromString(flag)
  // YAML is for files only, and so is what reads one again.
  const reloading = options.config === undefined ? undefined : await import('../config/reload.ts')
  const proxy = await proxyOf(resolution, flags)
  const { log } = proxy
  const manager = await serviceManagerOf(log)
  const serving = new Serving({ proxy, pidFile, predecessor, manager })
  warnOfFewFiles(log, resolution.config.limits.maxClientSessions)
  const started = await serving.begin()
  const setup = { file: options.config ?? '', read, log, started: started.listening, follower: manager }
  const reloader = reloading && new reloading.Reloader(proxy, setup)
  reloadOnHangup(log, reloader)
  if (reloader !== undefined) proxy.reload = () => reloader.reload('the admin address')
  if (options.watch) reloader?.watch(systemClock, files)
  await serving.complete(started)
}

/** Undefined: systemd does not ask to be told how this process is, or there is none. */
async function serviceManagerOf(log: Logger) {
  if (!process.env.NOTIFY_SOCKET) return undefined
  const { ServiceManager } = await import('./service-manager.ts')
  return new ServiceManager(log)
}

/** Before anything listens. @throws Failure */
function checkWritable(pidFile: PidFile | undefined): void {
  try {
    pidFile?.checkWritable()
  } catch (error) {
    throw new Failure(`the pid file cannot be written: ${(error as Error).message}`)
  }
}

/** Exit codes above are those of signals. */
const SIGNALLED = 128

/** What serves: this process, or workers that it starts. Of the other one nothing is loaded. */
async function proxyOf(resolution: Resolution, flags: readonly string[]): Promise<ServedProxy> {
  if (resolution.config.workers === undefined) {
    const { ConfiguredProxy } = await import('../config/configured-proxy.ts')
    return new ConfiguredProxy(resolution)
  }
  const { Primary } = await import('../workers/primary.ts')
  const primary = new Primary(resolution, { execArgv: [...process.execArgv, ...flags] })
  // By a second signal nobody is left behind. Where the primary ends by a mistake, workers finish what they have.
  process.on('exit', code => {
    if (code > SIGNALLED) primary.kill()
  })
  return primary
}

/**
 * What reads the configuration, each time that it is called.
 * @throws ConfigError; ends by a usage error when the options do not go together
 */
async function readerOf(options: ServeOptions, command: Command): Promise<ReadConfig> {
  const { config, listen = [], backend = [], transport, logLevel, watch, workers } = options
  const withOptions = (resolution: Resolution): Resolution => {
    const { config } = resolution
    const log = { ...config.log, level: logLevel ?? config.log.level }
    return { ...resolution, config: { ...config, log, ...(workers !== undefined && { workers }) } }
  }
  if (config !== undefined) {
    if (listen.length + backend.length > 0 || transport !== undefined) {
      command.error('error: --config says it all: leave out --listen, --backend and --transport')
    }
    const { loadConfig } = await import('../config/load.ts')
    return (files, before) => withOptions(loadConfig(config, files, before))
  }
  if (listen.length === 0 || backend.length === 0) {
    command.error('error: give --config FILE, or both --listen HOST:PORT and --backend URL')
  }
  if (watch) command.error('error: --watch needs --config FILE')
  const given = {
    listeners: listen.map(address => ({ address, transport })),
    backends: { default: { endpoints: [...backend], transport } },
  }
  return () => withOptions(resolveConfig(given))
}

/**
 * Each read of an accepted socket goes into 64 KiB of Node's, outside the heap. By default V8 starts to mark the whole
 * heap each time some tens of MiB of them have been allocated, although most are garbage by then: with messages of
 * 16 KiB and more that was half of the proxy's CPU. With this flag they count with the heap, for the question when to
 * mark it: uploads cost 0.4 of what they did, for some 20 MiB more (bench: upload, size-256k; small calls: no
 * difference).
 *
 * V8 has the flag since 13.6 (Node 24), and complains on stderr about a flag that it does not know.
 */
function readBufferFlags(): string[] {
  const [major = 0, minor = 0] = process.versions.v8.split('.').map(Number)
  const known = major === 14 || (major === 13 && minor >= 6)
  return known ? ['--external-memory-accounted-in-global-limit'] : []
}
