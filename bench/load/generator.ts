/** Runs `generate.ts` on the load's core. */
import { fileURLToPath } from 'node:url'
import { Child, OPEN_FILES } from '../measure/child.ts'
import { NODE } from '../subjects/node.ts'
import { bytesOf, planOf } from './call-plan.ts'
import type { LoadOptions, LoadReport } from './shape.ts'

const PROGRAM = fileURLToPath(new URL('generate.ts', import.meta.url))
/** The time to start, and to open the connections. */
const START_MS = 30_000
/** An open loop whose queue grows may take this many times as long as it should. */
const OPEN_FACTOR = 10
/** Even the slowest proxy on a busy machine takes less: for a call, a message, a connection … */
const CALL_MS = 5
const MESSAGE_MS = 1
const CONNECT_MS = 50
/** … and for a byte. A slow reader's time counts this often. */
const BYTES_PER_MS = 5_000
const READ_FACTOR = 3

/** @throws Error with the reason when a single call failed, or when it took far longer than it should */
export async function generate(options: LoadOptions): Promise<LoadReport> {
  const limitMs = timeLimitMs(options)
  const start = performance.now()
  const child = new Child({ command: NODE, args: [PROGRAM, JSON.stringify(options)], core: 1, openFiles: OPEN_FILES })
  try {
    return JSON.parse(await child.output(limitMs)) as LoadReport
  } catch (error) {
    if (performance.now() - start < limitMs) throw error
    throw new Error(`the load did not end within ${Math.round(limitMs / 1_000)} s`, { cause: error })
  }
}

/** The limit in proportion to the work. */
export function timeLimitMs({ shape, mode, connections, readBytesPerSecond }: LoadOptions): number {
  const plan = planOf(shape)
  if (mode.kind === 'open') return START_MS + OPEN_FACTOR * (mode.warmUpSeconds + mode.seconds) * 1_000
  const messages = plan.request.count + plan.response.count
  const callMs = CALL_MS + messages * MESSAGE_MS + bytesOf(plan) / BYTES_PER_MS
  const connectMs = mode.kind === 'connect' ? CONNECT_MS : 0
  const places = connections * (mode.kind === 'closed' ? mode.streams : 1)
  const readMs =
    readBytesPerSecond === undefined ? 0 : ((plan.response.count * plan.response.bytes) / readBytesPerSecond) * 1_000
  return START_MS + mode.calls * (callMs + connectMs) + Math.ceil(mode.calls / places) * readMs * READ_FACTOR
}
