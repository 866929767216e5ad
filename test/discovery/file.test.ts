/** Endpoints from a file: real files that are replaced in the ways in which people replace them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { endpointSpecs } from '../../src/backend/endpoint-source.ts'
import { FileSource, MAX_FILE_BYTES, readEndpoints } from '../../src/discovery/file.ts'
import { POLL_MS, SETTLE_MS, type WatchFolder } from '../../src/discovery/watched-files.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'

/** Entries are names. @throws for one that is no string */
function read(list: unknown) {
  return endpointSpecs(
    (list as unknown[]).map((name, i) => {
      if (typeof name !== 'string') throw new Error(`entry ${i + 1}: is no name`)
      return { name, unix: `/run/${name}` }
    }),
  )
}

/** No event is told, as on some file systems that are shared over a network. */
const NO_EVENTS: WatchFolder = () => {
  throw new Error('ENOSYS')
}

class Scene {
  readonly clock = new FakeClock()
  readonly folder: string
  readonly path: string
  /** All that the source said. */
  readonly told: string[] = []
  readonly source: FileSource

  constructor(t: Test, name = 'endpoints.yaml', watchFolder?: WatchFolder) {
    this.folder = t.testdir({})
    this.path = join(this.folder, name)
    const context = watchFolder === undefined ? { clock: this.clock } : { clock: this.clock, watchFolder }
    this.source = new FileSource({ path: this.path, read }, context)
    t.teardown(() => this.source.close())
  }

  start(): void {
    this.source.start({
      onEndpoints: all => this.told.push(all.map(({ address }) => address.name).join(' ')),
      onError: reason => this.told.push(reason.replaceAll(`${this.folder}/`, '')),
    })
  }

  /** The file appears whole. */
  replace(text: string): void {
    writeFileSync(`${this.path}.new`, text)
    renameSync(`${this.path}.new`, this.path)
  }

  /** Real events come, and the short waits that follow them are over, but no other: until the source says this. */
  async says(what: string): Promise<void> {
    const beganMs = this.clock.now()
    await this.#until(what, () => {
      if (this.clock.delays.some(delayMs => delayMs <= SETTLE_MS)) this.clock.advance(SETTLE_MS)
    })
    if (this.clock.now() - beganMs >= POLL_MS) throw new Error(`no event told of ${what}`)
  }

  /** Time passes until the source says this. */
  saysLater(what: string): Promise<void> {
    return this.#until(what, () => this.clock.advance(SETTLE_MS))
  }

  /** What was begun by now is over. */
  async rests(): Promise<void> {
    await until('it rests', () => this.clock.delays.some(delayMs => delayMs > SETTLE_MS))
  }

  #until(what: string, step: () => void): Promise<void> {
    const holds = () => {
      step()
      return this.told.at(-1) === what
    }
    return until(what, holds, () => JSON.stringify(this.told))
  }
}

t.test('YAML and JSON, replaced by a rename', async t => {
  const scene = new Scene(t)
  scene.replace('- a\n- b # the second\n')
  scene.start()
  await scene.says('a b')
  await scene.rests()
  scene.replace('["b", "c"]')
  await scene.says('b c')
  await scene.rests()
  writeFileSync(scene.path, '- d\n')
  await scene.says('d')
  t.same(scene.told, ['a b', 'b c', 'd'], 'each once')
})

t.test("a ConfigMap of Kubernetes: a symbolic link on the file's way is another", async t => {
  const scene = new Scene(t)
  const version = (name: string, text: string) => {
    mkdirSync(join(scene.folder, name))
    writeFileSync(join(scene.folder, name, 'endpoints.yaml'), text)
    symlinkSync(name, join(scene.folder, '..data_tmp'))
    renameSync(join(scene.folder, '..data_tmp'), join(scene.folder, '..data'))
  }
  version('..one', '- a')
  symlinkSync('..data/endpoints.yaml', scene.path)
  scene.start()
  await scene.says('a')
  await scene.rests()
  version('..two', '- b')
  rmSync(join(scene.folder, '..one'), { recursive: true })
  await scene.says('b')
  t.same(scene.told, ['a', 'b'])
})

t.test('without events the file is looked at from time to time', async t => {
  const scene = new Scene(t, 'endpoints.yaml', NO_EVENTS)
  scene.replace('- a')
  scene.start()
  await scene.says('a')
  await scene.rests()
  scene.replace('- b')
  t.same(scene.clock.delays, [POLL_MS])
  scene.clock.advance(POLL_MS)
  await scene.says('b')
  t.same(scene.told, ['a', 'b'])
})

t.test('an endpoint that fails is a reason to look at once, and many are one reason', async t => {
  const scene = new Scene(t, 'endpoints.yaml', NO_EVENTS)
  scene.replace('- a')
  scene.start()
  await scene.says('a')
  await scene.rests()
  scene.replace('- b')
  for (let i = 0; i < 1_000; i++) scene.source.refresh()
  t.same(scene.clock.delays, [SETTLE_MS])
  await scene.says('b')
})

