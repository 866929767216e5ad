/** What is done to the endpoints, one scene after the other. Whose turn it is is drawn from a seed. */
import type { Fault } from './endpoint.ts'
import type { Field, Scene } from './field.ts'

/** How long a fault lasts, and the rest after it. */
export interface Times {
  readonly faultMs: number
  readonly restMs: number
  /** Of connections, where endpoints rotate them. */
  readonly maxAgeMs: number
}

function drawn<T>(random: () => number, of: readonly T[]): T {
  return of[Math.floor(random() * of.length)]!
}

/** One endpoint for the whole stretch. */
function lasting(fault: Fault, about: string): Scene {
  return {
    name: fault,
    about,
    async play(field) {
      await field.trouble(drawn(field.random, field.endpoints), fault, Number.POSITIVE_INFINITY)
    },
  }
}

/** One endpoint after the other. */
function coming(fault: Fault, about: string, { faultMs, restMs }: Times): Scene {
  return {
    name: fault,
    about,
    async play(field) {
      while (await field.rest(restMs)) await field.trouble(drawn(field.random, field.endpoints), fault, faultMs)
    },
  }
}

/** It stands still, and then it is killed: what was on it is lost for certain. */
function frozenToDeath(times: Times): Scene {
  return {
    name: 'frozen',
    about: 'one endpoint after the other: SIGSTOP, and then SIGKILL',
    async play(field) {
      while (await field.rest(times.restMs)) {
        const endpoint = drawn(field.random, field.endpoints)
        await endpoint.strike('frozen')
        await field.rest(times.faultMs)
        await endpoint.kill()
        await endpoint.start()
        endpoint.recovered()
      }
    },
  }
}

async function churn(field: Field, restMs: number): Promise<void> {
  while (await field.rest(restMs)) await field.replace(drawn(field.random, field.well))
}

const ALL: readonly Fault[] = ['slow', 'unavailable', 'silent', 'frozen', 'killed']

/** Two troubles at a time at most, while others come and go, and connections are rotated. */
function everything({ faultMs, restMs, maxAgeMs }: Times): Scene {
  return {
    name: 'everything',
    about: 'all of it together, at two endpoints at a time',
    maxAgeMs,
    async play(field) {
      const trouble = async (): Promise<void> => {
        while (await field.rest(restMs * (0.5 + field.random()))) {
          await field.trouble(
            drawn(field.random, field.well),
            drawn(field.random, ALL),
            faultMs * (0.5 + field.random()),
          )
        }
      }
      await Promise.all([trouble(), trouble(), ...(field.canReplace ? [churn(field, 2 * restMs)] : [])])
    },
  }
}

export function scenes(times: Times, death: 'frozen to death' | 'thawed'): Scene[] {
  return [
    { name: 'calm', about: 'nothing', play: async () => {} },
    lasting('slow', 'one of the endpoints takes 100 times as long'),
    lasting('unavailable', 'one answers UNAVAILABLE at once'),
    lasting('silent', 'one takes calls and never answers, though its sessions live'),
    death === 'thawed'
      ? coming('frozen', 'one after the other: SIGSTOP, and later SIGCONT', times)
      : frozenToDeath(times),
    coming('killed', 'one after the other: SIGKILL, and later a new start', times),
    {
      name: 'rotated',
      about: `each ends its connections when they are ${times.maxAgeMs} ms old (MaxConnectionAge)`,
      maxAgeMs: times.maxAgeMs,
      play: async () => {},
    },
    {
      name: 'replaced',
      about: 'one after the other leaves the list and stops, and a new one comes',
      changesList: true,
      play: field => churn(field, times.restMs),
    },
    everything(times),
  ]
}
