/** What V8 says about this process: where its CPU goes, and what is in its heap. Loaded when somebody asks. */
import { Session } from 'node:inspector/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * `cpu`: as Chrome's DevTools and speedscope open it (`.cpuprofile`). `heap`: a sampling of what was allocated in the time and
 * is still held (`.heapprofile`). Unlike a snapshot it does not stop the process, and it holds no contents: no keys, no
 * metadata.
 */
export type ProfileKind = 'cpu' | 'heap'

const METHODS = {
  cpu: { enable: 'Profiler.enable', start: 'Profiler.start', stop: 'Profiler.stop' },
  heap: {
    enable: 'HeapProfiler.enable',
    start: 'HeapProfiler.startSampling',
    stop: 'HeapProfiler.stopSampling',
  },
} as const

/** One at a time: two would slow the calls twice. */
let running = false

/**
 * @param signal ends it before its time
 * @returns JSON; undefined where another one is running
 */
export async function profileOf(kind: ProfileKind, seconds: number, signal: AbortSignal): Promise<string | undefined> {
  if (running) return undefined
  running = true
  const session = new Session()
  session.connect()
  try {
    const { enable, start, stop } = METHODS[kind]
    await session.post(enable)
    await session.post(start)
    await sleep(seconds * 1_000, undefined, { signal, ref: false }).catch(() => {})
    const { profile } = (await session.post(stop)) as unknown as { readonly profile: object }
    return JSON.stringify(profile)
  } finally {
    session.disconnect()
    running = false
  }
}
