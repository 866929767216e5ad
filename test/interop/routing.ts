/**
 * Requests that are meant to get past a `deny` (test/support/passing-by.ts), at real servers behind it:
 * `npm run test:routing [-- --pairs native-frames,frames-frames]`. Each is sent to the server directly too, which shows
 * what it would have served.
 */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createProxy, type ListenOptions } from '../../src/index.ts'
import { isServed, KINDS, type Kind, USUAL, urlServer } from '../support/passing-by.ts'
import type { Scope } from '../support/teardown.ts'
import { build, main, start } from './go-program.ts'

type Transport = NonNullable<ListenOptions['transport']>

interface Server {
  readonly name: string
  readonly port: number
}

const PAIRS = ['frames-frames', 'frames-native', 'native-frames', 'native-native']
const SOURCE = path.join(import.meta.dirname, 'passing-by')
/** What is opened here lasts until the process ends. */
const SCOPE: Scope = { teardown() {} }

const { values } = parseArgs({ options: { pairs: { type: 'string', default: PAIRS.join(',') } } })

/** Of one program: grpc-go's own transport, and the same server under net/http. */
async function goServers(modFile: string): Promise<Server[]> {
  const program = await build(SOURCE, { modFile })
  const [, version, native, web] = await start(program, []).line(/grpc-go (\S+) native=(\d+) net\/http=(\d+)/)
  return [
    { name: `grpc-go ${version}`, port: Number(native) },
    { name: `grpc-go ${version} under net/http`, port: Number(web) },
  ]
}

async function tryKind(server: Server, kind: Kind, pair: string): Promise<string[]> {
  const [downstream, upstream] = pair.split('-') as [Transport, Transport]
  const main = { endpoints: [`http://127.0.0.1:${server.port}`], transport: upstream }
  const proxy = createProxy({ backends: { main }, routes: kind.routes, log: { level: 'error' } })
  const open = createProxy({ backends: { main }, log: { level: 'error' } })
  const { port } = await proxy.listen({ transport: downstream })
  const passed: string[] = []
  for (const { what, fields } of kind.tries) if (await isServed(SCOPE, port, fields)) passed.push(what)
  const usual = await isServed(SCOPE, (await open.listen({ transport: downstream })).port, USUAL)
  await Promise.all([proxy.close(), open.close()])
  if (!usual) passed.push('a usual call, without routes, is not served')
  return passed
}

async function served(server: Server, kind: Kind): Promise<string[]> {
  const all: string[] = []
  for (const { what, fields } of kind.tries) if (await isServed(SCOPE, server.port, fields)) all.push(what)
  return all
}

await main('test:routing', async () => {
  const pairs = values.pairs.split(',')
  for (const pair of pairs)
    if (!PAIRS.includes(pair)) throw new Error(`"${pair}" is no pair, like ${PAIRS.join(' or ')}`)
  const servers = [
    ...(await goServers('go.mod')),
    ...(await goServers('older.mod')),
    { name: `Node ${process.version}, by URL`, port: await urlServer(SCOPE) },
  ]
  let failures = 0
  let dangerous = 0
  for (const server of servers) {
    for (const kind of KINDS) {
      const direct = await served(server, kind)
      dangerous += direct.length
      console.log(`${server.name}, ${kind.name}: serves ${direct.length} of ${kind.tries.length}`)
      for (const what of direct) console.log(`    ${what}`)
      for (const pair of pairs) {
        const passed = await tryKind(server, kind, pair)
        failures += passed.length
        for (const what of passed) console.log(`  PASSED ${pair}: ${what}`)
      }
    }
  }
  console.log(`\n${failures} got past a deny; ${dangerous} were served without the proxy`)
  // Where no server serves any of them, nothing was tried.
  return failures === 0 && dangerous > 0
})
