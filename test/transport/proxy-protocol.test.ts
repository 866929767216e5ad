/** The header of the PROXY protocol as bytes: what is taken, what is not, and that it may come in pieces cut anywhere. */
import t from 'tap'
import { ownHeader, type Parsed, parseProxyHeader, V2_MOST_BYTES } from '../../src/transport/proxy-protocol.ts'
import { v2 } from '../support/proxy-header.ts'

const client = (host: string, port: number) => ({ kind: 'client', host, port })
const OWN = { kind: 'own' }

const V4 = [203, 0, 113, 7, 192, 0, 2, 1, 0xd4, 0x31, 1, 0xbb]
const V6 = [...new Array(2).fill([0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 7]).flat(), 0xd4, 0x31, 1, 0xbb]
const MAPPED = [...new Array(10).fill(0), 0xff, 0xff, 203, 0, 113, 7, ...new Array(16).fill(0), 0xd4, 0x31, 1, 0xbb]
/** PP2_TYPE_AUTHORITY, PP2_TYPE_NOOP, and one that says to be longer than all. */
const TLVS = [2, 0, 3, 97, 98, 99, 4, 0, 0, 0xee, 0xff, 0xff, 1]

const TAKEN: [name: string, header: Buffer | string, told: object][] = [
  ['TCP4', 'PROXY TCP4 203.0.113.7 192.0.2.1 54321 443\r\n', client('203.0.113.7', 54321)],
  ['TCP6', 'PROXY TCP6 2001:DB8:0:0::7 2001:db8::1 54321 0\r\n', client('2001:db8::7', 54321)],
  ['the longest line', `PROXY UNKNOWN ${'f'.repeat(91)}\r\n`, OWN],
  ['UNKNOWN', 'PROXY UNKNOWN\r\n', OWN],
  ['v2 IPv4', v2(0x21, 0x11, V4), client('203.0.113.7', 54321)],
  ['v2 IPv6', v2(0x21, 0x21, V6), client('2001:db8::7', 54321)],
  ['v2 IPv4 as IPv6', v2(0x21, 0x21, MAPPED), client('::ffff:203.0.113.7', 54321)],
  ['v2 with TLVs', v2(0x21, 0x11, [...V4, ...TLVS]), client('203.0.113.7', 54321)],
  [
    'v2 with all TLVs that may be',
    v2(0x21, 0x11, [...V4, ...new Array(V2_MOST_BYTES - 12).fill(4)]),
    client('203.0.113.7', 54321),
  ],
  ['v2 unix', v2(0x21, 0x31, new Array(216).fill(0x2f)), { kind: 'unix' }],
  ['v2 LOCAL', v2(0x20, 0x00, []), OWN],
  ['v2 LOCAL with addresses, which are not looked at', v2(0x20, 0x11, V4), OWN],
  ['v2 UNSPEC', v2(0x21, 0x00, TLVS), OWN],
  ['our own, version 1', ownHeader(1), OWN],
  ['our own, version 2', ownHeader(2), OWN],
]

/** As it is known by its first `n` bytes alone; the bytes behind must not change it. */
function byPieces(bytes: Buffer): Parsed {
  for (let n = 1; n < bytes.length; n++) {
    const parsed = parseProxyHeader(bytes.subarray(0, n))
    if (parsed.kind !== 'more') return parsed
  }
  return parseProxyHeader(bytes)
}

for (const [name, header, told] of TAKEN) {
  t.test(`taken: ${name}`, async t => {
    const bytes = Buffer.from(header as string, 'latin1')
    const expected = { kind: 'header', told, bytes: bytes.length }
    t.same(parseProxyHeader(bytes), expected)
    t.same(byPieces(bytes), expected, 'cut at every byte')
    t.same(
      parseProxyHeader(Buffer.concat([bytes, Buffer.from('PRI * HTTP/2.0\r\n\r\n')])),
      expected,
      'with more behind it',
    )
  })
}

