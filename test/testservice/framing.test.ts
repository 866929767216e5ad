/** The demo's message decoder: every split of the bytes gives the same messages. */
import t from 'tap'
import { frameMessage, MessageDecoder } from '../../src/demo/framing.ts'
import { Status } from '../../src/grpc/status.ts'

const MESSAGES = [Buffer.from('abc'), Buffer.alloc(0), Buffer.alloc(300, 7)]
const BYTES = Buffer.concat(MESSAGES.map(frameMessage))

t.test('two pieces, split at each point', async t => {
  for (let at = 0; at <= BYTES.length; at++) {
    const decoder = new MessageDecoder()
    const messages = [...decoder.push(BYTES.subarray(0, at)), ...decoder.push(BYTES.subarray(at))]
    decoder.end()
    t.ok(messages.length === 3 && messages.every((message, i) => message.equals(MESSAGES[i]!)), `split at ${at}`)
  }
})

t.test('byte by byte', async t => {
  const decoder = new MessageDecoder()
  const messages = [...BYTES].flatMap(byte => decoder.push(Buffer.from([byte])))
  t.strictSame(messages, MESSAGES)
})

t.test('what is no message', async t => {
  const cut = new MessageDecoder()
  cut.push(BYTES.subarray(0, 6))
  t.throws(() => cut.end(), { code: Status.INTERNAL })
  t.throws(() => new MessageDecoder().push(Buffer.from([1, 0, 0, 0, 0])), { code: Status.UNIMPLEMENTED })
  t.throws(() => new MessageDecoder().push(Buffer.from([0, 0xff, 0, 0, 0])), { code: Status.RESOURCE_EXHAUSTED })
})
