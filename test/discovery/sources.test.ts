/** The contract of a source, on every one of them, as a configuration makes them. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { StaticSource } from '../../src/backend/endpoint-source.ts'
import { Dialling } from '../../src/config/dialling.ts'
import { sourceSetup } from '../../src/config/source.ts'
import { LazySource } from '../../src/discovery/lazy.ts'
import type { OwnSource, OwnSourceSink } from '../../src/index.ts'
import type { FakeClock } from '../support/fake-clock.ts'
import { sourceContract, type World } from './contract.ts'
import { type DnsServer, dnsServer, RCODE } from './dns-server.ts'

const DIALLING = new Dialling('/', undefined)
const MIN_MS = 5_000
const OF_DNS = { minIntervalMs: MIN_MS, maxIntervalMs: 300_000, jitter: 0.1, maxEndpoints: 1_000 }

/** A timer that is shorter is that of a question, whose answer is under way. */
function passOfDns(clock: FakeClock): void {
  const [delayMs] = clock.delays
  if (delayMs !== undefined && delayMs >= MIN_MS) clock.advance(delayMs)
}

t.test('static', async t => {
  const make = async (): Promise<World> => {
    let all: readonly string[] = []
    const addresses = () => all.map(host => ({ name: host, tcp: { host, port: 1 } }))
    return {
      // Its list is there before it is made, as that of a configuration.
      setup: { name: 'list', open: () => new LazySource(async () => new StaticSource(addresses())) },
      ...{ faults: {}, looks: () => 0, pass() {}, mostLooks: 0 },
      has: ips => {
        all = ips
      },
    }
  }
  sourceContract(t, make, false)
})

t.test('dns', async t => {
  sourceContract(t, async t => {
    const server = await dnsServer(t)
    const setup = sourceSetup({ dns: 'api.test:1', servers: [server.address], ...OF_DNS }, '/', DIALLING)
    return {
      ...{ setup, pass: passOfDns, mostLooks: 1, faults: faultsOf(server) },
      looks: () => server.questions.filter(question => question.startsWith('A ')).length,
      has: addresses => void Object.assign(server.zone, { rcode: RCODE.NOERROR, addresses }),
    }
  })
})

t.test('srv', async t => {
  sourceContract(t, async t => {
    const server = await dnsServer(t)
    const setup = sourceSetup({ srv: '_grpc._tcp.api.test', servers: [server.address], ...OF_DNS }, '/', DIALLING)
    return {
      ...{ setup, pass: passOfDns, mostLooks: 1, faults: faultsOf(server) },
      looks: () => server.questions.filter(question => question.startsWith('SRV ')).length,
      has: ips => {
        const srv = ips.map((_, i) => ({ target: `h${i}.test`, port: 1, weight: 1 }))
        const hosts = Object.fromEntries(ips.map((ip, i) => [`h${i}.test`, [ip]]))
        Object.assign(server.zone, { rcode: RCODE.NOERROR, srv, hosts })
      },
    }
  })
})

function faultsOf({ zone }: DnsServer): World['faults'] {
  return {
    SERVFAIL: () => void Object.assign(zone, { rcode: RCODE.SERVFAIL }),
    REFUSED: () => void Object.assign(zone, { rcode: RCODE.REFUSED }),
    NXDOMAIN: () => void Object.assign(zone, { rcode: RCODE.NXDOMAIN }),
    nothing: () => void Object.assign(zone, { addresses: [], srv: [] }),
    'addresses that nobody has': () => {
      Object.assign(zone, {
        addresses: ['0.0.0.0'],
        srv: [{ target: 'x.test', port: 1 }],
        hosts: { 'x.test': ['0.0.0.0'] },
      })
    },
  }
}

t.test('file', async t => {
  sourceContract(t, async t => {
    const path = join(t.testdir({}), 'endpoints.yaml')
    const replace = (text: string) => {
      writeFileSync(`${path}.new`, text)
      renameSync(`${path}.new`, path)
    }
    const faults = {
      'not there': () => rmSync(path, { force: true }),
      empty: () => replace(''),
      'half written': () => replace('[10.0.0.1:1, 10.0'),
      'an empty list': () => replace('[]'),
      'one wrong entry': () => replace('- 10.0.0.1:1\n- nowhere\n'),
      binary: () => replace('\0\u0001\u0002'),
      'no list': () => replace('endpoints: 5'),
    }
    return {
      ...{ faults, looks: () => 0, mostLooks: 0 },
      setup: sourceSetup({ file: path }, '/', DIALLING),
      has: ips => replace(ips.map(ip => `- ${ip}:1\n`).join('')),
      pass: clock => {
        if (clock.pending > 0) clock.advance(clock.delays[0]!)
      },
    }
  })
})

t.test('a source of your own', async t => {
  sourceContract(t, async () => {
    let [sink, looks]: [OwnSourceSink | undefined, number] = [undefined, 0]
    let says = (_to: OwnSourceSink): void => {}
    const now = (say: typeof says) => {
      says = say
      if (sink !== undefined) say(sink)
    }
    const source: OwnSource = {
      start(given) {
        sink = given
        says(given)
      },
      refresh() {
        looks++
      },
    }
    const tells = (list: unknown) => () => now(to => to.onEndpoints(list as string[]))
    return {
      setup: sourceSetup(source, '/', DIALLING),
      faults: {
        'says so': () => now(to => to.onError('the registry is away')),
        'an empty list': tells([]),
        'no list': tells(undefined),
        'one wrong entry': tells(['10.0.0.1:1', { address: 5 }]),
        'not what was promised': tells({ length: 1 }),
      },
      ...{ looks: () => looks, mostLooks: 2, pass() {} },
      has: ips => now(to => to.onEndpoints(ips.map(ip => `${ip}:1`))),
    }
  })
})
