/** Metrics of several workers as those of one proxy. */
import t from 'tap'
import type { Reading } from '../../src/observe/registry.ts'
import { Readings } from '../../src/workers/readings.ts'

const calls = (...counts: [method: string, value: number][]): Reading => ({
  ...{ name: 'calls', help: 'Calls.', type: 'counter' as const },
  samples: counts.map(([method, value]) => ({ labels: { method }, value })),
})
const cpu = (value: number): Reading => ({
  ...{ name: 'process_cpu_seconds', help: 'CPU.', type: 'counter' as const },
  samples: [{ value }],
})
const open = (value: number): Reading => ({
  ...{ name: 'open_connections', help: 'Connections.', type: 'gauge' as const },
  samples: [{ value }],
})

const byLabels = (readings: readonly Reading[], name: string) =>
  Object.fromEntries(
    readings
      .find(reading => reading.name === name)
      ?.samples.map(({ labels, value }) => [Object.values(labels ?? {}).join(), value]) ?? [],
  )

t.test('a sum does not fall when a worker goes; what is open there is gone with it', async t => {
  const readings = new Readings(10)
  readings.together(
    new Map([
      [1, [calls(['/a', 5]), open(3), cpu(9)]],
      [2, [calls(['/a', 7]), open(4), cpu(1)]],
    ]),
    [],
  )
  readings.gone(1)
  const after = readings.together(new Map([[2, [calls(['/a', 8]), open(4), cpu(2)]]]), [])
  t.same(byLabels(after, 'calls'), { '/a': 13 })
  t.same(byLabels(after, 'open_connections'), { '': 4 })
  t.same(byLabels(after, 'process_cpu_seconds'), { 2: 2 }, 'the CPU time of a process is its own')
  const again = readings.together(
    new Map([
      [1, [calls(['/a', 1])]],
      [2, [calls(['/a', 8])]],
    ]),
    [cpu(3)],
  )
  t.same(byLabels(again, 'calls'), { '/a': 14 }, 'the next one begins at 0')
  t.match(byLabels(again, 'process_cpu_seconds'), { primary: 3 })
})

t.test('one that does not answer counts as it did before', async t => {
  const readings = new Readings(10)
  readings.together(
    new Map([
      [1, [calls(['/a', 5])]],
      [2, [calls(['/a', 7])]],
    ]),
    [],
  )
  t.same(byLabels(readings.together(new Map([[2, [calls(['/a', 9])]]]), []), 'calls'), { '/a': 14 })
})

t.test('workers that know different methods make no more series than one proxy would', async t => {
  const readings = new Readings(3)
  const each = (worker: number) =>
    calls(...Array.from({ length: 3 }, (_, i): [string, number] => [`/${worker}-${i}`, 1]), ['other', 2])
  const together = readings.together(new Map([1, 2, 3].map(worker => [worker, [each(worker)]])), [])
  t.same(byLabels(together, 'calls'), { '/1-0': 1, '/1-1': 1, '/1-2': 1, other: 12 })
})

t.test(
  'endpoints are the same in each worker, and are told once; of what the primary knows workers are not asked',
  async t => {
    const endpoints = (usable: number): Reading[] => [
      { name: 'grpc_verbatim_backend_endpoints', help: '', type: 'gauge', samples: [{ value: 3 }] },
      { name: 'grpc_verbatim_backend_usable_endpoints', help: '', type: 'gauge', samples: [{ value: usable }] },
      { name: 'reloads', help: '', type: 'counter', samples: [{ value: 0 }] },
    ]
    const reloads: Reading = { name: 'reloads', help: '', type: 'counter', samples: [{ value: 4 }] }
    const told = new Readings(3).together(
      new Map([
        [1, endpoints(3)],
        [2, endpoints(2)],
      ]),
      [reloads],
    )
    t.same(byLabels(told, 'grpc_verbatim_backend_endpoints'), { '': 3 })
    t.same(byLabels(told, 'grpc_verbatim_backend_usable_endpoints'), { '': 2 })
    t.same(byLabels(told, 'reloads'), { '': 4 })
  },
)
