/** What V8 says about this process: where its CPU goes, and what is in its heap. Loaded when somebody asks. */
import { Session } from 'node:inspector/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** One at a time: two would slow the calls twice. */
let running = false

/** @returns undefined where another one is running */
async function alone<T>(work: (session: Session) => Promise<T>): Promise<T | undefined> {
  if (running) return undefined
  running = true
  const session = new Session()
  session.connect()
  try {
    return await work(session)
  } finally {
    session.disconnect()
    running = false
  }
}

/**
 * A CPU profile, as Chrome's DevTools and speedscope open it.
 * @param signal ends it before its time
 * @returns JSON; undefined where another one is running
 */
export function cpuProfile(seconds: number, signal: AbortSignal): Promise<string | undefined> {
  return alone(async session => {
    await session.post('Profiler.enable')
    await session.post('Profiler.start')
    await passes(seconds, signal)
    const { profile } = await session.post('Profiler.stop')
    return JSON.stringify(profile)
  })
}

/**
 * A sampling of what was allocated in this time and is still held, as Chrome's DevTools opens it (`.heapprofile`). Unlike a
 * snapshot it does not stop the process, and it holds no contents: no keys, no metadata.
 */
export function heapProfile(seconds: number, signal: AbortSignal): Promise<string | undefined> {
  return alone(async session => {
    await session.post('HeapProfiler.enable')
    await session.post('HeapProfiler.startSampling')
    await passes(seconds, signal)
    const { profile } = await session.post('HeapProfiler.stopSampling')
    return JSON.stringify(profile)
  })
}

/** @param signal ends the wait */
function passes(seconds: number, signal: AbortSignal): Promise<void> {
  return sleep(seconds * 1_000, undefined, { signal, ref: false }).catch(() => {})
}
