/** All scenarios, in the order of the report. */
import type { LoadOptions, Shape } from '../load/shape.ts'
import type { Contender } from '../subjects/contender.ts'
import { BULK_BYTES, SMALL_BYTES, type WorldOptions } from '../subjects/world.ts'
import { type ClosedLoop, closedLoop } from './closed-loop.ts'
import { fairness } from './fairness.ts'
import {
  BULK_DOWNLOAD,
  type Crowd,
  connectLoad,
  type Download,
  loadOfH2load,
  ownLoad,
  SMALL,
  SMALL_DOWNLOAD,
  tokenLoad,
} from './load.ts'
import { idle, slowReader } from './memory.ts'
import { connections, latency } from './open-loop.ts'
import type { Scenario } from './scenario.ts'
import type { Sources } from './sources.ts'

const KIB = 1_024
/** Ten connections; M is the number of calls open on each. */
const SMALL_CROWD = 10
const M = [1, 10, 100] as const
const BULK_CROWD: Crowd = { connections: 4, streams: 4 }
const BULK: Shape = { kind: 'unary', requestBytes: SMALL_BYTES, responseBytes: BULK_BYTES }
const PROBES = { small: 1_000, bulk: 64, streams: 20 } as const
/** The connections of one measurement of `connect`. A used port rests for a minute, and there are 28,000. */
const CONNECT_CALLS = 4_000
/** Calls a second, all connections together, of the curve over connections: what the slowest subject can carry. */
const CONNECTIONS_RATE = 2_000

/** The scenarios that the sources allow. Their names are always the same. */
export function catalogue(sources: Sources): Scenario[] {
  const plain: WorldOptions = { backends: 1, tls: false, backend: sources.backend }
  const own: WorldOptions = { ...plain, backend: 'own' }
  const tls: WorldOptions = { ...plain, tls: true }
  const curve = 'streams'
  const unit = 'streams a connection'
  return [
    ...M.map(m =>
      download(sources, smallOf(`m${m}`, '', plain, m, { short: true, curve: { name: curve, unit, at: m } })),
    ),
    download(sources, { ...bulkOf('bulk', '', plain), short: true }),
    ...sizes(own),
    ...headers('fresh', 'headers-', 'grpc-timeout, traceparent and a 900-byte authorization new in each', own),
    ...headers(
      'token',
      'token-',
      'grpc-timeout and traceparent new in each, 900-byte authorization of the connection',
      own,
    ),
    signed(own),
    ...headerSizes(own),
    ...streams(own),
    throughput(own),
    latency({ name: 'latency', world: own, share: 0.5, of: 'reference', short: true }),
    latency({ name: 'latency-low', world: own, share: 0.5, of: 'slowest' }),
    ...[1, 10, 100, 1_000].map(count =>
      connections({ name: `connections-${count}`, world: own, connections: count, rate: CONNECTIONS_RATE }),
    ),
    connect(own),
    fairness(own),
    slowReader(own),
    idle(own),
    ...M.map(m => download(sources, smallOf(`tls-m${m}`, ', TLS on both sides', tls, m))),
    download(sources, bulkOf('tls-bulk', ', TLS on both sides', tls)),
    ...endpoints(sources, plain),
    ...routes(sources, plain),
    ...balance(own),
  ]
}

/** A name selects its scenario, or the family before a dash: `tls` is all of `tls-…`. @throws RangeError */
export function select(all: readonly Scenario[], names: readonly string[]): Scenario[] {
  for (const name of names) {
    if (!all.some(scenario => matches(scenario, name))) {
      throw new RangeError(`no scenario "${name}"; there are ${all.map(scenario => scenario.name).join(', ')}`)
    }
  }
  return all.filter(scenario => names.length === 0 || names.some(name => matches(scenario, name)))
}

function matches(scenario: Scenario, name: string): boolean {
  return scenario.name === name || scenario.name.startsWith(`${name}-`)
}

type Base = Omit<ClosedLoop, 'make' | 'check' | 'load'>
type Downloads = Base & { readonly crowd: Crowd; readonly shape: Shape; readonly download: Download }

/** A scenario that h2load can measure too. It counts calls and bytes; our own load checks their content. */
function download(sources: Sources, { crowd, shape, download: file, ...base }: Downloads): Scenario {
  const own = ownLoad(shape, crowd)
  if (sources.load === 'own') return closedLoop({ ...base, load: 'own', make: own })
  return closedLoop({ ...base, load: 'h2load', make: loadOfH2load(file, crowd), check: own })
}

function smallOf(
  name: string,
  text: string,
  world: WorldOptions,
  streams: number,
  more: Partial<Base> = {},
): Downloads {
  return {
    name,
    title: `small unary call, ${SMALL_CROWD} connections × ${streams}${text}`,
    world,
    unit: 'call',
    probe: PROBES.small,
    crowd: { connections: SMALL_CROWD, streams },
    shape: SMALL,
    download: SMALL_DOWNLOAD,
    ...more,
  }
}

function bulkOf(name: string, text: string, world: WorldOptions): Downloads {
  return {
    name,
    title: `1 MiB responses, ${BULK_CROWD.connections} connections × ${BULK_CROWD.streams} calls${text}`,
    world,
    unit: 'GB',
    probe: PROBES.bulk,
    crowd: BULK_CROWD,
    shape: BULK,
    download: BULK_DOWNLOAD,
  }
}

