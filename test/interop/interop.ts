/**
 * grpc-go's interop client through the proxy to grpc-go's interop server, on each pair of transports:
 * `npm run test:interop [-- --pairs native-frames,frames-frames-tls] [-- empty_unary …]`.
 * Each case first runs without a proxy: what fails there is not the proxy's.
 * `INTEROP_BIN` names a folder that has the programs, `client` and `server`.
 */
import { parseArgs } from 'node:util'
import { createProxy, type GrpcProxy, type ListenOptions } from '../../src/index.ts'
import { certificates } from '../support/certs.ts'
import { idle } from '../support/until.ts'
import { main } from './go-program.ts'
import { type Client, findPrograms, listCases, runCase, type ServerPorts, startServers } from './grpc-go.ts'

type Transport = NonNullable<ListenOptions['transport']>

/** What the client calls: a server, or a proxy before one. A column of the table. */
interface Target {
  readonly name: string
  readonly port: number
  readonly tls: boolean
}

/** By case: what went wrong; empty when nothing did. Cases that did not run are not there. */
type Outcomes = ReadonlyMap<string, string>

/** Transport toward the client, transport toward the server; with `-tls` both speak TLS. */
const PAIRS = ['native-native', 'native-frames', 'frames-native', 'frames-frames', 'frames-frames-tls']
const PAIR = /^(native|frames)-(native|frames)(-tls)?$/
/** A row of the table: what the proxy has open when its last client is gone. */
const LEFTOVERS = '(nothing is left)'
/** Of the output of a client that failed. */
const LAST_LINES = 5

const { values, positionals } = parseArgs({
  options: { pairs: { type: 'string', default: PAIRS.join(',') } },
  allowPositionals: true,
})

async function startProxy(pair: string, servers: ServerPorts): Promise<Target & { proxy: GrpcProxy }> {
  const [downstream, upstream, tls] = pair.split('-') as [Transport, Transport, 'tls'?]
  const { ca, server } = await certificates()
  const endpoint =
    tls === undefined
      ? { endpoints: [`http://127.0.0.1:${servers.h2c}`] }
      : { endpoints: [`https://127.0.0.1:${servers.tls}`], tls: { ca: ca.cert } }
  const proxy = createProxy({ backends: { server: { ...endpoint, transport: upstream } } })
  const { port } = await proxy.listen({ transport: downstream, tls: tls && server })
  return { name: pair, port, tls: tls !== undefined, proxy }
}

async function runCases(names: readonly string[], client: Client, target: Target): Promise<Map<string, string>> {
  const outcomes = new Map<string, string>()
  for (const name of names) {
    const { ok, how, output } = await runCase(name, client, target.port, target.tls)
    const lastLines = output.trim().split('\n').slice(-LAST_LINES)
    outcomes.set(name, ok ? '' : [`the client ${how}`, ...lastLines].join('\n    '))
  }
  return outcomes
}

/** @param names only those that pass without a proxy */
async function runPair(
  pair: string,
  names: readonly string[],
  servers: ServerPorts,
  client: Client,
): Promise<Outcomes> {
  const target = await startProxy(pair, servers)
  const outcomes = await runCases(names, client, target)
  const leftovers = await idle(target.proxy).then(
    () => '',
    (error: Error) => error.message,
  )
  await target.proxy.close()
  return outcomes.set(LEFTOVERS, leftovers)
}

function showTable(rows: readonly string[], columns: ReadonlyMap<string, Outcomes>): void {
  const firstWidth = Math.max(...rows.map(row => row.length))
  const line = (first: string, cells: readonly string[]): string =>
    [first.padEnd(firstWidth), ...cells.map((cell, i) => cell.padEnd([...columns.keys()][i]!.length))].join('  ')
  console.log(line('', [...columns.keys()]))
  for (const row of rows) {
    const cells = [...columns.values()].map(outcomes => {
      const outcome = outcomes.get(row)
      return outcome === undefined ? '–' : outcome === '' ? 'ok' : 'FAILED'
    })
    console.log(line(row, cells))
  }
}

/** @returns how much went wrong in a column */
function tellFailures(column: string, outcomes: Outcomes): number {
  const failures = [...outcomes].filter(([, outcome]) => outcome !== '')
  for (const [name, outcome] of failures) console.log(`\n${column}, ${name}:\n    ${outcome}`)
  return failures.length
}

await main('test:interop', async () => {
  const pairs = values.pairs.split(',')
  for (const pair of pairs) if (!PAIR.test(pair)) throw new Error(`"${pair}" is no pair, like ${PAIRS.join(' or ')}`)
  const programs = await findPrograms()
  const names = positionals.length > 0 ? positionals : await listCases(programs.client)
  const { ports, client } = await startServers(programs)
  const direct = await runCases(names, client, { name: 'direct', port: ports.h2c, tls: false })
  const directTls = await runCases(names, client, { name: 'direct-tls', port: ports.tls, tls: true })
  const columns = new Map<string, Outcomes>()
  for (const pair of pairs) {
    const without = pair.endsWith('-tls') ? directTls : direct
    const passing = names.filter(name => without.get(name) === '')
    columns.set(pair, await runPair(pair, passing, ports, client))
  }
  showTable([...names, LEFTOVERS], new Map([['direct', direct], ['direct-tls', directTls], ...columns]))
  const notOurs = tellFailures('direct', direct) + tellFailures('direct-tls', directTls)
  let failures = 0
  for (const [pair, outcomes] of columns) failures += tellFailures(pair, outcomes)
  console.log(`\n${failures} failed through the proxy; ${notOurs} failed without it, and were not tried through it`)
  // A server that passes nothing says nothing of the proxy.
  return failures === 0 && notOurs < 2 * names.length
})
