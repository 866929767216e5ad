/** Starts `backend.ts` on the core of the load. */
import { fileURLToPath } from 'node:url'
import { Child, OPEN_FILES } from '../measure/child.ts'
import { NODE } from '../subjects/node.ts'

const PROGRAM = fileURLToPath(new URL('backend.ts', import.meta.url))
const START_MS = 20_000

export interface BackendOptions {
  /** The port on 127.0.0.1. Default: a free one. */
  readonly port?: number
  /** Paths of PEM files. With both it speaks TLS. */
  readonly cert?: string
  readonly key?: string
  /** How many streams a connection may have open, as SETTINGS say. Default 1,000. */
  readonly maxConcurrentStreams?: number
}

/** @throws Error with its reason when it does not come up */
export async function startBackend(options: BackendOptions = {}): Promise<{ child: Child; port: number }> {
  const { port, cert, key, maxConcurrentStreams } = options
  const text = JSON.stringify({ port, cert, key, maxConcurrentStreams } satisfies BackendOptions)
  const child = new Child({ command: NODE, args: [PROGRAM, text], core: 1, openFiles: OPEN_FILES })
  try {
    return { child, port: (JSON.parse(await child.line(START_MS)) as { port: number }).port }
  } catch (error) {
    await child.kill()
    throw error
  }
}
