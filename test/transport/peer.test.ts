import type { Socket } from 'node:net'
import t from 'tap'
import { formatAddress, peerOf } from '../../src/transport/peer.ts'

t.test('formatAddress', async t => {
  t.equal(formatAddress('203.0.113.7', 443), '203.0.113.7:443')
  t.equal(formatAddress('2001:db8::1', 443), '[2001:db8::1]:443')
  t.equal(formatAddress('::', 0), '[::]:0')
  t.equal(formatAddress('::ffff:10.0.0.1', 50051), '[::ffff:10.0.0.1]:50051')
  t.equal(formatAddress('fe80::1%eth0', 1), '[fe80::1%eth0]:1')
  t.equal(formatAddress('api.example.com', 80), 'api.example.com:80')
})

/** What peerOf reads of a socket. */
const socket = (facts: object) => facts as Socket

t.test('a plain connection', async t => {
  t.same(peerOf(socket({ remoteAddress: '::1', remotePort: 7 })), { address: '[::1]:7', encrypted: false })
  t.same(peerOf(socket({})), { address: 'unix', encrypted: false })
})

t.test('a TLS connection, with and without a certificate of the client', async t => {
  const facts = { remoteAddress: '10.0.0.1', remotePort: 7, encrypted: true, authorized: false }
  const without = { ...facts, getPeerX509Certificate: () => undefined }
  t.same(peerOf(socket(without)), { address: '10.0.0.1:7', encrypted: true })
  const certificate = { subject: 'CN=client', subjectAltName: undefined, fingerprint256: 'AA:BB' }
  t.same(peerOf(socket({ ...facts, getPeerX509Certificate: () => certificate })), {
    address: '10.0.0.1:7',
    encrypted: true,
    certificate: { subject: 'CN=client', subjectAltName: '', fingerprint256: 'AA:BB', authorized: false },
  })
})
