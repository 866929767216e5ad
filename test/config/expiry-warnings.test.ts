/** When the log warns that certificates expire. */
import type { Logger } from 'pino'
import t from 'tap'
import { ExpiryWarnings } from '../../src/config/expiry-warnings.ts'
import type { CertificateTerm } from '../../src/proxy/certificate-term.ts'
import { FakeClock } from '../support/fake-clock.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const START = Date.UTC(2030, 0, 1)
const TLS = { watchFiles: true, expiryWarningDays: 14, ticketLifetimeMs: 300_000, ticketKeyMs: 43_200_000 }

function scene() {
  const clock = new FakeClock()
  const startMs = clock.now()
  const said: string[] = []
  const log = { warn: (_: object, message: string) => said.push(message) } as unknown as Logger
  const warnings = new ExpiryWarnings(log, clock, () => START + clock.now() - startMs)
  const told = () => said.splice(0).length
  return { clock, warnings, said, told }
}

const term = (fromDays: number, untilDays: number, option = 'listeners[0].tls.cert'): CertificateTerm => ({
  ...{ option, what: 'CN=localhost' },
  ...{ fromMs: START + fromDays * DAY_MS, untilMs: START + untilDays * DAY_MS },
})

t.test('once a day, from the configured days before on, also after another reload', async t => {
  const { clock, warnings, said, told } = scene()
  const setup = { certificates: [term(-75, 15), term(-1, 89, 'backends.a.tls.ca')], tls: TLS }
  warnings.watch(setup)
  t.equal(told(), 0, '15 days before')
  clock.advance(DAY_MS + HOUR_MS)
  t.same(said, ['listeners[0].tls.cert: CN=localhost expires on Wed, 16 Jan 2030 00:00:00 GMT'])
  told()
  warnings.watch(setup)
  t.equal(told(), 0, 'not for each reload')
  clock.advance(13 * DAY_MS)
  t.equal(told(), 13)
  clock.advance(2 * DAY_MS)
  t.match(said.at(-1), /expired on/)
  told()
  warnings.watch({ certificates: [term(0, 90)], tls: TLS })
  clock.advance(2 * DAY_MS)
  t.equal(told(), 0, 'it was renewed')
  warnings.close()
  t.equal(clock.pending, 0)
})

t.test('what lives for a day is told of in its last quarter; none where it is turned off', async t => {
  const { clock, warnings, told } = scene()
  warnings.watch({ certificates: [term(0, 1)], tls: TLS })
  clock.advance(17 * HOUR_MS)
  t.equal(told(), 0)
  clock.advance(2 * HOUR_MS)
  t.equal(told(), 1)
  warnings.watch({ certificates: [term(0, 1)], tls: { ...TLS, expiryWarningDays: 0 } })
  clock.advance(DAY_MS)
  t.equal(told(), 0)
  t.equal(clock.pending, 0)
})
