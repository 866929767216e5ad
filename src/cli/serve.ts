/** `grpc-verbatim serve`: the proxy as a process of its own. */
import { setFlagsFromString } from 'node:v8'
import type { Command } from 'commander'
import { ConfiguredProxy } from '../config/configured-proxy.ts'
import type { LogOptions, TransportOption } from '../config/options.ts'
import { type Resolution, resolveConfig } from '../config/resolve.ts'
import { createLogger } from '../observe/logger.ts'
import { lastLinesWritten } from '../observe/standard-output.ts'
import { drainOnSignals, ignoreOtherSignals } from './signals.ts'

export interface ServeOptions {
  readonly config?: string
  readonly listen?: readonly string[]
  readonly backend?: readonly string[]
  readonly transport?: TransportOption
  readonly logLevel?: LogOptions['level']
}

export async function serve(options: ServeOptions, command: Command): Promise<void> {
  const { config, warnings } = await configurationOf(options, command)
  const logger = createLogger({ ...config.log, level: options.logLevel ?? config.log.level })
  process.on('uncaughtException', error => {
    logger.fatal({ err: error }, 'uncaught exception')
    process.exit(1)
  })
  ignoreOtherSignals(logger)
  countReadBuffersWithTheHeap()
  const proxy = new ConfiguredProxy({ config: { ...config, logger }, warnings })
  const draining = drainOnSignals(proxy, lastLinesWritten)
  try {
    await proxy.start()
  } catch (error) {
    // Told to end before it began to listen: the drain ends the process.
    if (draining()) return
    throw error
  }
  // The lines that say where it listens must not wait for others.
  logger.flush()
}

/** @throws ConfigError; ends by a usage error when the options do not go together */
async function configurationOf(options: ServeOptions, command: Command): Promise<Resolution> {
  const { config, listen = [], backend = [], transport } = options
  if (config !== undefined) {
    if (listen.length + backend.length > 0 || transport !== undefined) {
      command.error('error: --config says it all: leave out --listen, --backend and --transport')
    }
    // YAML is for files only.
    return (await import('../config/load.ts')).loadConfig(config)
  }
  if (listen.length === 0 || backend.length === 0) {
    command.error('error: give --config FILE, or both --listen HOST:PORT and --backend URL')
  }
  return resolveConfig({
    listeners: listen.map(address => ({ address, transport })),
    backends: { default: { endpoints: [...backend], transport } },
  })
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
function countReadBuffersWithTheHeap(): void {
  const [major = 0, minor = 0] = process.versions.v8.split('.').map(Number)
  const known = major === 14 || (major === 13 && minor >= 6)
  if (known) setFlagsFromString('--external-memory-accounted-in-global-limit')
}
