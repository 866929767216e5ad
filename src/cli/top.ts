/** `grpc-verbatim top`: what goes on in a proxy, in a terminal. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OverviewEvent } from '../config/overview-events.ts'
import { type AdminTarget, NoEvents, readOverviews } from './overview-reader.ts'
import { PLAIN, screenOf } from './overview-screen.ts'
import { paintOf, Terminal } from './terminal.ts'

export interface TopOptions {
  readonly admin: string
  readonly tokenFile?: string
  readonly ca?: string
  readonly once?: boolean
}

/** For who reads it later, or by a program. */
const PLAIN_COLUMNS = 120
/** Calls a second are kept for a line of a wide terminal. */
const MAX_RATES = 400
const PAUSE_MS = 1_000

export async function top(options: TopOptions): Promise<void> {
  try {
    const target = targetOf(options)
    const isShown = process.stdout.isTTY && options.once !== true
    await (isShown ? show(target) : tellOnce(target))
  } catch (error) {
    if (!(error instanceof NoEvents)) throw error
    console.error(`grpc-verbatim: ${error.message}`)
    process.exitCode = 1
  }
}

function targetOf({ admin, tokenFile, ca }: TopOptions): AdminTarget {
  return {
    address: admin,
    token: tokenFile === undefined ? undefined : read(tokenFile).trim(),
    ca: ca === undefined ? undefined : read(ca),
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new NoEvents(`${file} cannot be read: ${(error as Error).message}`)
  }
}

/** The second event: the first has nothing to compare with. */
async function tellOnce(target: AdminTarget): Promise<void> {
  const gone = new AbortController()
  for await (const event of readOverviews(target, gone.signal)) {
    if (event.traffic === undefined && event.process === undefined && event.hasMetrics) continue
    const rates = event.traffic === undefined ? [] : [event.traffic.perSecond]
    const size = { columns: PLAIN_COLUMNS, rows: undefined }
    console.log(screenOf(event, { rates, address: target.address }, size, PLAIN).join('\n'))
    return
  }
}

async function show(target: AdminTarget): Promise<void> {
  const terminal = new Terminal(process.stdout, process.stdin)
  const paint = paintOf(process.env)
  const ended = new AbortController()
  let last: OverviewEvent | undefined
  let notice: string | undefined
  let rates: number[] = []
  const draw = () => {
    const more = { rates, address: target.address, ...(notice !== undefined && { notice }) }
    if (last !== undefined) terminal.show(screenOf(last, more, terminal.size, paint))
    else terminal.show([notice ?? `asking ${target.address}`])
  }
  terminal.open(() => ended.abort(), draw)
  draw()
  while (!ended.signal.aborted) {
    try {
      for await (const event of readOverviews(target, ended.signal)) {
        last = event
        notice = undefined
        if (event.traffic !== undefined) rates = [...rates, event.traffic.perSecond].slice(-MAX_RATES)
        draw()
      }
    } catch (error) {
      if (!(error instanceof NoEvents)) throw error
      // Who was never let in is told why, in the terminal as it was.
      if (ended.signal.aborted) break
      if (last === undefined) {
        terminal.close()
        throw error
      }
      notice = error.message
      draw()
    }
    await sleep(PAUSE_MS, undefined, { signal: ended.signal }).catch(() => {})
  }
  terminal.close()
}