const WRONG: [name: string, header: Buffer | string, detail: RegExp][] = [
  ['none', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /does not begin/],
  ['a TLS handshake', Buffer.from([0x16, 3, 1, 0, 5]), /does not begin/],
  ['a line without an end', `PROXY TCP4 ${'1'.repeat(200)}`, /no end/],
  ['a line of one byte too many', `PROXY UNKNOWN ${'f'.repeat(92)}\r\n`, /no end/],
  ['a line feed alone', 'PROXY TCP4 203.0.113.7 192.0.2.1 54321 443\n', /no end/],
  ['another family', 'PROXY UDP4 203.0.113.7 192.0.2.1 54321 443\r\n', /family/],
  ['a family in small letters', 'PROXY tcp4 203.0.113.7 192.0.2.1 54321 443\r\n', /family/],
  ['IPv6 where IPv4 is said', 'PROXY TCP4 2001:db8::7 2001:db8::1 54321 443\r\n', /addresses/],
  ['IPv4 where IPv6 is said', 'PROXY TCP6 203.0.113.7 192.0.2.1 54321 443\r\n', /addresses/],
  ['a zone', 'PROXY TCP6 fe80::1%eth0 2001:db8::1 54321 443\r\n', /addresses/],
  ['a name', 'PROXY TCP4 localhost 192.0.2.1 54321 443\r\n', /addresses/],
  ['octets with zeroes before them', 'PROXY TCP4 010.0.0.1 192.0.2.1 54321 443\r\n', /addresses/],
  ['a port too large', 'PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n', /ports/],
  ['a port with a zero before it', 'PROXY TCP4 203.0.113.7 192.0.2.1 0443 443\r\n', /ports/],
  ['no ports', 'PROXY TCP4 203.0.113.7 192.0.2.1\r\n', /ports/],
  ['two spaces', 'PROXY TCP4  203.0.113.7 192.0.2.1 54321 443\r\n', /addresses/],
  ['something behind the ports', 'PROXY TCP4 203.0.113.7 192.0.2.1 54321 443 x\r\n', /addresses/],
  ['v2 of version 3', v2(0x31, 0x11, V4), /version/],
  ['v2 with another command', v2(0x22, 0x11, V4), /command/],
  ['v2 about datagrams', v2(0x21, 0x12, V4), /stream/],
  ['v2 with another family', v2(0x21, 0x41, V4), /stream/],
  ['v2 with IPv4 and no room', v2(0x21, 0x11, V4.slice(1)), /room/],
  ['v2 with IPv6 and room for IPv4', v2(0x21, 0x21, V4), /room/],
  ['v2 with unix and no room', v2(0x21, 0x31, new Array(215).fill(0)), /room/],
  ['v2 too long, LOCAL or not', v2(0x20, 0, new Array(V2_MOST_BYTES + 1).fill(0)), /16385 bytes follow/],
]

for (const [name, header, detail] of WRONG) {
  t.test(`not taken: ${name}`, async t => {
    const bytes = Buffer.from(header as string, 'latin1')
    t.match(parseProxyHeader(bytes), { kind: 'wrong', detail })
    t.match(byPieces(bytes), { kind: 'wrong', detail }, 'cut at every byte')
  })
}

t.test('whatever comes is taken, not taken, or waited for within a bound', async t => {
  let seed = 12
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((seed / 2 ** 31) * below)
  }
  for (let round = 0; round < 5_000; round++) {
    const [, header] = TAKEN[random(TAKEN.length)]!
    const bytes = Buffer.from(header as string, 'latin1')
    for (let flips = random(4); flips >= 0; flips--) bytes[random(Math.min(bytes.length, 64))] = random(256)
    const parsed = parseProxyHeader(Buffer.concat([bytes, Buffer.alloc(V2_MOST_BYTES)]))
    if (parsed.kind === 'more') t.fail(`waits for more: ${bytes.toString('hex', 0, 64)}`)
    if (parsed.kind === 'header' && parsed.bytes > 16 + V2_MOST_BYTES) t.fail('longer than the most')
  }
  t.pass('5,000 of them')
})