t.test('a file that is being written is read when it rests', async t => {
  const scene = new Scene(t, 'endpoints.yaml', NO_EVENTS)
  scene.replace('- a\n- b\n- c\n')
  scene.start()
  await scene.says('a b c')
  await scene.rests()
  for (const text of ['- d\n', '- d\n- e\n', '- d\n- e\n- f\n']) {
    writeFileSync(scene.path, text)
    scene.source.refresh()
    await until('a look is due', () => scene.clock.delays[0] === SETTLE_MS)
    scene.clock.advance(SETTLE_MS)
    await until('it was looked at', () => scene.clock.delays[0] === SETTLE_MS)
  }
  t.same(scene.told, ['a b c'], 'no list with a part of it')
  await scene.says('d e f')
})

t.test('what is wrong is said with its place, what was said before is still so, and a good file heals it', async t => {
  const scene = new Scene(t, 'endpoints.yaml', NO_EVENTS)
  scene.start()
  await scene.says('endpoints.yaml: cannot be read: there is no such file')
  const wrong: [text: string, reason: RegExp][] = [
    ['', /^endpoints\.yaml: the list is empty$/],
    ['[]', /^endpoints\.yaml: the list is empty$/],
    ['a: b', /^endpoints\.yaml: is no list: write one address in each line, after "- "$/],
    ['- a\n- 7', /^endpoints\.yaml: entry 2: is no name$/],
    ['- a\n- [b', /^endpoints\.yaml: .* at line 2, column \d+/],
    [`${'a: &a [x,x,x,x,x,x,x,x]\n'}b: &b [${'*a,'.repeat(99)}]\nc: [${'*b,'.repeat(99)}]`, /alias/],
    [`- ${'a'.repeat(MAX_FILE_BYTES)}`, /has more than \d+ bytes$/],
  ]
  for (const [text, reason] of wrong) {
    scene.replace(text)
    const before = scene.told.length
    await until(`something is said of ${text.slice(0, 20)}`, () => {
      scene.clock.advance(SETTLE_MS)
      return scene.told.length > before
    })
    t.match(scene.told.at(-1), reason)
    t.notMatch(scene.told.at(-1), /\n/)
  }
  scene.replace('- a')
  await scene.saysLater('a')
})

t.test('a pipe is not waited for, nor is a folder read', async t => {
  const scene = new Scene(t, 'pipe', NO_EVENTS)
  execFileSync('mkfifo', [scene.path])
  scene.start()
  await scene.says('pipe: is no file')
  rmSync(scene.path)
  mkdirSync(scene.path)
  await t.rejects(readEndpoints({ path: scene.path, read }), /pipe: is no file/)
})

t.test('the folder comes later, and is replaced: its new events are heard', async t => {
  const scene = new Scene(t, 'conf/endpoints.yaml')
  scene.start()
  await scene.says('conf/endpoints.yaml: cannot be read: there is no such file')
  const appear = (text: string) => {
    mkdirSync(join(scene.folder, 'next'))
    writeFileSync(join(scene.folder, 'next/endpoints.yaml'), text)
    rmSync(join(scene.folder, 'conf'), { recursive: true, force: true })
    renameSync(join(scene.folder, 'next'), join(scene.folder, 'conf'))
  }
  appear('- a')
  await scene.saysLater('a')
  appear('- b')
  await scene.saysLater('b')
  await scene.rests()
  scene.replace('- c')
  await scene.says('c')
})

t.test('after close nothing is said, and nothing is left', async t => {
  const scene = new Scene(t)
  scene.replace('- a')
  scene.start()
  await scene.says('a')
  await scene.rests()
  scene.replace('- b')
  scene.source.refresh()
  scene.source.close()
  scene.source.refresh()
  truncateSync(scene.path)
  scene.clock.advance(10 * POLL_MS)
  await new Promise(resolve => setTimeout(resolve, 20))
  t.same([scene.told, scene.clock.pending], [['a'], 0])
})

t.test('a list that was replaced while it was read is not told', async t => {
  const scene = new Scene(t, 'endpoints.yaml', NO_EVENTS)
  scene.replace('- a')
  let during: (() => void) | undefined
  const source = new FileSource(
    {
      path: scene.path,
      read: list => {
        during?.()
        return read(list)
      },
    },
    { clock: scene.clock, watchFolder: NO_EVENTS },
  )
  t.teardown(() => source.close())
  const told: string[] = []
  during = () => {
    during = undefined
    scene.replace('- b')
  }
  source.start({ onEndpoints: all => told.push(all[0]!.address.name), onError: reason => told.push(reason) })
  await until('b is told', () => {
    scene.clock.advance(SETTLE_MS)
    return told.length > 0
  })
  t.same(told, ['b'])
})
