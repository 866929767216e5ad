import t from 'tap'
import { RoutedCall } from '../../src/call/call-info.ts'
import { checkHead } from '../../src/call/head-check.ts'
import { readHead } from '../../src/grpc/metadata.ts'
import { block } from '../support/fake-transport.ts'

const PEER = { address: '192.0.2.9:1234', encrypted: false }

function call(fields: Parameters<typeof block>[0]): RoutedCall {
  const made = block(fields)
  return new RoutedCall(readHead(made), made, PEER)
}

t.test('service and method: what the check of the head found', async t => {
  const made = block({ ':method': 'POST', ':path': '/pkg.Service/Method', 'content-type': 'application/grpc' })
  const head = readHead(made)
  t.equal(checkHead(head, false, false), undefined)
  const { path, service, method } = new RoutedCall(head, made, PEER)
  t.same([path, service, method], ['/pkg.Service/Method', 'pkg.Service', 'Method'])
})

t.test('authority, peer', async t => {
  t.equal(call({ ':authority': 'a:1', host: 'b' }).authority, 'a:1')
  t.equal(call({ host: 'b' }).authority, 'b')
  t.equal(call({}).peer, PEER)
})

t.test('metadata: first value, all values, in order, as sent', async t => {
  const fields = [
    [':path', '/a/b'],
    ['x-id', '1'],
    ['x-bin', 'AAE='],
    ['x-id', '2, 3'],
    ['x-empty', ''],
  ] as const
  const { metadata } = call(fields)
  t.equal(metadata.get('x-id'), '1')
  t.same(metadata.getAll('x-id'), ['1', '2, 3'])
  t.equal(metadata.get('x-bin'), 'AAE=')
  t.equal(metadata.get('x-empty'), '')
  t.equal(metadata.has('x-empty'), true)
  t.equal(metadata.get('none'), undefined)
  t.same(metadata.getAll('none'), [])
  t.equal(metadata.has('none'), false)
  t.same(
    metadata.fields.map(field => [field.name, field.value]),
    fields,
  )
})

t.test('the signal: the same each time, aborted once the call is', async t => {
  const made = call({})
  const { signal } = made
  t.equal(made.signal, signal)
  t.equal(signal.aborted, false)
  let heard = 0
  signal.addEventListener('abort', () => heard++)
  made.abort()
  made.abort()
  t.same([signal.aborted, heard], [true, 1])
})

t.test('the signal, asked for too late, is aborted already', async t => {
  const made = call({})
  made.abort()
  t.equal(made.signal.aborted, true)
})

t.test('nobody asks for the signal: none is made', async t => {
  const Original = globalThis.AbortController
  t.teardown(() => {
    globalThis.AbortController = Original
  })
  let made = 0
  globalThis.AbortController = class extends Original {
    constructor() {
      super()
      made++
    }
  }
  const quiet = call({ ':path': '/a/b' })
  quiet.metadata.get('x')
  quiet.abort()
  t.equal(made, 0)
  quiet.signal
  t.equal(made, 1)
})
