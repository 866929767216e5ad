/**
 * Programs of others that ask for health and for reflection: `npm run test:health [-- --transports frames]`.
 *
 * - grpc_health_probe and grpcurl ask the health service of the proxy. grpcurl has its messages from the reflection of a
 *   backend, and watches while an endpoint goes and the proxy drains.
 * - Of two backends with reflection the one that a route names lists its services.
 */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createProxy, type GrpcProxy } from '../../src/index.ts'
import { build, type Ended, findOrInstall, main, start } from './go-program.ts'

const PROBE = { name: 'grpc-health-probe', package: 'github.com/grpc-ecosystem/grpc-health-probe' }
const GRPCURL = { name: 'grpcurl', package: 'github.com/fullstorydev/grpcurl/cmd/grpcurl' }
const TIMEOUT_MS = 30_000
const LONG_MS = 60_000
/** As grpc_health_probe ends. */
const UNHEALTHY = 'ended with 4'
const RPC_FAILED = 'ended with 3'

const { values } = parseArgs({ options: { transports: { type: 'string', default: 'frames,native' } } })

interface Programs {
  readonly probe: string
  readonly grpcurl: string
  readonly ports: readonly string[]
}

function startProxy({ ports }: Programs): GrpcProxy {
  const [told, empty] = ports.map(port => ({ endpoints: [`http://127.0.0.1:${port}`] }))
  const service = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection']
  return createProxy({
    log: { level: 'silent' },
    backends: { told: told!, empty: empty! },
    routes: [{ match: { service }, backend: 'told' }, { backend: 'empty' }],
    healthService: { services: { 'greeter.Greeter': 'empty' } },
  })
}

let passed = true

function check(what: string, ok: boolean, seen: string): void {
  console.log(`${ok ? 'ok' : 'FAILED'}  ${what}${ok ? '' : `:\n${seen}`}`)
  passed &&= ok
}

function seen({ how, output }: Ended): string {
  return `    ${how}\n${output.trimEnd()}`
}

async function tryTransport(transport: 'frames' | 'native', programs: Programs): Promise<void> {
  const { probe, grpcurl } = programs
  const proxy = startProxy(programs)
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0, transport })
  const address = `127.0.0.1:${port}`
  const run = (file: string, ...args: string[]) => start(file, args, { timeoutMs: TIMEOUT_MS })
  const probed = async (what: string, how: string, ...args: string[]) => {
    const ended = await run(probe, `-addr=${address}`, ...args).ended
    check(`${transport}: grpc_health_probe, ${what}`, ended.how === how, seen(ended))
  }
  try {
    await probed('the proxy', 'ended with 0')
    await probed('a service', 'ended with 0', '-service=greeter.Greeter')
    await probed('a name that nobody knows', RPC_FAILED, '-service=nobody')

    const list = await run(grpcurl, '-plaintext', address, 'list').ended
    check(
      `${transport}: grpcurl lists what the routed backend has`,
      list.ok && HAS.every(name => list.output.includes(name)),
      seen(list),
    )

    const watch = run(
      grpcurl,
      '-plaintext',
      '-d',
      '{"service":"greeter.Greeter"}',
      address,
      'grpc.health.v1.Health/Watch',
    )
    await watch.line(/"SERVING"/)
    proxy.backend('empty').setEndpoints([])
    await watch.line(/"NOT_SERVING"/)
    await probed('a service without endpoints', UNHEALTHY, '-service=greeter.Greeter')
    const drained = proxy.drain(LONG_MS)
    const ended = await watch.ended
    check(
      `${transport}: grpcurl watches until the drain`,
      !ended.ok && ended.output.includes('Code: Unavailable'),
      seen(ended),
    )
    await drained
  } finally {
    await proxy.close()
  }
}

/** Of the first server. */
const HAS = ['grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection']

await main('test:health', async () => {
  const probe = await findOrInstall(PROBE)
  const grpcurl = await findOrInstall(GRPCURL)
  const servers = start(await build(path.join(import.meta.dirname, 'reflection-go')), [])
  const [, ports, version] = await servers.line(/listening on ([\d ]+), (.*)/)
  console.log(version)
  for (const transport of values.transports.split(',')) {
    if (transport !== 'frames' && transport !== 'native') throw new Error(`"${transport}" is no transport`)
    await tryTransport(transport, { probe, grpcurl, ports: ports!.split(' ') })
  }
  return passed
})