function sizes(world: WorldOptions): Scenario[] {
  const all = { '1k': KIB, '16k': 16 * KIB, '256k': 256 * KIB, '4m': 4_096 * KIB }
  return Object.entries(all).map(([text, bytes]) =>
    closedLoop({
      name: `size-${text}`,
      title: `unary call with ${bytes / KIB} KiB both ways, ${BULK_CROWD.connections} connections × ${BULK_CROWD.streams}`,
      world,
      unit: 'call',
      probe: bytes < KIB * KIB ? PROBES.bulk : PROBES.streams,
      curve: { name: 'message size', unit: 'bytes', at: bytes },
      load: 'own',
      make: ownLoad({ kind: 'unary', requestBytes: bytes, responseBytes: bytes }, BULK_CROWD),
    }),
  )
}

function headers(kind: LoadOptions['headers'], prefix: string, text: string, world: WorldOptions): Scenario[] {
  return M.map(m => own(smallOf(`${prefix}m${m}`, `; ${text}`, world, m), { headers: kind }))
}

/** `m100` with a token of the connection, for the subjects that verify it. */
function signed(world: WorldOptions): Scenario {
  const text = '; authorization is a JSON Web Token of the connection'
  const { crowd, shape, download: _, ...base } = smallOf('signed-m100', text, { ...world, signed: true }, 100)
  return closedLoop({ ...base, load: 'own', make: tokenLoad(shape, crowd) })
}

function headerSizes(world: WorldOptions): Scenario[] {
  return [0, 300, 1_000, 3_000].map(bytes =>
    own(
      smallOf(`header-size-${bytes}`, `, with an authorization of ${bytes} bytes new in each`, world, 10, {
        curve: { name: 'header size', unit: 'bytes new in each call', at: bytes },
      }),
      bytes === 0 ? {} : { headerBytes: bytes },
    ),
  )
}

function own({ crowd, shape, download: _, ...base }: Downloads, more: Parameters<typeof ownLoad>[2]): Scenario {
  return closedLoop({ ...base, load: 'own', make: ownLoad(shape, crowd, more) })
}

function throughput(world: WorldOptions): Scenario {
  return own({ ...smallOf('throughput', ', our own load, whatever else is installed', world, 100) }, {})
}

function streams(world: WorldOptions): Scenario[] {
  const crowd = { connections: SMALL_CROWD, streams: 10 }
  const piece = 16 * KIB
  const of = (name: string, title: string, unit: ClosedLoop['unit'], shape: Shape, who: Crowd, short?: boolean) =>
    closedLoop({
      name,
      title: `${title}, ${who.connections} connections × ${who.streams}`,
      world,
      unit,
      probe: PROBES.streams,
      short,
      load: 'own',
      make: ownLoad(shape, who),
    })
  const small = { messages: 1_000, messageBytes: 100 }
  const large = { messages: 64, messageBytes: piece }
  return [
    of(
      'stream',
      'server stream of 1,000 messages of 100 bytes',
      'message',
      { kind: 'server-stream', ...small },
      crowd,
      true,
    ),
    of(
      'ping-pong',
      '100 small messages, each waited for',
      'message',
      { kind: 'ping-pong', messages: 100, messageBytes: SMALL_BYTES },
      crowd,
    ),
    of('upload', 'client stream of 64 × 16 KiB', 'GB', { kind: 'client-stream', ...large }, BULK_CROWD),
    of('duplex', '64 × 16 KiB both ways at once', 'GB', { kind: 'duplex', ...large }, BULK_CROWD),
  ]
}

function connect(world: WorldOptions): Scenario {
  return closedLoop({
    name: 'connect',
    title: `each small call on a connection of its own, ${SMALL_CROWD} at a time`,
    world,
    unit: 'call',
    probe: 200,
    most: CONNECT_CALLS,
    load: 'own',
    make: connectLoad(SMALL, SMALL_CROWD),
  })
}

function endpoints(sources: Sources, plain: WorldOptions): Scenario[] {
  const at = (count: number) => ({ name: 'endpoints', unit: 'endpoints', at: count })
  const of = (name: string, count: number, streams: number, curve?: Scenario['curve']): Scenario =>
    download(
      sources,
      smallOf(name, `, ${count} endpoint${count === 1 ? '' : 's'}`, { ...plain, backends: count }, streams, { curve }),
    )
  return [
    of('three-m1', 3, 1),
    of('three-m10', 3, 10, at(3)),
    of('three-m100', 3, 100),
    of('endpoints-1', 1, 10, at(1)),
    of('endpoints-10', 10, 10, at(10)),
  ]
}

function routes(sources: Sources, plain: WorldOptions): Scenario[] {
  return [1, 10, 100, 1_000].map(count =>
    download(
      sources,
      smallOf(
        `routes-${count}`,
        `, ${count} route${count === 1 ? '' : 's'}, the last matches`,
        { ...plain, routes: count },
        10,
        {
          curve: { name: 'routes', unit: 'routes', at: count },
          unfit: ({ routed }: Contender) =>
            routed === true ? undefined : 'only this project can be configured with as many routes here',
        },
      ),
    ),
  )
}

/** Endpoints of `balance-100`: they are addresses of so many processes, as a hundred would not fit beside the load. */
const BALANCED_PROCESSES = 4

/** For the subjects `by-…`, which are this project with its balancers. Each call has a key of its own for those that hash. */
function balance(world: WorldOptions): Scenario[] {
  return [3, 100].map(endpoints =>
    own(
      smallOf(
        `balance-${endpoints}`,
        `, ${endpoints} endpoints; traceparent new in each`,
        { ...world, backends: Math.min(endpoints, BALANCED_PROCESSES), endpoints },
        100,
        { unfit: ({ balanced }: Contender) => (balanced === true ? undefined : 'it compares the balancers by-…') },
      ),
      { headers: 'token' },
    ),
  )
}
