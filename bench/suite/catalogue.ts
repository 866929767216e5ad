/** All scenarios, in the order of the report, with the bars of issue 3. */

import type { HeaderKind } from '../load/call-images.ts'
import type { WorldOptions } from '../subjects/world.ts'
import { bulk, generated, type Small, small } from './closed-loop.ts'
import { idle } from './idle.ts'
import { latency } from './latency.ts'
import { FOREIGN, type Metric, PLAIN, type Scenario, THREE, TLS } from './scenario.ts'

const NOT_WORSE = { atMost: 1 }

function cpu(atMost: number): Metric {
  return { name: 'CPU µs/call', digits: 1, bar: { atMost } }
}
const RATE: Metric = { name: 'calls/s', digits: 0 }
const BUSY: Metric = { name: 'busy %', digits: 0, aside: true }
const BULK_CPU: Metric = { name: 'CPU ms/GB', digits: 0, bar: { atMost: 1.2 } }
const BULK_RATE: Metric = { name: 'MB/s', digits: 0 }

function smalls(prefix: string, title: string, world: WorldOptions, bars: readonly [number, number, number]): Small[] {
  return [1, 10, 100].map((streams, i) => ({
    name: `${prefix}m${streams}`,
    title: `small unary call, 10 connections × ${streams}${title}`,
    world,
    streams,
    metrics: [cpu(bars[i]!), RATE, BUSY, FOREIGN],
  }))
}

function headers(kind: HeaderKind, prefix: string, title: string): Scenario[] {
  return smalls(prefix, title, PLAIN, [1, 1, 1]).map(of => generated(of, kind))
}

export const SCENARIOS: readonly Scenario[] = [
  ...smalls('', '', PLAIN, [0.9, 0.6, 0.5]).map(small),
  bulk('bulk', [BULK_CPU, BULK_RATE, FOREIGN], PLAIN),
  generated(
    {
      name: 'throughput',
      title: 'small unary call, 10 connections × 100, our own load; calls a second against native',
      world: PLAIN,
      streams: 100,
      metrics: [{ ...RATE, base: 'native', bar: { atLeast: 8 } }, BUSY, FOREIGN],
    },
    'same',
  ),
  ...headers('fresh', 'headers-', '; grpc-timeout, traceparent and a 900-byte authorization new in each'),
  ...headers('token', 'token-', '; grpc-timeout and traceparent new in each, 900-byte authorization of the connection'),
  latency(0.5),
  idle,
  ...smalls('three-', ', three endpoints', THREE, [1, 1, 1]).map(small),
  ...smalls('tls-', ', TLS on both sides', TLS, [1, 1, 1]).map(small),
  bulk('tls-bulk', [{ ...BULK_CPU, bar: NOT_WORSE }, BULK_RATE, FOREIGN], TLS),
]

/** A name selects its scenario, or the family before the dash: `tls` is all of `tls-…`. */
export function select(names: readonly string[]): Scenario[] {
  for (const name of names) {
    if (!SCENARIOS.some(scenario => matches(scenario, name))) {
      throw new RangeError(`no scenario "${name}"; there are ${SCENARIOS.map(scenario => scenario.name).join(', ')}`)
    }
  }
  return SCENARIOS.filter(scenario => names.length === 0 || names.some(name => matches(scenario, name)))
}

function matches(scenario: Scenario, name: string): boolean {
  return scenario.name === name || scenario.name.startsWith(`${name}-`)
}
