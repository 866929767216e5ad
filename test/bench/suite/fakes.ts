/** Contenders, a world and scenarios without a process: what they do is written down in the order in which it happens. */
import type { Metric, Sample } from '../../../bench/report/record.ts'
import type { Contender } from '../../../bench/subjects/contender.ts'
import type { World, WorldOptions } from '../../../bench/subjects/world.ts'
import type { Scenario } from '../../../bench/suite/scenario.ts'

export const CPU: Metric = { name: 'CPU a call', unit: 'µs', digits: 1, better: 'less' }
export const PLAIN: WorldOptions = { backends: 1, tls: false, backend: 'own' }

export interface Diary {
  readonly happened: string[]
}

export function fakeContender(name: string, { happened }: Diary, more: Partial<Contender> = {}): Contender {
  return {
    name,
    title: `the subject ${name}`,
    find: () => ({ version: `${name} 1.0` }),
    async start() {
      happened.push(`${name} starts`)
      const child = {
        pid: -1,
        isRunning: true,
        complaint: '',
        kill: async () => void happened.push(`${name} is killed`),
      }
      return { port: 1, child: child as never }
    },
    ...more,
  }
}

export function fakeWorlds({ happened }: Diary, lost: () => string | undefined = () => undefined) {
  return async (options: WorldOptions): Promise<World> => {
    happened.push(`a world of ${options.backends} opens`)
    return {
      folder: '/nowhere',
      backends: [2],
      message: '/nowhere/message',
      lost,
      close: async () => void happened.push('the world closes'),
    }
  }
}

/** @param sampleOf of a subject's round, which counts from 1; may throw */
export function fakeScenario(
  { happened }: Diary,
  sampleOf: (subject: string, round: number) => Sample,
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name: 'fake',
    title: 'nothing at all',
    world: PLAIN,
    load: 'own',
    metrics: [CPU, { name: 'p50', unit: 'µs', digits: 0, better: 'less' }],
    cost: () => ({ openSeconds: 1, measureSeconds: 2 }),
    async open({ name }) {
      happened.push(`${name} warms up`)
      let round = 0
      return {
        async measure() {
          round++
          happened.push(`${name} ${round}`)
          return { sample: sampleOf(name, round) }
        },
      }
    },
    ...more,
  }
}
