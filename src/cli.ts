#!/usr/bin/env node
/** The command line: arguments, exit codes. 0: done; 1: it cannot work; 2: it was called wrongly. */
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { type BenchOptions, describeBench } from './bench/options.ts'
import { drainOnSignals, ignoreOtherSignals, SIGNAL_NUMBERS } from './cli/signals.ts'
import { AddressError, parseEndpointAddress, parseListenAddress } from './config/address.ts'
import { proxyOf } from './config/create-proxy.ts'
import { loadConfig } from './config/load.ts'
import { ConfigError, formatProblem } from './config/problems.ts'
import { jsonSchema } from './config/reference.ts'
import { type Resolution, resolveConfig } from './config/resolve.ts'
import type { ProxyOptions } from './config/schema.ts'
import { createLogger } from './observe/logger.ts'
import { lastLinesWritten } from './observe/standard-output.ts'

type Transport = NonNullable<NonNullable<ProxyOptions['listeners']>[number]['transport']>
type LogLevel = NonNullable<NonNullable<ProxyOptions['log']>['level']>

interface ServeOptions {
  readonly config?: string
  readonly listen?: readonly string[]
  readonly backend?: readonly string[]
  readonly transport?: Transport
  readonly logLevel?: LogLevel
}

const program = new Command('grpc-verbatim')
  .description('A transparent gRPC reverse proxy: forwards calls verbatim, decodes no message.')
  .version(readVersion())
  .showHelpAfterError('(--help tells the options)')
  .exitOverride()

program
  .command('serve')
  .description(
    'run the proxy until SIGTERM, SIGINT or SIGQUIT, then let calls in flight finish; a second signal ends at once',
  )
  .option('-c, --config <file>', 'configuration file (YAML)')
  .option('-l, --listen <host:port>', 'listen here; port 0 takes a free one; may repeat', repeated(parseListenAddress))
  .option(
    '-b, --backend <url>',
    'endpoint: host:port or http:// (h2c), https:// (TLS), unix:/path; several are taken in turn',
    repeated(parseEndpointAddress),
  )
  .addOption(new Option('--transport <name>', 'how HTTP/2 is carried').choices(['native', 'frames']))
  .addOption(
    new Option('--log-level <level>', 'least level that is logged').choices(
      'fatal error warn info debug trace silent'.split(' '),
    ),
  )
  .action(serve)

program
  .command('check')
  .description('tell everything that is wrong with a configuration file')
  .requiredOption('-c, --config <file>', 'configuration file (YAML)')
  .action(({ config }: { config: string }) => check(config))

program
  .command('schema')
  .description('print the JSON Schema of configuration files, for editors')
  .action(() => console.log(JSON.stringify(jsonSchema(), null, 2)))

program
  .command('demo')
  .description('start test backends and a proxy, make a few calls through it, then serve until Ctrl-C')
  .action(demo)

describeBench(program.command('bench')).action(bench)

async function serve(options: ServeOptions, command: Command): Promise<void> {
  const { config, warnings } = configurationOf(options, command)
  const logger = createLogger({ ...config.log, level: options.logLevel ?? config.log.level })
  process.on('uncaughtException', error => {
    logger.fatal({ err: error }, 'uncaught exception')
    process.exit(1)
  })
  ignoreOtherSignals(logger)
  countReadBuffersWithTheHeap()
  const proxy = proxyOf({ ...config, logger }, warnings)
  const draining = drainOnSignals(proxy, lastLinesWritten)
  try {
    await proxy.start()
  } catch (error) {
    // Told to end before it began to listen: the drain ends the process.
    if (draining()) return
    throw error
  }
  // The lines that say where it listens are not to wait for others.
  logger.flush()
}

/**
 * Each read of an accepted socket is into 64 KiB of Node's, outside the heap. V8 by itself starts to mark the whole heap
 * each time some tens of MiB of them have come to be, though most are garbage: with messages of 16 KiB and more that was
 * half the CPU of the proxy. With this flag they count with the heap, for when that is to be marked: uploads cost 0.4 of
 * what they did, for some 20 MiB more (bench: upload, size-256k; small calls: no difference).
 *
 * V8 has it since 13.6 (Node 24), and says it on stderr when it does not know a flag.
 */
