/** Turns options into a plan. Everything is checked, and files are read, before anything is sent. */
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { AddressError, type EndpointAddress, formatEndpointAddress, parseEndpointAddress } from '../config/address.ts'
import { readPemFiles } from '../config/pem.ts'
import { reasonOf } from '../config/pem-source.ts'
import { PREFIX_BYTES } from '../grpc/message.ts'
import { formatTimeout } from '../grpc/timeout.ts'
import type { DialAddress } from '../transport/transport.ts'
import { fieldOf, type HeaderField } from '../wire/index.ts'
import { numberOf } from './argument.ts'
import { BOUNDS, OPEN_BYTES_MAX } from './bounds.ts'
import { commandLine } from './command-line.ts'
import { framed, messageBytes } from './message.ts'
import { type MetadataField, parseMetadata, secretsOf } from './metadata.ts'
import type { BenchOptions } from './options.ts'
import { UsageError } from './problem.ts'

export type WayName = 'direct' | 'via'

/** One of the two ways to the service. */
export interface WayPlan {
  readonly name: WayName
  readonly target: DialAddress
  readonly authority: string
  /** The header block of every call. It is one object for all calls, so it is encoded once. */
  readonly block: readonly HeaderField[]
}

export type Load =
  | { readonly kind: 'closed'; readonly concurrency: number }
  /** Calls a second. */
  | { readonly kind: 'open'; readonly rate: number }

export interface Plan {
  /** One or two ways, direct first. */
  readonly ways: readonly WayPlan[]
  readonly path: string
  /** With gRPC's prefix. */
  readonly message: Buffer
  readonly load: Load
  readonly connections: number
  readonly durationMs: number
  readonly warmUpMs: number
  readonly timeoutMs: number
  readonly html: string | undefined
  readonly json: string | undefined
  /** The command as it is shown, without secrets. */
  readonly command: string
  /** What no output may show. */
  readonly secrets: readonly string[]
}

/** @throws UsageError for the first thing that is wrong */
export function planOf(options: BenchOptions): Plan {
  if (options.direct === undefined && options.via === undefined) {
    throw new UsageError('no address, so nothing is sent: give --direct ADDRESS, --via ADDRESS, or both')
  }
  const path = pathOf(options.path)
  const fields = parseMetadata(options.metadata ?? [])
  const message = framed(
    messageBytes(options.message, path, { files: options.proto ?? [], importPaths: options.importPath ?? [] }),
  )
  const timeoutMs = numberOf('--timeout-ms', options.timeoutMs, BOUNDS.timeoutMs, 'milliseconds', true)
  const load = loadOf(options, message.length)
  const connections = numberOf('--connections', options.connections, BOUNDS.connections, 'connections', true)
  if (load.kind === 'closed' && connections > load.concurrency) {
    const { concurrency } = load
    throw new UsageError(
      `--connections ${connections} is more than the calls at a time: --concurrency is ${concurrency}`,
    )
  }
  for (const option of ['html', 'json'] as const) checkWritable(`--${option}`, options[option])
  if (isSameFile(options.html, options.json)) {
    throw new UsageError(`--html and --json are both ${options.json}: one would overwrite the other`)
  }
  return {
    ways: waysOf(options, path, timeoutMs, fields),
    path,
    message,
    load,
    connections,
    durationMs: 1_000 * numberOf('--duration', options.duration, BOUNDS.duration, 'seconds'),
    warmUpMs: 1_000 * numberOf('--warm-up', options.warmUp, BOUNDS.warmUp, 'seconds'),
    timeoutMs,
    html: options.html,
    json: options.json,
    command: commandLine(options, message.length - PREFIX_BYTES),
    secrets: secretsOf(fields),
  }
}

function pathOf(path: string | undefined): string {
  if (path === undefined) throw new UsageError('no method: give --path /pkg.Service/Method')
  if (/^\/[\w.]+\/\w+$/.test(path)) return path
  throw new UsageError(`--path ${JSON.stringify(path)} is not a method: write /pkg.Service/Method`)
}

function loadOf({ rate, concurrency }: BenchOptions, messageBytes: number): Load {
  if (rate !== undefined) {
    if (concurrency !== undefined) {
      throw new UsageError(
        '--rate begins calls at times of its own, --concurrency when others end: give one of the two',
      )
    }
    return { kind: 'open', rate: numberOf('--rate', rate, BOUNDS.rate, 'calls a second') }
  }
  const calls = numberOf('--concurrency', concurrency, BOUNDS.concurrency, 'calls', true)
  if (calls * messageBytes > OPEN_BYTES_MAX) {
    const most = Math.floor(OPEN_BYTES_MAX / messageBytes)
    throw new UsageError(
      `--concurrency ${calls} is too much with a message of ${messageBytes} bytes: ${most} is the most`,
    )
  }
  return { kind: 'closed', concurrency: calls }
}

