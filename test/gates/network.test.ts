/** Who may call by address, and whose word about an address is taken. */
import t from 'tap'
import { clientAddress } from '../../src/gates/client-address.ts'
import { network } from '../../src/gates/network.ts'
import { parseNetwork } from '../../src/transport/networks.ts'
import { ask, call, TARGET } from './rig.ts'

const from = (address: string, forwarded: readonly string[] = []) =>
  call({
    peer: { address, encrypted: false },
    metadata: forwarded.map(value => ['x-forwarded-for', value] as const),
  })

const NOT_ALLOWED = 'forbidden: the address is in no network that is allowed'
const DENIED = 'forbidden: the address is in a network that is denied'

t.test('networks that are allowed, and those that are denied', async t => {
  const gate = network({ allow: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'], deny: ['10.1.0.0/16'] })
  const rows = [
    ['10.2.3.4:5', TARGET],
    ['10.1.3.4:5', DENIED],
    ['[::ffff:10.1.3.4]:5', DENIED],
    ['[::ffff:10.2.3.4]:5', TARGET],
    ['11.2.3.4:5', NOT_ALLOWED],
    ['192.0.2.7:5', TARGET],
    ['192.0.2.8:5', NOT_ALLOWED],
    ['[2001:db8::1]:5', TARGET],
    ['[2001:db9::1]:5', NOT_ALLOWED],
    ['[fe80::1%eth0]:5', NOT_ALLOWED],
    ['unix', NOT_ALLOWED],
  ] as const
  for (const [address, expected] of rows) t.same(await ask(gate, from(address)), expected, address)
})

t.test('without `allow` all that is not denied passes, also over a unix socket', async t => {
  const gate = network({ deny: ['203.0.113.0/24'] })
  t.equal(await ask(gate, from('unix')), TARGET)
  t.equal(await ask(gate, from('192.0.2.1:1')), TARGET)
  t.equal(await ask(gate, from('203.0.113.9:1')), DENIED)
})

t.test('x-forwarded-for counts from trusted proxies only, and only what they wrote', async t => {
  const addressOf = clientAddress(['10.0.0.0/8', 'fd00::/8'])
  const rows = [
    ['a stranger writes what it likes', '192.0.2.1:1', ['10.9.9.9'], '192.0.2.1'],
    ['one trusted proxy', '10.0.0.1:1', ['192.0.2.1'], '192.0.2.1'],
    ['a client that wrote one before it', '10.0.0.1:1', ['10.9.9.9, 192.0.2.1'], '192.0.2.1'],
    ['two of them', '10.0.0.1:1', ['192.0.2.1, 10.0.0.2'], '192.0.2.1'],
    ['in two fields', '10.0.0.1:1', ['192.0.2.1', '10.0.0.2'], '192.0.2.1'],
    ['with ports and brackets', '[fd00::1]:1', ['[2001:db8::1]:443'], '2001:db8::1'],
    ['trusted all the way', '10.0.0.1:1', ['10.0.0.3, 10.0.0.2'], '10.0.0.1'],
    ['no field', '10.0.0.1:1', [], ''],
    ['no address', '10.0.0.1:1', ['192.0.2.1, unknown'], ''],
  ] as const
  for (const [name, peer, forwarded, expected] of rows) t.equal(addressOf(from(peer, forwarded)), expected, name)
})

t.test('who cannot be told apart is in no network', async t => {
  const gate = network({ allow: ['0.0.0.0/0'], trustedProxies: ['10.0.0.0/8'] })
  t.equal(await ask(gate, from('10.0.0.1:1', ['garbage'])), NOT_ALLOWED)
})

t.test('what is no network', async t => {
  for (const wrong of [
    '',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/8/8',
    'example.org',
    '10.0.0.0/-1',
    'fe80::1%eth0',
    '10.0/8',
  ])
    t.throws(() => parseNetwork(wrong), {
      message: `${JSON.stringify(wrong)} is not a network: write 10.0.0.0/8 or 2001:db8::/32`,
    })
})
