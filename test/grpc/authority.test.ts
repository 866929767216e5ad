import t from 'tap'
import { normalAuthority, sameAuthority } from '../../src/grpc/authority.ts'

t.test('normalAuthority', async t => {
  const cases: [authority: string, normal: string | undefined][] = [
    ['', ''],
    ['a.example', 'a.example:80'],
    ['A.Example:0443', 'a.example:443'],
    ['a.example.', 'a.example:80'],
    ['u:p@a.example:1', 'a.example:1'],
    ['%61.ex%41mple', 'a.example:80'],
    ['127.0.0.1:50051', '127.0.0.1:50051'],
    ['[::1]:50051', '[::1]:50051'],
    ['[0:0::1]', '[::1]:80'],
    ['xn--caf-dma.example', 'xn--caf-dma.example:80'],
    ['a_b.example', 'a_b.example:80'],
  ]
  const none = [
    '@',
    ':1',
    '.',
    'a/b',
    'a?b',
    'a#b',
    'a\\b',
    'a b',
    'a%2fb',
    'a:x',
    '::1',
    '[::1',
    '[::g]',
    '[:::]',
    'caf\xe9',
    '#initially=[x]',
  ]
  for (const [authority, normal] of cases) t.equal(normalAuthority(authority, false), normal, authority)
  for (const authority of none) t.equal(normalAuthority(authority, false), undefined, authority)
  t.equal(normalAuthority('a', true), 'a:443')
})

t.test('sameAuthority: one host in two spellings; what is no host only as it is', async t => {
  for (const [one, other, same] of [
    ['a.example', 'A.example.:443', true],
    ['a.example', 'a.example:80', false],
    ['a.example', 'b.example', false],
    ['a.example', '', false],
    ['', '', true],
    ['#initially=[x]', '#initially=[x]', true],
    ['#initially=[x]', '#initially=[y]', false],
  ] as const) {
    t.equal(sameAuthority(one, other, true), same, `${one} and ${other}`)
    t.equal(sameAuthority(other, one, true), same)
  }
  t.ok(sameAuthority('a.example', 'a.example:80', false), 'the port of "http"')
})
