/** Protobuf by hand: what is read is what is meant, and no bytes do more than be refused. */
import t from 'tap'
import { seededRandom } from '../../src/bench/random.ts'
import { readCheckResponse } from '../../src/grpc/check-message.ts'
import { Message, messageField, numberField, textField, WrongMessage } from '../../src/grpc/protobuf.ts'
import { readRateLimitResponse } from '../../src/grpc/rate-limit-message.ts'

t.test('fields in any order, unknown ones, and the last of several', async t => {
  const bytes = Buffer.concat([
    ...[
      textField(2, 'a'),
      numberField(1, 300),
      textField(2, 'b'),
      numberField(1, 2 ** 40),
      messageField(3, textField(1, 'in')),
    ],
    ...[Buffer.from([0x49, 1, 2, 3, 4, 5, 6, 7, 8]), Buffer.from([0x55, 1, 2, 3, 4])],
  ])
  const message = new Message(bytes)
  t.same([message.number(1), message.text(2), message.texts(2)], [2 ** 40, 'b', ['a', 'b']])
  t.equal(message.message(3)?.text(1), 'in')
  t.same([message.number(8), message.text(8), message.message(8)], [0, '', undefined])
})

t.test('what is no message is refused', async t => {
  const wrong = ['00', '08', '0880', '08ffffffffffffffffffff01', '0a05', '0b', '0c', '0e', '0a8080808010', '49010203']
  for (const hex of wrong) t.throws(() => new Message(Buffer.from(hex, 'hex')), WrongMessage, hex)
  t.throws(() => new Message(Buffer.from('0801', 'hex')).text(1), WrongMessage)
  t.throws(() => new Message(Buffer.from('0a01ff', 'hex')).text(1), WrongMessage)
  t.throws(() => new Message(Buffer.from('0a00', 'hex')).number(1), WrongMessage)
})

t.test('random bytes are an answer or a wrong message', async t => {
  const random = seededRandom(7)
  for (let i = 0; i < 20_000; i++) {
    const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 24) }, () => Math.floor(random() ** 2 * 256)))
    for (const read of [readCheckResponse, readRateLimitResponse]) {
      try {
        read(bytes)
      } catch (error) {
        if (!(error instanceof WrongMessage)) return t.fail(`${bytes.toString('hex')}: ${error}`)
      }
    }
  }
  t.pass()
})
