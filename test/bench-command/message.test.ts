/** `--message` to bytes, against protobufjs's own encoding, and all that can be wrong with it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import protobuf from 'protobufjs'
import t, { type Test } from 'tap'
import { framed, messageBytes } from '../../src/bench/message.ts'
import { UsageError } from '../../src/bench/problem.ts'
import { testMethod } from '../../src/demo/proto.ts'
import { folder, PROTO } from './rig.ts'

const PING = '/verbatim.testservice.v1.TestService/Ping'
const NONE = { files: [], importPaths: [] }
const WITH_PROTO = { files: [PROTO], importPaths: [] }

function refused(t: Test, act: () => unknown, pattern: RegExp): void {
  try {
    act()
    t.fail(`was accepted: ${pattern}`)
  } catch (error) {
    t.ok(error instanceof UsageError, String(error))
    t.match((error as Error).message, pattern)
  }
}

t.test('hexadecimal, with and without spaces; nothing is the empty message', async t => {
  t.same(messageBytes('hex:0a03616263', PING, NONE), Buffer.from('0a03616263', 'hex'))
  t.same(messageBytes('@hex:0A 03\n616263', PING, NONE), Buffer.from('0a03616263', 'hex'))
  t.same(messageBytes('hex:', PING, NONE), Buffer.alloc(0))
  t.same(messageBytes(undefined, PING, NONE), Buffer.alloc(0))
  refused(t, () => messageBytes('hex:0a0', PING, NONE), /3 digits: each byte has two/)
  refused(t, () => messageBytes('hex:0x0a', PING, NONE), /"x", which is not a hexadecimal digit/)
})

t.test('the prefix of gRPC: not compressed, length in four bytes', async t => {
  t.same(framed(Buffer.alloc(0)), Buffer.alloc(5))
  const frame = framed(Buffer.alloc(0x010203, 7))
  t.same(frame.subarray(0, 6), Buffer.from([0, 0, 1, 2, 3, 7]))
  t.equal(frame.length, 5 + 0x010203)
})

t.test('a file of bytes', async t => {
  const file = path.join(folder(t), 'request.bin')
  const bytes = Buffer.from([0, 255, 1, 2, 3])
  writeFileSync(file, bytes)
  t.same(messageBytes(file, PING, NONE), bytes)
  t.same(messageBytes(`@${file}`, PING, NONE), bytes)
  refused(t, () => messageBytes(`${file}.none`, PING, NONE), /cannot read .*request\.bin\.none: no such file/)
  refused(t, () => messageBytes(path.dirname(file), PING, NONE), /cannot read .*: it is a directory/)
  refused(t, () => messageBytes('/dev/null', PING, NONE), /\/dev\/null is not a regular file/)
  refused(t, () => messageBytes('json:{}', PING, { files: ['/dev/null'], importPaths: [] }), /is not a regular file/)
  refused(t, () => messageBytes('', PING, NONE), /is empty: give FILE, hex:… or json:…/)
  writeFileSync(file, Buffer.alloc(4_194_305))
  refused(t, () => messageBytes(file, PING, NONE), /4194305 bytes: 4194304 is the most/)
})

t.test('JSON, in place and in a file, by either name of a field', async t => {
  const { request } = testMethod('Ping')
  const message = {
    value: 'grün',
    payload: Buffer.from([1, 2, 255]),
    payload_size: 70_000,
    echo_headers: ['a', 'b'],
    error: { code: 5, message: 'x', details: Buffer.from('hi') },
  }
  const json = {
    value: 'grün',
    payload: 'AQL/',
    payloadSize: 70_000,
    echo_headers: ['a', 'b'],
    error: { code: '5', message: 'x', details: 'aGk' },
    delay_ms: null,
  }
  t.same(messageBytes(`json:${JSON.stringify(json)}`, PING, WITH_PROTO), request.encode(message))
  const file = path.join(folder(t), 'request.json')
  writeFileSync(file, JSON.stringify(json))
  for (const given of [`json:${file}`, `@json:${file}`]) {
    t.same(messageBytes(given, PING, WITH_PROTO), request.encode(message), given)
  }
})

t.test('JSON that is not the message', async t => {
  const wrong: [json: string, pattern: RegExp][] = [
    ['{"valu": "x"}', /field valu: verbatim\.testservice\.v1\.PingRequest has no such field, did you mean "value"\?/],
    ['{"zzzzzz": 1}', /field zzzzzz: .* has no such field: it has value, payload, payload_size/],
    ['{"value": 5}', /field value: is a string, not 5/],
    ['{"payload_size": "many"}', /field payload_size: is uint32: write a whole number, not "many"/],
    ['{"payload_size": -1}', /field payload_size: -1 is not uint32: from 0 to 4294967295/],
    ['{"payload_size": 1.5}', /field payload_size: is uint32: write a whole number, not 1\.5/],
    ['{"payload": "not base64!"}', /field payload: is bytes: write base64/],
    ['{"echo_headers": "a"}', /field echo_headers: is repeated: write a list/],
    ['{"echo_headers": ["a", 2]}', /field echo_headers\[1\]: is a string, not 2/],
    ['{"error": {"cod": 5}}', /field error\.cod: verbatim\.testservice\.v1\.ErrorSpec has no such field, did you mean/],
    ['{"error": 5}', /field error: is verbatim\.testservice\.v1\.ErrorSpec: write an object/],
    ['{"payload_size": 1, "payloadSize": 1}', /field payloadSize: is given twice/],
    ['{"value": }', /--message is not JSON: /],
    ['{"value": "x"', /--message is not JSON: /],
  ]
  for (const [json, pattern] of wrong) refused(t, () => messageBytes(`json:${json}`, PING, WITH_PROTO), pattern)
  refused(t, () => messageBytes('json:{}', PING, NONE), /needs --proto FILE/)
  refused(t, () => messageBytes('hex:00', PING, WITH_PROTO), /--proto and --import-path are for --message json/)
  refused(t, () => messageBytes(undefined, PING, { files: [], importPaths: ['x'] }), /leave them out/)
})

const MAIN = `
syntax = "proto3";
package shop.v1;
import "common/money.proto";
import "google/protobuf/timestamp.proto";
message Order {
  int64 id = 1;
  map<string, common.Money> prices = 2;
  map<int32, bool> flags = 3;
  oneof who { string name = 4; uint64 number = 5; }
  Kind kind = 6;
  google.protobuf.Timestamp at = 7;
  double weight = 8;
  float size = 9;
  sint32 shift = 10;
  bool paid = 11;
  string odd = 12 [json_name = "strange"];
  enum Kind { NONE = 0; SMALL = 1; LARGE = 2; }
}
service Shop {
  rpc Buy(Order) returns (Order);
  rpc Watch(Order) returns (stream Order);
  rpc Upload(stream Order) returns (Order);
}
`
const MONEY = 'syntax = "proto3";\npackage common;\nmessage Money { int64 cents = 1; string currency = 2; }\n'

function shop(t: Test): string {
  const dir = folder(t)
  mkdirSync(path.join(dir, 'api'))
  mkdirSync(path.join(dir, 'shared/common'), { recursive: true })
  writeFileSync(path.join(dir, 'api/shop.proto'), MAIN)
  writeFileSync(path.join(dir, 'shared/common/money.proto'), MONEY)
  return dir
}

t.test('imports, 64 bits, maps, oneof, enums, json_name, types of google.protobuf', async t => {
  const dir = shop(t)
  const proto = { files: ['shop.proto'], importPaths: [path.join(dir, 'api'), path.join(dir, 'shared')] }
  const encode = (json: string): Buffer => messageBytes(`json:${json}`, '/shop.v1.Shop/Buy', proto)
  const { root } = protobuf.parse(`${MAIN.replace(/import .*\n/g, '')}`, new protobuf.Root())
  protobuf.parse(MONEY, root)
  root.addJSON(protobuf.common.get('google/protobuf/timestamp.proto')!.nested!)
  root.resolveAll()
  const Order = root.lookupType('shop.v1.Order')
  const json =
    '{"id":"9007199254740993","prices":{"a":{"cents":"-5"}},"flags":{"-1":true},"number":"18446744073709551615",' +
    '"kind":"LARGE","at":{"seconds":"1700000000","nanos":5},"weight":"NaN","size":1.5,"shift":-3,"paid":true,"strange":"x"}'
  const decoded = Order.toObject(Order.decode(encode(json)), { longs: String, enums: String })
  t.same(decoded, {
    ...{ id: '9007199254740993', prices: { a: { cents: '-5' } }, flags: { '-1': true } },
    ...{ number: '18446744073709551615', kind: 'LARGE', at: { seconds: '1700000000', nanos: 5 }, weight: Number.NaN },
    ...{ size: 1.5, shift: -3, paid: true, odd: 'x' },
  })
  t.same(encode('{"kind":2}'), encode('{"kind":"LARGE"}'))
  const wrong: [json: string, pattern: RegExp][] = [
    ['{"name":"x","number":1}', /field number: cannot be given together with name: both are of oneof who/],
    ['{"kind":"LARG"}', /field kind: "LARG" is not a value of shop\.v1\.Order\.Kind, did you mean "LARGE"\?/],
    ['{"kind":9}', /field kind: 9 is not a value of shop\.v1\.Order\.Kind: it has NONE, SMALL, LARGE/],
    ['{"id":9007199254740993}', /field id: 9007199254740992 is not exact as a number of JSON: write it as a string/],
    ['{"id":"9223372036854775808"}', /field id: 9223372036854775808 is not int64/],
    ['{"flags":{"x":true}}', /field flags\["x"\]: is int32: write a whole number/],
    ['{"prices":{"a":{"cent":1}}}', /field prices\["a"\]\.cent: common\.Money has no such field/],
    ['{"at":"2020-01-01T00:00:00Z"}', /field at: is google\.protobuf\.Timestamp: write an object/],
    ['{"weight":"heavy"}', /field weight: is a double: write a number/],
    ['{"size":1e39}', /field size: .* is too large for a float/],
    ['{"paid":1}', /field paid: is true or false, not 1/],
  ]
  for (const [json, pattern] of wrong) refused(t, () => encode(json), pattern)
})

t.test('fields and map keys that are named like what every object inherits', async t => {
  const file = path.join(folder(t), 'odd.proto')
  const text = `syntax = "proto3"; package odd;
    message Odd { string constructor = 1; string toString = 2; map<string, int32> counts = 3; string plain = 4; }
    service Service { rpc Do(Odd) returns (Odd); }`
  writeFileSync(file, text)
  const encode = (json: string) => messageBytes(`json:${json}`, '/odd.Service/Do', { files: [file], importPaths: [] })
  t.same(encode('{"constructor":"a","toString":"b"}'), Buffer.from('0a0161120162', 'hex'))
  t.same(encode('{"plain":"c"}'), Buffer.from('220163', 'hex'), 'what is not given is not sent')
  t.same(
    encode('{"counts":{"__proto__":5}}'),
    Buffer.from(`1a0d0a09${Buffer.from('__proto__').toString('hex')}1005`, 'hex'),
  )
})

t.test('.proto files that do not have it', async t => {
  const dir = shop(t)
  const file = path.join(dir, 'api/shop.proto')
  const proto = { files: [file], importPaths: [path.join(dir, 'shared')] }
  const at = (where: string, given = proto) => messageBytes('json:{}', where, given)
  t.same(at('/shop.v1.Shop/Watch'), Buffer.alloc(0), 'server streaming is measured')
  refused(t, () => at('/shop.v1.Shop/Upload'), /takes a stream of requests/)
  refused(t, () => at('/shop.v1.Shop/Buyy'), /shop\.v1\.Shop has no method Buyy, did you mean "Buy"\?/)
  refused(t, () => at('/shop.v1.Stop/Buy'), /no service shop\.v1\.Stop, did you mean "shop\.v1\.Shop"\?/)
  refused(t, () => at('/other.Thing/Buy'), /no service other\.Thing: there is shop\.v1\.Shop/)
  refused(
    t,
    () => at('/shop.v1.Shop/Buy', { files: [file], importPaths: [] }),
    /there is no common\/money\.proto, which .*shop\.proto imports: looked for .*api\/common\/money\.proto/,
  )
  refused(
    t,
    () => at('/a.B/C', { files: [`${file}.none`], importPaths: [] }),
    /there is no .*shop\.proto\.none: looked/,
  )
  writeFileSync(file, 'syntax = "proto3";\nmessage X { strin g = 1 }')
  refused(
    t,
    () => at('/a.B/C', { files: [file], importPaths: [] }),
    /--proto .*shop\.proto: .*(line 2|unresolved|no such)/i,
  )
})
