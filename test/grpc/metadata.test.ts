import fc from 'fast-check'
import t from 'tap'
import {
  answerContentType,
  editRequest,
  type Field,
  isGrpcContentType,
  type RequestEdits,
  readHead,
} from '../../src/grpc/metadata.ts'
import { block } from '../support/fake-transport.ts'

const SAME: RequestEdits = { scheme: 'http', authority: undefined, timeout: undefined, added: [] }

const REQUEST = block([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/pkg.Service/Method'],
  [':authority', 'api.example.com'],
  ['content-type', 'application/grpc+proto'],
  ['te', 'trailers'],
  ['grpc-timeout', '5S'],
  ['x-twice', 'one'],
  ['x-other', ''],
  ['x-twice', 'two'],
  ['trace-bin', 'AAE='],
])

const pairs = (fields: readonly Field[]) => fields.map(field => [field.name, field.value])

t.test('readHead', async t => {
  const none = { host: '', hosts: 0, called: undefined, listBytes: 0 }
  t.same(readHead(REQUEST), {
    ...none,
    method: 'POST',
    path: '/pkg.Service/Method',
    authority: 'api.example.com',
    contentType: 'application/grpc+proto',
    timeout: '5S',
    // RFC 9113 §6.5.2: "the length of the name and value in octets plus an overhead of 32 octets for each field".
    listBytes: REQUEST.reduce((bytes, { name, value }) => bytes + Buffer.byteLength(name + value) + 32, 0),
  })
  t.same(readHead([]), { ...none, method: '', path: '', authority: '', contentType: '', timeout: undefined })
})

t.test('readHead: host where there is no :authority', async t => {
  t.equal(readHead(block({ host: 'old.example.com' })).authority, 'old.example.com')
  t.equal(readHead(block({ ':authority': 'new', host: 'old' })).authority, 'new')
  t.equal(readHead(block({ host: 'old', ':authority': 'new' })).authority, 'new')
})

t.test('readHead: host and content-type that come twice', async t => {
  const twice = block([
    ['host', 'a'],
    ['content-type', 'text/plain'],
    ['host', 'b'],
    ['content-type', 'application/grpc'],
  ])
  t.match(readHead(twice), { host: 'b', hosts: 2, contentType: 'text/plain, application/grpc' })
})

t.test('readHead: names are compared as they are on the wire, in lower case', async t => {
  t.equal(readHead(block({ 'Content-Type': 'application/grpc' })).contentType, '')
})

t.test('isGrpcContentType', async t => {
  const yes = ['application/grpc', 'application/grpc+proto', 'application/grpc;charset=utf-8', 'application/grpc ; a=b']
  yes.push('Application/GRPC', 'APPLICATION/grpc+proto')
  const no = [
    '',
    'Application/GRPC-Web',
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpcx',
    'application/json',
  ]
  for (const type of [...yes, 'application/grpc+']) t.ok(isGrpcContentType(type), type)
  for (const type of [...no, 'application/grp', ' application/grpc', 'text/application/grpc']) {
    t.notOk(isGrpcContentType(type), type)
  }
})

t.test("answerContentType: the request's own where it is gRPC's, short and printable", async t => {
  for (const own of ['application/grpc', 'application/grpc+json', 'Application/gRPC; charset=utf-8']) {
    t.equal(answerContentType(own), own)
  }
  const others = ['', 'application/json', 'application/grpc ', 'application/grpc+\x7f', 'application/grpc+\xfc']
  for (const other of [...others, `application/grpc+${'x'.repeat(112)}`]) {
    t.equal(answerContentType(other), 'application/grpc', other)
  }
})

t.test('nothing differs: the very block that came', async t => {
  t.equal(editRequest(REQUEST, SAME), REQUEST)
})

t.test('values that are the same already leave every field the same object', async t => {
  const edited = editRequest(REQUEST, { ...SAME, authority: 'api.example.com', timeout: '5S' })
  t.ok(edited.every((field, i) => field === REQUEST[i]))
  t.equal(edited.length, REQUEST.length)
})

t.test('the scheme is that of the upstream connection', async t => {
  const edited = editRequest(REQUEST, { ...SAME, scheme: 'https' })
  t.same(pairs(edited), pairs(REQUEST).with(1, [':scheme', 'https']))
  t.equal(REQUEST[1]!.value, 'http', 'the block that came is as before')
})

