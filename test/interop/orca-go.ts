/**
 * grpc-go servers that report their load with each call (google.golang.org/grpc/orca), behind the proxy: `node
 * test/interop/orca-go.ts`. With `weighted-round-robin` each has calls by what it reports; its report goes on to the
 * client; with another balancer nobody reads it.
 */
import { type ClientHttp2Session, connect } from 'node:http2'
import path from 'node:path'
import { type BalancerOptions, createProxy } from '../../src/index.ts'
import { arrival } from '../support/arrival.ts'
import { build, main, start } from './go-program.ts'

/** The calls that pass before weights hold: with no blackout it is those of one update. */
const UPDATE_MS = 100
const CALLS = 700
const NAMES = ['a', 'b', 'c']
const HEADERS = {
  ':method': 'POST',
  ':path': '/grpc.health.v1.Health/Check',
  'content-type': 'application/grpc',
  te: 'trailers',
}
const EMPTY_MESSAGE = Buffer.alloc(5)

interface Answer {
  readonly by: string
  readonly status: string
  readonly report: string
}

async function check(session: ClientHttp2Session): Promise<Answer> {
  const stream = session.request(HEADERS)
  stream.end(EMPTY_MESSAGE)
  stream.resume()
  const response = arrival(stream, 'response')
  const [trailers] = await arrival(stream, 'trailers')
  const [headers] = await response
  const { 'grpc-status': status, 'endpoint-load-metrics-bin': report } = trailers
  return { by: String(headers['served-by']), status: String(status), report: String(report) }
}

/** How many calls each server has, once what it reports counts; `ok`: as they should be. */
async function shares(
  ports: readonly string[],
  upstream: 'frames' | 'native',
  balancer: BalancerOptions,
  parts: readonly number[],
) {
  const endpoints = ports.map(port => `http://127.0.0.1:${port}`)
  const proxy = createProxy({
    log: { level: 'silent' },
    backends: { main: { endpoints, transport: upstream, balancer } },
  })
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  const session = connect(`http://127.0.0.1:${port}`)
  try {
    for (let i = 0; i < 30; i++) await check(session)
    await new Promise(resolve => setTimeout(resolve, UPDATE_MS))
    const answers: Answer[] = []
    for (let i = 0; i < CALLS; i++) answers.push(await check(session))
    const counts = NAMES.map(name => answers.filter(({ by }) => by === name).length)
    const whole = answers.every(({ status, report }) => status === '0' && report.length > 20)
    const ignored = JSON.stringify(proxy.violations())
    const ok = whole && ignored === '{}' && counts.every((count, i) => Math.abs(count - parts[i]!) <= 3)
    console.log(
      `${ok ? 'ok' : 'FAILED'}  ${upstream}, ${JSON.stringify(balancer)}: ${counts.join(', ')} calls; ${ignored}`,
    )
    return ok
  } finally {
    session.destroy()
    await proxy.close()
  }
}

await main('orca-go', async () => {
  const [, ports, version] = await start(await build(path.join(import.meta.dirname, 'orca-go')), []).line(
    /listening on ([\d ]+), (.*)/,
  )
  console.log(version)
  const weighted = { kind: 'weighted-round-robin', blackoutMs: 0, updateMs: UPDATE_MS } as const
  let passed = true
  for (const upstream of ['frames', 'native'] as const) {
    // 100 calls a second at 20, 40 and 80 %.
    passed = (await shares(ports!.split(' '), upstream, weighted, [400, 200, 100])) && passed
    passed = (await shares(ports!.split(' '), upstream, 'round-robin', [233, 233, 233])) && passed
  }
  return passed
})
