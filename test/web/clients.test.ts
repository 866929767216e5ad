/** A real client of gRPC-Web in Node: @connectrpc/connect-web. */
import t from 'tap'
import { connectReport, readSlowly } from './page/connect.ts'
import { EXPECTED } from './page/messages.ts'
import { descriptors } from './pages.ts'
import { scene } from './scene.ts'

const TYPES = descriptors()
/** Much more than a client and two kernels hold. */
const REPLIES = { count: 400, payloadSize: 100_000 }
const BOUND_BYTES = 20_000_000

t.test('connect-web in Node, over HTTP/1.1', async t => {
  const { url } = await scene(t, true)
  t.same(await connectReport(url, TYPES, 'node'), EXPECTED)
})

t.test('connect-web in Node, with the protocol of Connect', async t => {
  const { url } = await scene(t, true)
  t.same(await connectReport(url, TYPES, 'node connect', 'connect'), EXPECTED)
})

t.test('connect-web in Node that stops reading stops the backend, and gets everything in the end', async t => {
  const { url, sent } = await scene(t, true)
  let bytes = Number.POSITIVE_INFINITY
  const count = await readSlowly(url, TYPES, REPLIES, async () => {
    bytes = await atRest(sent)
  })
  t.ok(bytes < BOUND_BYTES, `the backend stopped after ${bytes} bytes`)
  t.equal(count, REPLIES.count)
})

/** Once it has not changed for a while. */
async function atRest(count: () => number): Promise<number> {
  let [before, same] = [-1, 0]
  while (same < 15) {
    await new Promise(resolve => setTimeout(resolve, 20))
    const now = count()
    same = now === before ? same + 1 : 0
    before = now
  }
  return before
}
