/**
 * Requests that servers serve as `/pkg.Service/Method`, as `internal.test`, or with `x-admin: 1`, and that are not
 * written so.
 */
import type { Field } from './hpack.ts'

/** Some server, or a library that it is made with, serves each of these as `/pkg.Service/Method`. */
export const ODD_PATHS: readonly string[] = [
  ...['/pkg.Service/Method?', '/pkg.Service/Method?x=1', '/pkg.Service/Method#x', '/pkg.Service/Method;x=1'],
  ...['/pkg%2EService/Method', '/pkg%2eService/Method', '/pkg.Service%2FMethod', '/pkg.Service/%4Dethod'],
  ...['http://internal.test/pkg.Service/Method', 'https://x/pkg.Service/Method', 'pkg.Service/Method', '*'],
  ...['//pkg.Service/Method', '/pkg.Service//Method', '/pkg.Service/Method/', '/pkg.Service/Method/..'],
  ...['/./pkg.Service/Method', '/x/../pkg.Service/Method', '/x/pkg.Service/Method', '/pkg.Service\\Method', '/'],
]

/** `internal.test` in other spellings. */
export const ODD_AUTHORITIES: readonly string[] = [
  ...['internal.test.', 'INTERNAL.test', 'internal.test:8443', 'internal.test.:80', 'user@internal.test'],
  ...['u:p@Internal.Test.:1', 'intern%61l.test', 'internal%2Etest'],
]

/** Beside `:authority: public.test`. */
export const ODD_HOSTS: readonly (readonly Field[])[] = [
  [['host', 'internal.test']],
  [['host', '']],
  [
    ['host', 'public.test'],
    ['host', 'internal.test'],
  ],
  [
    ['host', 'public.test'],
    ['host', 'public.test'],
  ],
]

/** In these somebody reads `1`, and somebody else does not. */
export const ODD_METADATA: readonly (readonly string[])[] = [
  ...[['0,1'], ['0, 1'], ['1,0'], ['1 , 0']],
  ...[
    ['0', '1'],
    ['1', '0'],
    ['', '1'],
    ['0', '1,0'],
  ],
]
