/**
 * `node:http2`, loaded at its first use: it costs about 5 MiB, and a proxy with `frames` on both sides needs none of
 * it.
 */
import type http2 from 'node:http2'

let loaded: typeof http2 | undefined

export function nodeHttp2(): typeof http2 {
  loaded ??= process.getBuiltinModule('node:http2')
  return loaded
}
