import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { TestClient } from '../../src/demo/http2-client.ts'
import type { ProxyOptions } from '../../src/index.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import { ask, server } from './change-rig.ts'

export const LISTENERS = [{ address: '127.0.0.1:0' }]

/** The file appears whole. */
export function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

/** Calls are made until one goes there. */
export async function goesTo(by: TestClient, name: string): Promise<void> {
  const patienceEnds = Date.now() + PATIENCE_MS
  while ((await ask(by).catch(() => undefined)) !== name) {
    if (Date.now() > patienceEnds) throw new Error(`no call went to ${name}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

export function logged(): { lines: { msg: string; detail?: string; backend?: string }[]; options: ProxyOptions } {
  const lines: { msg: string; detail?: string; backend?: string }[] = []
  const write = (line: string) => lines.push(JSON.parse(line))
  return { lines, options: { logger: pino({ level: 'info' }, { write }), log: { access: false } } }
}

export async function scene(t: Test) {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const file = join(t.testdir({}), 'endpoints.yaml')
  return { a, b, file, source: { file } }
}
