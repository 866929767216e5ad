/**
 * Real servers and clients on other people's gRPC, with the proxy between: `npm run test:peers`.
 * `-- --peers tonic,grpc-go`, `-- --transports frames`, `-- --sides clients`, `-- --only trailers` choose; `-- --answers` tells what
 * each odd call got. Needs the toolchains of the folders here; what cannot be had is skipped, and said.
 */
import { parseArgs } from 'node:util'
import { answers } from './answers.ts'
import { healthOf } from './health.ts'
import { isolation, type Transport, type Verdict } from './isolation.ts'
import { PEERS, type Peer, type Server, Unavailable } from './programs.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: PEERS.map(peer => peer.name).join(',') },
    transports: { type: 'string', default: 'frames,native' },
    sides: { type: 'string', default: 'servers,clients,health' },
    only: { type: 'string', default: '' },
    answers: { type: 'boolean', default: false },
  },
})

/** Most of the time is waiting; more at once would make slow calls out of the machine's. */
const AT_ONCE = 2

type Job = () => Promise<{ readonly failed: number; readonly lines: readonly string[] }>

const wanted = (name: string): boolean => name.includes(values.only)

function line({ attack, harm, ends = [], answer, slowestMs }: Verdict): string {
  const outcome = harm.length > 0 ? `FAILED: ${harm.join('; ')}` : 'no harm'
  const ended = ends.length > 0 ? `, the peer ended ${ends.length} connections: ${ends[0]}` : ''
  return `  ${attack}: ${outcome}${ended} (slowest call ${slowestMs.toFixed(0)} ms)${answer && ` → ${answer}`}`
}

async function play(what: () => string, verdicts: () => Promise<AsyncGenerator<Verdict>>): ReturnType<Job> {
  const began = performance.now()
  const lines: string[] = []
  let all = 0
  let failed = 0
  try {
    for await (const verdict of await verdicts()) {
      all++
      if (verdict.harm.length > 0) failed++
      if (verdict.harm.length > 0 || values.answers) lines.push(line(verdict))
    }
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    return { failed: 0, lines: [`SKIPPED: ${what()}, because ${error.message}`] }
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  return { failed, lines: [`${what()}: ${all - failed} of ${all} did no harm, ${seconds} s`, ...lines] }
}

function attackServer(peer: Peer, transport: Transport): Job {
  return async () => {
    let server: Server | undefined
    const attack = async () => {
      server = await peer.serve()
      return isolation(peer, server, transport, wanted)
    }
    try {
      return await play(() => `${server?.version ?? peer.name} behind ${transport}`, attack)
    } finally {
      server?.stop()
    }
  }
}

function answerClient(peer: Peer, transport: Transport): Job {
  return () =>
    play(
      () => `a client on ${peer.name}, its backend behind ${transport}`,
      async () => answers(peer, transport, wanted),
    )
}

function watchHealth(peer: Peer, transport: Transport): Job {
  return () =>
    play(
      () => `the health service of ${peer.name} behind ${transport}`,
      async () => healthOf(peer, transport, wanted),
    )
}

function jobs(): Job[] {
  const sides = values.sides.split(',')
  return values.peers.split(',').flatMap(name => {
    const peer = PEERS.find(peer => peer.name === name)
    if (peer === undefined) throw new Error(`"${name}" is none of ${PEERS.map(peer => peer.name).join(', ')}`)
    return (values.transports.split(',') as Transport[]).flatMap(transport => [
      ...(sides.includes('servers') ? [attackServer(peer, transport)] : []),
      ...(sides.includes('health') && peer.health !== undefined ? [watchHealth(peer, transport)] : []),
      ...(sides.includes('clients') && peer.call !== undefined ? [answerClient(peer, transport)] : []),
    ])
  })
}

let failures = 0
const waiting = jobs()
async function work(): Promise<void> {
  for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
    const { failed, lines } = await job()
    failures += failed
    console.log(lines.join('\n'))
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, work))
console.log(`${failures} failed`)
process.exit(failures === 0 ? 0 : 1)
