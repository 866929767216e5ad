/** `node:http`, loaded at its first use: only listeners that take gRPC-Web need it. */
import type http from 'node:http'

export function nodeHttp(): typeof http {
  return process.getBuiltinModule('node:http')
}
