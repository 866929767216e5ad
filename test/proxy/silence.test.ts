/** Clients that connect and then do not say what RFC 9113 §3.4 asks of them: the preface, and SETTINGS. */
import { once } from 'node:events'
import t from 'tap'
import { goesOn } from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { FrameType, PREFACE, writeFrame } from '../support/frames.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import { dial, RawClient } from '../support/raw-client.ts'
import { closing } from '../support/teardown.ts'
import { until } from '../support/until.ts'
import { rig } from './rig.ts'

/** Long enough for those who say all of it, TLS and all, on a busy machine. */
const PREFACE_TIMEOUT_MS = 1_500
/** At a time: each waits for its own timeout. */
t.jobs = 9
const LIMITS = { proxy: { limits: { prefaceTimeoutMs: PREFACE_TIMEOUT_MS } } }
const SETTINGS = writeFrame({ type: FrameType.SETTINGS, flags: 0, streamId: 0, payload: Buffer.alloc(6) })

const SAID: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'half of the preface': PREFACE.subarray(0, 12),
  'the preface': PREFACE,
  'the preface and half of SETTINGS': Buffer.concat([PREFACE, SETTINGS.subarray(0, 11)]),
}

for (const over of ['TCP', 'TLS'] as const) {
  for (const [what, bytes] of Object.entries(SAID)) {
    t.test(`${over}: a client says ${what}, and no more: it is closed in time`, { timeout: PATIENCE_MS }, async t => {
      const made = over === 'TLS' ? await certificates() : undefined
      const tls = made && { ca: made.ca.cert }
      const here = await rig(t, { ...LIMITS, certificates: made, client: { tls } })
      const socket = closing(t, await dial(here.port, tls))
      socket.on('error', () => {})
      socket.resume()
      const closed = once(socket, 'close')
      const start = performance.now()
      socket.write(bytes)
      await closed
      // Generous: the timer began before `start`.
      t.ok(performance.now() - start > PREFACE_TIMEOUT_MS / 4, 'not at once')
      await until('it is forgotten', () => here.proxy.counts().clientConnections === 1)
      t.equal(here.proxy.counts().clientSessions, 1)
      await goesOn(t, here)
    })
  }
}

t.test('a client that said its SETTINGS may be silent as long as it likes', { timeout: PATIENCE_MS }, async t => {
  const here = await rig(t, LIMITS)
  const quiet = await RawClient.connect(t, here.port)
  // Accepted later, so its time is over later.
  const silent = closing(t, await dial(here.port))
  silent.on('error', () => {})
  await once(silent.resume(), 'close')
  t.equal(here.proxy.counts().clientSessions, 2)
  await goesOn(t, { ...here, client: quiet })
  await goesOn(t, here)
})