function checkWritable(option: string, file: string | undefined): void {
  if (file === undefined) return
  if (file === '') throw new UsageError(`${option} is empty: give a file`)
  try {
    if (existsSync(file) && statSync(file).isDirectory()) throw new Error('it is a directory')
    accessSync(existsSync(file) ? file : dirname(file), constants.W_OK)
  } catch (error) {
    throw new UsageError(`${option}: cannot write ${file}: ${reasonOf(error)}`)
  }
}

/** Whether both names lead to the same file, also where it exists under another name. */
function isSameFile(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return false
  return placeOf(one) === placeOf(other)
}

function placeOf(file: string): string {
  return existsSync(file) ? realpathSync(file) : join(realpathSync(dirname(file)), basename(file))
}

function waysOf(options: BenchOptions, path: string, timeoutMs: number, fields: readonly MetadataField[]): WayPlan[] {
  const given = (['direct', 'via'] as const).flatMap(name => {
    const text = options[name]
    return text === undefined ? [] : [{ name, address: addressOf(name, text) }]
  })
  const files = Object.entries({ ca: options.ca, cert: options.cert, key: options.key })
  const empty = files.find(([, file]) => file === '')
  if (empty !== undefined) throw new UsageError(`--${empty[0]} is empty: give a file`)
  const encrypted = given.some(({ address }) => isEncrypted(address))
  const tls = tlsOf(options, encrypted)
  if (options.authority !== undefined && !/^[\w.:[\]%-]+$/.test(options.authority)) {
    throw new UsageError(
      `--authority ${JSON.stringify(options.authority)} is not an authority: write host or host:port`,
    )
  }
  return given.map(({ name, address }) => {
    const authority = options.authority ?? authorityOf(address)
    const scheme = isEncrypted(address) ? 'https' : 'http'
    const head = { ':method': 'POST', ':scheme': scheme, ':path': path, ':authority': authority }
    const own = {
      te: 'trailers',
      'content-type': 'application/grpc',
      'user-agent': 'grpc-verbatim-bench',
      'grpc-timeout': formatTimeout(timeoutMs),
    }
    const block = [...Object.entries({ ...head, ...own }), ...fields.map(({ name, value }) => [name, value] as const)]
    return {
      name,
      target: dialAddressOf(address, tls),
      authority,
      block: block.map(([name, value]) => fieldOf(name, value)),
    }
  })
}

function addressOf(name: WayName, text: string): EndpointAddress {
  try {
    return parseEndpointAddress(text)
  } catch (error) {
    if (error instanceof AddressError) throw new UsageError(`--${name} ${JSON.stringify(text)} ${error.message}`)
    throw error
  }
}

function isEncrypted(address: EndpointAddress): boolean {
  return address.kind === 'tcp' && address.scheme === 'https'
}

/** The authority that a gRPC client sends: with the port only where it is not the scheme's default. */
function authorityOf(address: EndpointAddress): string {
  if (address.kind === 'unix') return 'localhost'
  const { host, port, scheme } = address
  const bracketed = host.includes(':') ? `[${host}]` : host
  return port === (scheme === 'https' ? 443 : 80) ? bracketed : `${bracketed}:${port}`
}

type TlsOptions = Omit<NonNullable<DialAddress['tls']>, 'serverName'> & { readonly serverName?: string }

function tlsOf(options: BenchOptions, encrypted: boolean): TlsOptions {
  const { ca, cert, key, serverName } = options
  const given = Object.entries({ ca, cert, key, 'server-name': serverName }).filter(([, value]) => value !== undefined)
  if (given.length > 0 && !encrypted) {
    throw new UsageError(`--${given[0]![0]} is for TLS, and no address is https://`)
  }
  if ((cert === undefined) !== (key === undefined)) throw new UsageError('--cert and --key go together: give both')
  const { files, findings } = readPemFiles({ ca, cert, key }, [], 'ca', { folder: process.cwd() })
  const wrong = findings.find(({ warning }) => warning !== true)
  if (wrong !== undefined) throw new UsageError(`--${wrong.path.join('.')}: ${wrong.message}`)
  return { ...files, serverName }
}

function dialAddressOf(address: EndpointAddress, tls: TlsOptions): DialAddress {
  const name = formatEndpointAddress(address)
  if (address.kind === 'unix') return { name, unix: address.path }
  const { host, port } = address
  if (!isEncrypted(address)) return { name, tcp: { host, port } }
  return { name, tcp: { host, port }, tls: { ...tls, serverName: tls.serverName ?? host } }
}
