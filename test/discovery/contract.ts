/** What every source of endpoints does, whatever it asks. Each kind brings a world that the suite changes. */
import type { Test } from 'tap'
import type { EndpointSource, EndpointSpec } from '../../src/backend/endpoint-source.ts'
import type { SourceContext, SourceSetup } from '../../src/backend/settings.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'

/** What a source asks. */
export interface World {
  readonly setup: SourceSetup
  /** From now on these addresses are there. */
  has(ips: readonly string[]): void
  /** Ways in which it cannot tell a list. Each holds until `has`. */
  readonly faults: Readonly<Record<string, () => void>>
  /** Looks that came so far. */
  looks(): number
  /** Time passes until the source looks again, unless it is about to, or an answer is under way. */
  pass(clock: FakeClock): void
  /** Looks within a second, however often it is asked. */
  readonly mostLooks: number
}

export type MakeWorld = (t: Test) => Promise<World>

class Scene {
  readonly clock = new FakeClock()
  readonly world: World
  readonly source: EndpointSource
  /** All that it said, in order: addresses, or a reason that begins with "!". */
  readonly told: string[] = []
  specs: readonly EndpointSpec[] = []

  constructor(t: Test, world: World) {
    this.world = world
    const context: SourceContext = { clock: this.clock, random: () => 0 }
    this.source = world.setup.open(context)
    t.teardown(() => this.source.close())
  }

  start(): void {
    this.source.start({
      onEndpoints: all => {
        this.specs = all
        this.told.push(all.map(({ address }) => address.tcp!.host).join(' '))
      },
      onError: reason => this.told.push(`! ${reason}`),
    })
  }

  /** Time passes, until it has said this as the last thing. */
  async says(what: string | RegExp): Promise<void> {
    const holds = () => (typeof what === 'string' ? this.told.at(-1) === what : what.test(this.told.at(-1) ?? ''))
    await until(
      `${what}`,
      () => {
        if (!holds()) this.world.pass(this.clock)
        return holds()
      },
      () => JSON.stringify(this.told),
    )
  }

  /** All that is under way comes to an end. */
  async rests(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
  }
}

async function scene(t: Test, make: MakeWorld): Promise<Scene> {
  return new Scene(t, await make(t))
}

/** @param changes whether what is there can change, and be lost */
export function sourceContract(t: Test, make: MakeWorld, changes = true): void {
  const always = (name: string, test: (t: Test) => Promise<void>) => t.test(name, test)
  const skip = changes ? false : 'its list never changes'
  const changing = (name: string, test: (t: Test) => Promise<void>) => t.test(name, { skip }, test)

  always('it tells all that there are', async t => {
    const s = await scene(t, make)
    s.world.has(['10.0.0.1', '10.0.0.2'])
    s.start()
    await s.says('10.0.0.1 10.0.0.2')
    const [one, two] = s.specs
    t.not(one!.key, two!.key)
    t.match(one, { locality: '', priority: 0, weight: 1 })
  })

  changing('it tells again when they change', async t => {
    const s = await scene(t, make)
    s.world.has(['10.0.0.1', '10.0.0.2'])
    s.start()
    await s.says('10.0.0.1 10.0.0.2')
    s.world.has(['10.0.0.2', '10.0.0.3'])
    await s.says('10.0.0.2 10.0.0.3')
  })

  changing('an endpoint that is told again has the same key', async t => {
    const s = await scene(t, make)
    s.world.has(['10.0.0.1', '10.0.0.2'])
    s.start()
    await s.says('10.0.0.1 10.0.0.2')
    const [, two] = s.specs
    s.world.has(['10.0.0.2', '10.0.0.3'])
    await s.says('10.0.0.2 10.0.0.3')
    t.equal(s.specs[0]!.key, two!.key)
  })

  changing('what cannot be had: a reason, and never a list that is empty or wrong; then the list again', async t => {
    const s = await scene(t, make)
    s.world.has(['10.0.0.1'])
    s.start()
    await s.says('10.0.0.1')
    for (const [what, happens] of Object.entries(s.world.faults)) {
      happens()
      await s.says(/^! .{10,300}$/)
      t.ok(true, `${what}: ${s.told.at(-1)}`)
      t.notMatch(s.told.at(-1), /undefined|\[object|\n/)
      s.world.has(['10.0.0.1'])
      await s.says('10.0.0.1')
    }
    t.ok(
      s.told.every(said => said === '10.0.0.1' || said.startsWith('! ')),
      s.told.join('\n'),
    )
  })

  changing('it says the same reason in the same words, so that the backend says it once', async t => {
    const s = await scene(t, make)
    for (const happens of Object.values(s.world.faults).slice(0, 1)) {
      s.world.has(['10.0.0.1'])
      happens()
      s.start()
      await s.says(/^! /)
      const reason = s.told.at(-1)
      for (let i = 0; i < 5; i++) {
        s.world.pass(s.clock)
        await s.rests()
      }
      t.strictSame([...new Set(s.told)], [reason])
    }
  })

  always('any number of reasons to look again are few looks', async t => {
    const s = await scene(t, make)
    s.world.has(['10.0.0.1'])
    s.start()
    await s.says('10.0.0.1')
    await s.rests()
    const before = s.world.looks()
    for (let i = 0; i < 1_000; i++) {
      s.source.refresh()
      s.clock.advance(1)
      if (i % 50 === 0) await s.rests()
    }
    await s.rests()
    t.ok(s.world.looks() - before <= s.world.mostLooks, `${s.world.looks() - before}`)
  })

  always('after close it tells nothing and keeps no timer, whatever was under way', async t => {
    for (const turns of [0, 1, 2, 5]) {
      const s = await scene(t, make)
      s.world.has(['10.0.0.1'])
      s.start()
      for (let i = 0; i < turns; i++) await new Promise(resolve => setImmediate(resolve))
      s.source.close()
      const told = s.told.length
      s.world.has(['10.0.0.2'])
      s.source.refresh()
      s.clock.advance(3_600_000)
      await s.rests()
      t.equal(s.told.length, told)
      t.equal(s.clock.pending, 0)
      s.source.close()
    }
  })

  changing('the process stood still for an hour: one look, not one for each that was missed', async t => {
    const s = await scene(t, make)
    s.world.has(['10.0.0.1'])
    s.start()
    await s.says('10.0.0.1')
    await s.rests()
    const before = s.world.looks()
    s.clock.pause(3_600_000)
    await s.rests()
    t.ok(s.world.looks() - before <= 2, `${s.world.looks() - before}`)
    s.world.has(['10.0.0.2'])
    await s.says('10.0.0.2')
  })
}
