/** When a certificate is asked for, by a clock that the test turns: at once, again after failures, before its end. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import t, { type Test } from 'tap'
import { Renewal } from '../../src/acme/renewal.ts'
import { triesFile } from '../../src/acme/storage.ts'
import { issue } from '../support/certs.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** One certificate in a folder of its own. @param answer what the authority gives, by the number of the order */
function scene(t: Test, answer: (order: number) => Promise<string>, folder = join(t.testdir(), 'storage')) {
  const clock = new FakeClock()
  const beganMs = Date.now() - clock.now()
  const wall = () => beganMs + clock.now()
  const said: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void said.push(JSON.parse(line).msg) })
  const startMs = wall()
  /** Minutes from the beginning. */
  const orders: number[] = []
  let used = 0
  const file = join(folder, 'a.example.pem')
  const setup = {
    option: 'listeners[0].tls.acme',
    domains: ['a.example'],
    directory: 'https://ca.example/dir',
    accountFile: join(folder, 'account.key'),
    file,
    challenge: { kind: 'tls-alpn-01' },
  } as const
  const order = () => {
    orders.push(Math.round((wall() - startMs) / MINUTE_MS))
    return answer(orders.length)
  }
  const onCertificate = () => void used++
  const renewal = new Renewal(setup, { clock, wall, log, order, onCertificate, random: () => 0 })
  t.teardown(() => renewal.close())
  const rests = () =>
    until(
      'it waits',
      () => clock.pending === 1,
      () => said.join('\n'),
    )
  /** Time passes in steps in which what is due is done. */
  const pass = async (ms: number, stepMs = 10 * MINUTE_MS) => {
    for (let leftMs = ms; leftMs > 0; leftMs -= stepMs) {
      clock.advance(Math.min(stepMs, leftMs))
      await rests()
    }
  }
  return { renewal, orders, said, file, rests, pass, wall, used: () => used }
}

async function pemOf(notBefore: Date, notAfter: Date): Promise<string> {
  const { cert, key } = await issue(undefined, { name: 'a.example', notBefore, notAfter })
  return `${key}\n${cert}`
}

const ninetyDays = (fromMs: number) => pemOf(new Date(fromMs), new Date(fromMs + 90 * DAY_MS))

t.test('none is there: it is asked for at once, kept for its owner only, and renewed with a third left', async t => {
  const now = scene(t, order => ninetyDays(Date.now() + (order - 1) * 60 * DAY_MS))
  await now.renewal.start()
  await now.rests()
  t.same(now.orders, [0])
  t.equal(now.used(), 1)
  t.match(readFileSync(now.file, 'utf8'), /PRIVATE KEY[\s\S]*BEGIN CERTIFICATE/)
  t.equal(statSync(now.file).mode & 0o777, 0o600)
  t.equal(statSync(join(now.file, '..')).mode & 0o777, 0o700)
  await now.pass(59 * DAY_MS, DAY_MS)
  t.equal(now.orders.length, 1, 'after 59 days')
  await now.pass(2 * DAY_MS, DAY_MS)
  t.equal(now.orders.length, 2, 'after 61')
  t.equal(now.used(), 2)
})

t.test('failures: it asks 5 times in the first hour, then every 6 hours, and says why in one line', async t => {
  const now = scene(t, () => Promise.reject(new Error('\u001b[31m no\nsuch\tname')))
  await now.renewal.start()
  await now.rests()
  await now.pass(60 * MINUTE_MS, MINUTE_MS)
  t.same(now.orders, [0, 1, 4, 13, 40])
  await now.pass(DAY_MS, MINUTE_MS)
  t.same(now.orders.slice(5, 9), [121, 364, 724, 1084])
  t.equal(now.used(), 0)
  t.ok(now.said.includes('listeners[0].tls.acme: no certificate from https://ca.example/dir:  [31m no such name'))
  t.notOk(existsSync(now.file))
})

t.test('who starts again and again does not ask more often; what is stored is used', async t => {
  const folder = join(t.testdir(), 'storage')
  const before = scene(t, () => Promise.reject(new Error('no')), folder)
  await before.renewal.start()
  await before.rests()
  before.renewal.close()
  const after = scene(t, () => ninetyDays(Date.now()), folder)
  await after.renewal.start()
  await after.rests()
  t.same(after.orders, [], 'not at once')
  t.match(after.said.at(-1), /the next try is on/)
  await after.pass(2 * MINUTE_MS, MINUTE_MS)
  t.same(after.orders, [1])
  t.notOk(existsSync(triesFile(after.file)))
  after.renewal.close()
  const third = scene(t, () => Promise.reject(new Error('asked for nothing')), folder)
  await third.renewal.start()
  await third.rests()
  t.same(third.orders, [])
})

t.test('a note from the future, or garbage, does not keep it from asking', async t => {
  for (const [note, orders] of [
    ['{"failures":3,"notBeforeMs":1e15}', 1],
    ['{"failures":-1}', 1],
    ['garbage', 1],
  ] as const) {
    const folder = join(t.testdir(), 'storage')
    mkdirSync(folder, { recursive: true })
    const now = scene(t, () => ninetyDays(Date.now()), folder)
    writeFileSync(triesFile(now.file), note)
    writeFileSync(now.file, 'no certificate')
    await now.renewal.start()
    await now.rests()
    await now.pass(DAY_MS + MINUTE_MS)
    t.equal(now.orders.length, orders, note)
  }
})

t.test('one that cannot be kept is not asked for', async t => {
  const folder = join(t.testdir({ file: 'no folder' }), 'file')
  const now = scene(t, () => ninetyDays(Date.now()), folder)
  await now.renewal.start()
  await now.rests()
  t.same(now.orders, [])
  t.match(now.said.join('\n'), /no certificate from .*(ENOTDIR|EEXIST)/)
})