function countReadBuffersWithTheHeap(): void {
  const [major = 0, minor = 0] = process.versions.v8.split('.').map(Number)
  const known = major === 14 || (major === 13 && minor >= 6)
  if (known) setFlagsFromString('--external-memory-accounted-in-global-limit')
}

/** @throws ConfigError; ends by a usage error when the options do not go together */
function configurationOf(options: ServeOptions, command: Command): Resolution {
  const { config, listen = [], backend = [], transport } = options
  if (config !== undefined) {
    if (listen.length + backend.length > 0 || transport !== undefined) {
      command.error('error: --config says it all: leave out --listen, --backend and --transport')
    }
    return loadConfig(config)
  }
  if (listen.length === 0 || backend.length === 0) {
    command.error('error: give --config FILE, or both --listen HOST:PORT and --backend URL')
  }
  return resolveConfig({
    listeners: listen.map(address => ({ address, transport })),
    backends: { default: { endpoints: [...backend], transport } },
  })
}

function check(file: string): void {
  try {
    const { config, warnings } = loadConfig(file)
    for (const warning of warnings) console.log(formatProblem({ ...warning, message: `warning: ${warning.message}` }))
    const backends = Object.values(config.backends)
    const endpoints = backends.reduce((sum, { endpoints }) => sum + endpoints.length, 0)
    const found = [
      count(config.listeners.length, 'listener'),
      `${count(backends.length, 'backend')} with ${count(endpoints, 'endpoint')}`,
      count(config.routes.length, 'route'),
    ]
    console.log(`${file} is good: ${found.join(', ')}`)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.log(error.message)
    process.exitCode = 1
  }
}

/** The test service is loaded only here: `serve` needs none of it. */
async function demo(): Promise<void> {
  const { DemoError, runDemo } = await import('./demo/demo.ts')
  try {
    drainOnSignals(await runDemo())
  } catch (error) {
    if (!(error instanceof DemoError)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}

/** Loaded only here, as the demo is. The first signal ends the measuring, a second one at once. */
async function bench(options: BenchOptions, command: Command): Promise<void> {
  const { runBench, UsageError } = await import('./bench/command.ts')
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => (stop.signal.aborted ? process.exit(128 + SIGNAL_NUMBERS[signal]) : stop.abort()))
  }
  const { stderr } = process
  try {
    process.exitCode = await runBench(options, stop.signal, {
      out: console.log,
      error: console.error,
      // Over the line before: back to its beginning, and what is left of it is cleared.
      progress: stderr.isTTY ? line => void stderr.write(`\r\x1b[K${line}`) : undefined,
    })
  } catch (error) {
    if (error instanceof UsageError) command.error(`error: ${error.message}`)
    throw error
  }
}

/** Collects the values of an option that may repeat; each must parse. */
function repeated(parse: (text: string) => unknown) {
  return (value: string, earlier: string[] = []): string[] => {
    try {
      parse(value)
    } catch (error) {
      if (error instanceof AddressError) throw new InvalidArgumentError(`It ${error.message}.`)
      throw error
    }
    return [...earlier, value]
  }
}

/** Tells what went wrong, unless commander did already. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof ConfigError) {
    console.error(error.message)
    return 1
  }
  const sentence = listenFailure(error)
  if (sentence === undefined) throw error
  console.error(`grpc-verbatim: ${sentence}`)
  return 1
}

const LISTEN_FAILURES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use, by another process or another listener',
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'this machine does not have the address',
  ENOTFOUND: 'the host name cannot be resolved',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ENOENT: 'the folder of the socket does not exist',
  ENOTSOCK: 'there is a file that is no socket, which stays as it is',
}

/** A sentence for what the system says when an address cannot be had. */
function listenFailure(error: unknown): string | undefined {
  const { code, address, hostname, port } = error as Record<'code' | 'address' | 'hostname', string | undefined> & {
    port?: number
  }
  const reason = LISTEN_FAILURES[code ?? '']
  if (reason === undefined) return undefined
  const host = address ?? hostname ?? ''
  const where = port === undefined || port < 0 ? host : host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return `cannot listen on ${where}: ${reason} (${code})`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return version
}

// Last, so that everything above is there when a command runs.
try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = exitCodeOf(error)
}
