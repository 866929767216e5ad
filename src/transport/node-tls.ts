/**
 * `node:tls`, `node:https` and `node:crypto`, loaded at their first use: a proxy that neither serves nor dials TLS needs none of their
 * 5 MiB.
 */
import type * as crypto from 'node:crypto'
import type https from 'node:https'
import type tls from 'node:tls'

export function nodeTls(): typeof tls {
  return process.getBuiltinModule('node:tls')
}

export function nodeCrypto(): typeof crypto {
  return process.getBuiltinModule('node:crypto')
}

export function nodeHttps(): typeof https {
  return process.getBuiltinModule('node:https')
}
