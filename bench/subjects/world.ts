/** The world of the subjects: the backends behind them, whether all speak TLS, and a folder for files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { certificates } from '../../test/support/certs.ts'
import { startBackend } from '../load/backend-process.ts'
import { Child, freePort } from '../measure/child.ts'
import { commandOf, type Program, requireCommand } from './installed.ts'
import { type Issued, issueTokens } from './issuer.ts'

/** gRPC's five bytes of prefix, then the message. */
export const SMALL_BYTES = 39
export const BULK_BYTES = 1_048_576
/** nghttpd tells a file's type by its ending only, and without `content-type` clients of gRPC take no response. */
export const SMALL_PATH = '/verbatim.bench.Echo/Unary.grpc'
export const BULK_PATH = '/verbatim.bench.Echo/Bulk.grpc'
const MIME_TYPES = 'application/grpc grpc\n'

export interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface World {
  readonly folder: string
  /** Ports on 127.0.0.1, of each endpoint. */
  readonly backends: readonly number[]
  readonly tls?: TlsFiles
  /** The same as `WorldOptions.routes`. */
  readonly routes?: number
  /** The tokens that its calls carry, with what it takes to verify them, where `WorldOptions.signed`. */
  readonly issued?: Issued
  /** A file with a small message. */
  readonly message: string
  /** Says what is not a subject's fault: that a backend is gone. */
  lost(): string | undefined
  close(): Promise<void>
}

export interface WorldOptions {
  readonly backends: number
  /** So many endpoints, each of which is one of the backends, in turn. Default: one for each backend. */
  readonly endpoints?: number
  readonly tls: boolean
  /** Routes that this project's proxy is configured with; the calls take the last. Default: none but the default. */
  readonly routes?: number
  /** Calls carry tokens of an issuer, so that gates by token can be configured. */
  readonly signed?: boolean
  /** nghttpd, or the suite's own. Default: nghttpd where it is installed. */
  readonly backend?: BackendKind
}

export type BackendKind = 'nghttpd' | 'own'

export const NGHTTPD: Program = {
  title: 'nghttpd',
  commands: ['nghttpd'],
  versionArgs: ['--version'],
  version: /nghttp2\/([\d.]+)/,
  install: 'apt-get install nghttp2-server',
}

let nghttpdIsThere: boolean | undefined

/** The kind where options name none. */
export function defaultBackend(): BackendKind {
  nghttpdIsThere ??= commandOf(NGHTTPD) !== undefined
  return nghttpdIsThere ? 'nghttpd' : 'own'
}

/** Starts a process for each backend. @throws Error when one does not listen */
export async function openWorld(options: WorldOptions): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'grpc-verbatim-bench-'))
  const children: Child[] = []
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', removeFolder)
  const close = async (): Promise<void> => {
    await Promise.all(children.map(child => child.kill()))
    process.off('exit', removeFolder)
    removeFolder()
  }
  try {
    const message = join(folder, 'message')
    writeFileSync(message, grpcMessage(SMALL_BYTES))
    const tls = options.tls ? await writeCertificates(folder) : undefined
    const kind = options.backend ?? defaultBackend()
    const root = kind === 'nghttpd' ? writeResponses(folder) : undefined
    const backends: number[] = []
    for (let i = 0; i < options.backends; i++) {
      const { child, port } =
        root === undefined ? await startBackend({ cert: tls?.cert, key: tls?.key }) : await startNghttpd(root, tls)
      children.push(child)
      backends.push(port)
    }
    const lost = (): string | undefined => {
      const gone = children.find(child => !child.isRunning)
      return gone === undefined ? undefined : `the backend itself ended: ${gone.complaint}`
    }
    const endpoints = Array.from(
      { length: options.endpoints ?? backends.length },
      (_, i) => backends[i % backends.length]!,
    )
    const issued = options.signed === true ? await issueTokens(folder) : undefined
    return { folder, backends: endpoints, tls, routes: options.routes, issued, message, lost, close }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * A message as it travels: prefix, then Protocol Buffers with one field of bytes, because there are proxies that parse.
 * @param bytes all of them, the prefix included; @throws RangeError for 6 and for less than 5, which no message has
 */
export function grpcMessage(bytes: number): Buffer {
  const length = bytes - PREFIX_BYTES
  if (length < 0 || length === 1) throw new RangeError(`no gRPC message has ${bytes} bytes`)
  const message = Buffer.alloc(bytes, 'verbatim')
  message[0] = 0
  message.writeUInt32BE(length, 1)
  if (length === 0) return message
  const lengthBytes = varintBytes(length)
  message[PREFIX_BYTES] = FIELD_1_BYTES
  // All of its bytes but the last say that more follow, whether needed or not, so that every length is possible.
  let left = length - 1 - lengthBytes
  for (let i = 0; i < lengthBytes; i++, left >>>= 7) {
    message[PREFIX_BYTES + 1 + i] = (left & 0x7f) | (i < lengthBytes - 1 ? 0x80 : 0)
  }
  return message
}

/** The prefix of a gRPC message: a flag, and the length in four bytes. */
const PREFIX_BYTES = 5
/** Number 1, wire type 2. */
const FIELD_1_BYTES = 0x0a

function varintBytes(value: number): number {
  return Math.max(1, Math.ceil((32 - Math.clz32(value)) / 7))
}

/** @returns the folder that nghttpd serves */
function writeResponses(folder: string): string {
  const root = join(folder, 'root')
  for (const [path, bytes] of [
    [SMALL_PATH, SMALL_BYTES],
    [BULK_PATH, BULK_BYTES],
  ] as const) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), grpcMessage(bytes))
  }
  writeFileSync(`${root}.types`, MIME_TYPES)
  return root
}

async function startNghttpd(root: string, tls: TlsFiles | undefined): Promise<{ child: Child; port: number }> {
  const port = await freePort()
  const args = [
    ...['-n1', '--address=127.0.0.1', `--htdocs=${root}`, `--mime-types-file=${root}.types`],
    ...['--trailer', 'grpc-status: 0'],
    ...(tls === undefined ? ['--no-tls', String(port)] : [String(port), tls.key, tls.cert]),
  ]
  const child = new Child({ command: requireCommand(NGHTTPD), args, core: 1 })
  return { child: await child.listening(port), port }
}

async function writeCertificates(folder: string): Promise<TlsFiles> {
  const { ca, server } = await certificates()
  const files = { ca: join(folder, 'ca.pem'), cert: join(folder, 'server.pem'), key: join(folder, 'server.key') }
  writeFileSync(files.ca, ca.cert)
  writeFileSync(files.cert, server.cert)
  writeFileSync(files.key, server.key, { mode: 0o600 })
  return files
}
