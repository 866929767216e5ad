/**
 * Real servers and clients on other people's gRPC, with the proxy between: `npm run test:peers`.
 * `-- --peers tonic,grpc-go`, `-- --transports frames`, `-- --sides clients`, `-- --only trailers` choose; `-- --answers` tells what
 * each odd call got. Needs the toolchains of the folders here; what cannot be had is skipped, and said.
 */
import { parseArgs } from 'node:util'
import { answers } from './answers.ts'
import { isolation, type Transport, type Verdict } from './isolation.ts'
import { PEERS, type Peer, Unavailable } from './programs.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: PEERS.map(peer => peer.name).join(',') },
    transports: { type: 'string', default: 'frames,native' },
    sides: { type: 'string', default: 'servers,clients' },
    only: { type: 'string', default: '' },
    answers: { type: 'boolean', default: false },
  },
})

const wanted = (name: string): boolean => name.includes(values.only)

/** @returns how many did harm */
async function tell(what: string, verdicts: AsyncGenerator<Verdict>): Promise<number> {
  const began = performance.now()
  let all = 0
  let failed = 0
  for await (const { attack, harm, answer, slowestMs } of verdicts) {
    all++
    if (harm.length > 0) failed++
    if (harm.length === 0 && !values.answers) continue
    const outcome = harm.length > 0 ? `FAILED: ${harm.join('; ')}` : 'ok'
    console.log(`  ${attack}: ${outcome} (slowest call ${slowestMs.toFixed(0)} ms)${answer && ` → ${answer}`}`)
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(`${what}: ${all - failed} of ${all} did no harm, ${seconds} s`)
  return failed
}

async function attackServer(peer: Peer, transport: Transport): Promise<number> {
  const server = await peer.serve()
  try {
    return await tell(
      `server ${peer.name} (${server.version}), ${transport}`,
      isolation(peer, server, transport, wanted),
    )
  } finally {
    server.stop()
  }
}

const sides = values.sides.split(',')
let failures = 0
for (const name of values.peers.split(',')) {
  const peer = PEERS.find(peer => peer.name === name)
  if (peer === undefined) throw new Error(`"${name}" is none of ${PEERS.map(peer => peer.name).join(', ')}`)
  try {
    for (const transport of values.transports.split(',') as Transport[]) {
      if (sides.includes('servers')) failures += await attackServer(peer, transport)
      if (sides.includes('clients') && peer.call !== undefined)
        failures += await tell(`client ${peer.name}, ${transport}`, answers(peer, transport, wanted))
    }
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    console.log(`SKIPPED: ${name}, because ${error.message}`)
  }
}
console.log(`${failures} failed`)
process.exit(failures === 0 ? 0 : 1)
