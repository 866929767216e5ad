/**
 * h2spec (https://github.com/summerwind/h2spec) against a listener of the proxy, over h2c and TLS:
 * `npm run test:h2spec [-- --transport native] [-- http2/5.1 …]`
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createProxy, type ListenOptions } from '../../src/index.ts'
import { certificates } from '../support/certs.ts'
import { findOrInstall, type GoProgram, main, scratchFolder, start } from './go-program.ts'
import { type CaseResult, type Exclusion, judge, readReport } from './h2spec-report.ts'

const H2SPEC: GoProgram = { name: 'h2spec', package: 'github.com/summerwind/h2spec/cmd/h2spec' }

const NO_PRIORITIES =
  'RFC 7540 priorities: RFC 9113 §5.3.2 deprecated them, and with them the rule that no stream depends on itself'
/** Each with why it may fail; exactly these: one that passes is told too. */
const EXCLUSIONS: readonly Exclusion[] = [
  { section: 'http2/5.3.1', title: 'Sends HEADERS frame that depend on itself', reason: NO_PRIORITIES },
  { section: 'http2/5.3.1', title: 'Sends PRIORITY frame that depend on itself', reason: NO_PRIORITIES },
]

const ANSWER_DELAY_MS = 30
/** All cases together take some seconds, and two more for each whose answer does not come. */
const RUN_TIMEOUT_MS = 60_000
/** Of the output of an h2spec that failed without a summary. */
const LAST_CHARACTERS = 2_000
/** h2spec tells flow control by the size of what it gets, so there has to be something to get. */
const BODY = Buffer.alloc(100, 'x')

const { values, positionals: sections } = parseArgs({
  options: { transport: { type: 'string', default: 'frames' } },
  allowPositionals: true,
})
const transport = values.transport as NonNullable<ListenOptions['transport']>

/**
 * Answers a request a moment after all of it is there. h2spec sends a request, then in a write of its own
 * what is wrong: were the stream over by then, the listener would rightly say nothing.
 */
async function backend(): Promise<string> {
  const server = http2.createServer()
  server.on('stream', anyStream => {
    const stream = anyStream as ServerHttp2Stream
    stream.on('error', () => {})
    stream.on('end', () => setTimeout(answer, ANSWER_DELAY_MS, stream))
    stream.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function answer(stream: ServerHttp2Stream): void {
  // Half of h2spec's requests are reset before they are answered.
  if (stream.destroyed) return
  stream.respond({ ':status': 200, 'content-type': 'text/plain' })
  stream.end(BODY)
}

/** @returns whether nothing failed that may not */
async function check(h2spec: string, port: number, name: string, flags: readonly string[]): Promise<boolean> {
  const report = path.join(scratchFolder(), 'report.xml')
  const args = [...sections, '--strict', '-h', '127.0.0.1', '-p', String(port), '-j', report, ...flags]
  const { how, output } = await start(h2spec, args, { timeoutMs: RUN_TIMEOUT_MS }).ended
  const summary = /^\d+ tests, .*$/m.exec(output)?.[0]
  if (summary === undefined) {
    console.log(`${name}: FAILED: h2spec ${how} and did not sum up; its last lines:\n${output.slice(-LAST_CHARACTERS)}`)
    return false
  }
  console.log(`${name}: ${summary}`)
  const results = readReport(readFileSync(report, 'utf8'))
  const { failures, excluded, needless } = judge(results, EXCLUSIONS, sections.length === 0)
  for (const failure of failures) tell(failure)
  for (const { section, title, reason } of excluded) console.log(`  excluded: ${section} "${title}": ${reason}`)
  for (const why of needless) console.log(`  can be taken off the list of exclusions: ${why}`)
  // The summary counts what the report has to tell, or the report is not to be trusted.
  const complete = results.length === Number.parseInt(summary, 10)
  if (!complete) console.log(`  FAILED: the report tells of ${results.length} cases`)
  return complete && failures.length === 0
}

function tell({ section, title, detail }: CaseResult): void {
  const actual = detail.at(-1)
  console.log(`  FAILED: ${section} "${title}"`)
  console.log(`    expected ${detail.slice(0, -1).join(', or ')}; got ${actual}`)
}

await main('test:h2spec', async () => {
  const h2spec = await findOrInstall(H2SPEC)
  const answering = { endpoints: [await backend()], transport }
  // Each case is a client that breaks a rule; a line of log for each says nothing here.
  const proxy = createProxy({ backends: { answering }, acceptNonGrpc: true, log: { level: 'error' } })
  const { server } = await certificates()
  const plain = await proxy.listen({ transport })
  const secure = await proxy.listen({ transport, tls: server })
  console.log(`${h2spec} against a listener of transport ${transport}`)
  const passed = [
    await check(h2spec, plain.port, 'h2c', []),
    await check(h2spec, secure.port, 'TLS', ['--tls', '--insecure']),
  ]
  return !passed.includes(false)
})