t.test('the remaining time', async t => {
  const edited = editRequest(REQUEST, { ...SAME, timeout: '4999m' })
  t.same(pairs(edited), pairs(REQUEST).with(6, ['grpc-timeout', '4999m']))
})

t.test('another authority: in :authority and in host', async t => {
  const both = [...REQUEST, ...block({ host: 'api.example.com' })]
  const edited = editRequest(both, { ...SAME, authority: 'other' })
  t.same(pairs(edited), pairs(both).with(3, [':authority', 'other']).with(11, ['host', 'other']))
  const hostOnly = block({ ':scheme': 'http', host: 'old' })
  t.same(pairs(editRequest(hostOnly, { ...SAME, authority: 'other' })), [
    [':scheme', 'http'],
    ['host', 'other'],
  ])
  t.equal(editRequest(both, SAME), both)
})

t.test(
  'another authority: added behind the pseudo-header fields where there is neither :authority nor host',
  async t => {
    const bare = REQUEST.filter(({ name }) => name !== ':authority')
    const edited = editRequest(bare, { ...SAME, authority: 'other', added: block({ a: 'b' }) })
    t.same(pairs(edited), [...pairs(bare).toSpliced(3, 0, [':authority', 'other']), ['a', 'b']])
    t.same(pairs(editRequest(block({ ':path': '/a/b' }), { ...SAME, authority: 'other' })), [
      [':path', '/a/b'],
      [':authority', 'other'],
    ])
    t.same(editRequest(bare, SAME), bare)
  },
)

t.test('added fields come last and replace those of the client', async t => {
  const added = block([
    ['x-twice', 'mine'],
    ['x-new', '1'],
    ['x-new', '2'],
  ])
  const edited = editRequest(REQUEST, { ...SAME, added })
  t.same(pairs(edited), [...pairs(REQUEST).filter(([name]) => name !== 'x-twice'), ...pairs(added)])
})

t.test('added fields replace those that the proxy may edit too', async t => {
  for (const name of ['grpc-timeout', 'host']) {
    const request = [...REQUEST.filter(field => field.name !== name), ...block({ [name]: 'theirs' })]
    const edited = editRequest(request, { ...SAME, added: block({ [name]: 'mine' }) })
    const values = pairs(edited.filter(field => field.name === name))
    t.same(values, [[name, 'mine']], name)
  }
})

t.test('never-indexed fields stay so, also with a new value', async t => {
  const secret = REQUEST.map(field => ({ ...field, neverIndexed: true }))
  const edited = editRequest(secret, { scheme: 'https', authority: 'other', timeout: '1S', added: block({ a: 'b' }) })
  t.same(
    edited.map(field => field.neverIndexed),
    [...secret.map(() => true), false],
  )
})

t.test('whatever is edited: the other fields are the same objects in the same order', async () => {
  const names = fc.constantFrom('a', 'b', 'c', ':authority', ':scheme', 'host', 'grpc-timeout', ':path')
  const fields = fc.array(fc.record({ name: names, value: fc.string(), neverIndexed: fc.boolean() }))
  const edits = fc.record({
    scheme: fc.constantFrom('http' as const, 'https' as const),
    authority: fc.option(fc.string(), { nil: undefined }),
    timeout: fc.option(fc.constant('1S'), { nil: undefined }),
    added: fc.array(fc.record({ name: fc.constantFrom('b', 'z'), value: fc.string(), neverIndexed: fc.boolean() })),
  })
  const edited = new Set([':authority', ':scheme', 'host', 'grpc-timeout'])
  fc.assert(
    fc.property(fields, edits, (fields, edits) => {
      const before = structuredClone(fields)
      const out = [...editRequest(fields, edits)]
      const kept = fields.filter(field => !edits.added.some(added => added.name === field.name))
      t.same(fields, before)
      const named = edits.authority === undefined || kept.some(({ name }) => name === ':authority' || name === 'host')
      // Behind the pseudo-header fields; taken out again, the rest is as without.
      if (!named)
        out.splice(
          out.findIndex(({ name }) => name === ':authority'),
          1,
        )
      const timed = edits.timeout === undefined || kept.some(({ name }) => name === 'grpc-timeout')
      // Behind what came.
      if (!timed) t.same(out.splice(kept.length, 1), [{ name: 'grpc-timeout', value: '1S', neverIndexed: false }])
      if (out.length !== kept.length + edits.added.length) return false
      return [...kept, ...edits.added].every((field, i) =>
        edited.has(field.name) ? out[i]!.neverIndexed === field.neverIndexed : out[i] === field,
      )
    }),
  )
})
