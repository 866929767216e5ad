/** Messages: checked wherever their bytes are cut; and how a call says which it wants. */

import t from 'tap'
import { bytesOf, metadataOf, planOf, readPlan } from '../../../bench/load/call-plan.ts'
import { MessageCheck } from '../../../bench/load/message-check.ts'
import { messageOf } from '../../../bench/load/messages.ts'
import type { Shape } from '../../../bench/load/shape.ts'
import { BULK_BYTES, BULK_PATH, SMALL_BYTES, SMALL_PATH } from '../../../bench/subjects/world.ts'
import { fieldOf } from '../../../src/wire/index.ts'

const THREE = Buffer.concat([messageOf(12), messageOf(12), messageOf(12)])

t.test('messages cut at any two places', async t => {
  for (let first = 0; first <= THREE.length; first++) {
    for (let second = first; second <= THREE.length; second++) {
      const check = new MessageCheck({ count: 3, bytes: 12 })
      for (const [start, end] of [
        [0, first],
        [first, second],
        [second, THREE.length],
      ] as const) {
        const problem = check.push(THREE, start, end)
        if (problem !== undefined) t.fail(`${first}, ${second}: ${problem}`)
        if (check.messages !== Math.floor(end / 12)) t.fail(`${first}, ${second}: ${check.messages} messages`)
      }
      if (!check.whole || check.end() !== undefined) t.fail(`${first}, ${second}: not whole`)
    }
  }
  t.pass('all of them')
})

t.test('each wrong byte is seen, of prefix and payload', async t => {
  for (let at = 0; at < THREE.length; at++) {
    const bytes = Buffer.from(THREE)
    bytes[at]! ^= 1
    const problem = new MessageCheck({ count: 3, bytes: 12 }).push(bytes, 0, bytes.length)
    const part = at % 12 < 5 ? 'prefix' : 'payload'
    t.match(problem, new RegExp(`${part} of message ${Math.floor(at / 12) + 1} .* byte ${at % 12} `))
  }
})

t.test('too little and too much', async t => {
  const check = new MessageCheck({ count: 2, bytes: 12 })
  t.equal(check.push(THREE, 0, 23), undefined)
  t.match(check.end(), /23 bytes came instead of 24/)
  t.match(check.push(THREE, 23, 25), /25 bytes came instead of 24/)
})

const SHAPES: readonly Shape[] = [
  { kind: 'unary', requestBytes: 16_384, responseBytes: 100 },
  { kind: 'server-stream', messages: 10, messageBytes: 50 },
  { kind: 'client-stream', messages: 10, messageBytes: 50 },
  { kind: 'ping-pong', messages: 10, messageBytes: 50 },
  { kind: 'duplex', messages: 10, messageBytes: 50 },
]
const blockOf = (path: string, metadata: readonly (readonly [string, string])[]) =>
  [[':path', path] as const, ...metadata].map(([name, value]) => fieldOf(name, value))

t.test('what a call says is what the backend reads', async t => {
  for (const shape of SHAPES) {
    const plan = planOf(shape)
    t.same(readPlan(blockOf(plan.path, metadataOf(plan))), plan, shape.kind)
  }
  t.equal(bytesOf(planOf(SHAPES[0]!)), 16_484)
  t.equal(bytesOf(planOf(SHAPES[1]!)), 500 + SMALL_BYTES)
  t.equal(bytesOf(planOf(SHAPES[4]!)), 1_000)
})

t.test('what nghttpd serves too needs no metadata', async t => {
  for (const [path, responseBytes] of [
    [SMALL_PATH, SMALL_BYTES],
    [BULK_PATH, BULK_BYTES],
  ] as const) {
    const plan = planOf({ kind: 'unary', requestBytes: SMALL_BYTES, responseBytes })
    t.equal(plan.path, path)
    t.same(metadataOf(plan), [])
    t.same(readPlan(blockOf(path, [])), plan)
  }
})

t.test('calls that say it wrong', async t => {
  const numbers = (...values: (number | string)[]): (readonly [string, string])[] =>
    metadataOf(planOf(SHAPES[0]!)).map(([name], i) => [name, String(values[i])] as const)
  const wrong: readonly [string, readonly (readonly [string, string])[], RegExp][] = [
    ['/other.Service/Method', [], /no method \/other.Service\/Method/],
    ['/verbatim.bench.Shapes/Unary', [], /x-request-messages must be a number/],
    ['/verbatim.bench.Shapes/Unary', numbers(1, 39, 1, '-5'), /x-response-bytes must be a number/],
    ['/verbatim.bench.Shapes/Unary', numbers(1, 39, 1, 4), /messages of 4 bytes/],
    ['/verbatim.bench.Shapes/Unary', numbers(1, 39, 1, 999_999_999), /messages of 999999999 bytes/],
    ['/verbatim.bench.Shapes/Duplex', numbers(1, 39, 9_999_999, 39), /9999999 messages/],
    ['/verbatim.bench.Shapes/PingPong', numbers(1, 39, 2, 39), /1 requests and 2 responses/],
  ]
  for (const [path, metadata, message] of wrong) t.throws(() => readPlan(blockOf(path, metadata)), { message })
})
