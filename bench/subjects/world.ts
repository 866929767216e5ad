/** Where subjects work: the backends behind them, whether all speak TLS, and a folder for files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certificates } from '../../test/support/certs.ts'
import { Child, freePort } from '../measure/child.ts'

/** gRPC's five bytes of prefix, then the message. */
export const SMALL_BYTES = 39
export const BULK_BYTES = 1_048_576
export const SMALL_PATH = '/verbatim.bench.Echo/Unary'
export const BULK_PATH = '/verbatim.bench.Echo/Bulk'

export interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface World {
  readonly folder: string
  /** Ports on 127.0.0.1. */
  readonly backends: readonly number[]
  readonly tls?: TlsFiles
  /** A file with a small message. */
  readonly message: string
  /** What no subject can be blamed for: a backend that is gone. */
  lost(): string | undefined
  close(): Promise<void>
}

export interface WorldOptions {
  readonly backends: number
  readonly tls: boolean
  /** Routes that this project's proxy is configured with; the calls take the last. Default: none but the default. */
  readonly routes?: number
}

/** Starts `nghttpd` as often as there shall be backends. */
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
    const root = join(folder, 'root')
    mkdirSync(join(root, 'verbatim.bench.Echo'), { recursive: true })
    writeFileSync(message, grpcMessage(SMALL_BYTES))
    writeFileSync(join(root, SMALL_PATH), grpcMessage(SMALL_BYTES))
    writeFileSync(join(root, BULK_PATH), grpcMessage(BULK_BYTES))
    const tls = options.tls ? await writeCertificates(folder) : undefined
    const backends: number[] = []
    for (let i = 0; i < options.backends; i++) {
      const port = await freePort()
      const child = new Child({ command: 'nghttpd', args: nghttpdArgs(port, root, tls), core: 1 })
      children.push(child)
      await child.listening(port)
      backends.push(port)
    }
    const lost = (): string | undefined => {
      const gone = children.find(child => !child.isRunning)
      return gone === undefined ? undefined : `the backend itself ended: ${gone.complaint}`
    }
    return { folder, backends, tls, message, lost, close }
  } catch (error) {
    await close()
    throw error
  }
}

export function grpcMessage(bytes: number): Buffer {
  const message = Buffer.alloc(bytes, 'verbatim')
  message[0] = 0
  message.writeUInt32BE(bytes - 5, 1)
  return message
}

function nghttpdArgs(port: number, root: string, tls: TlsFiles | undefined): string[] {
  const shared = ['-n1', '--address=127.0.0.1', `--htdocs=${root}`, '--trailer', 'grpc-status: 0']
  return tls === undefined ? [...shared, '--no-tls', String(port)] : [...shared, String(port), tls.key, tls.cert]
}

async function writeCertificates(folder: string): Promise<TlsFiles> {
  const { ca, server } = await certificates()
  const files = { ca: join(folder, 'ca.pem'), cert: join(folder, 'server.pem'), key: join(folder, 'server.key') }
  writeFileSync(files.ca, ca.cert)
  writeFileSync(files.cert, server.cert)
  writeFileSync(files.key, server.key, { mode: 0o600 })
  return files
}
