/** Listeners among themselves: two cannot have the same address. */
import { formatListenAddress, parseListenAddress, tryParse } from '../address.ts'
import type { Finding } from '../problems.ts'
import { listOf, mapOf, type RawMap } from '../raw.ts'

export function checkListeners(root: RawMap): Finding[] {
  const first = new Map<string, number>()
  return listOf(root.listeners).flatMap((listener, i): Finding[] => {
    const { address, socketMode } = mapOf(listener)
    const parsed = typeof address === 'string' ? tryParse(parseListenAddress, address) : undefined
    if (parsed !== undefined && parsed.kind !== 'unix' && socketMode !== undefined) {
      return [{ path: ['listeners', i, 'socketMode'], message: 'is for unix sockets: the address is not unix:/path' }]
    }
    if (parsed === undefined || (parsed.kind === 'tcp' && parsed.port === 0)) return []
    const key = formatListenAddress(parsed)
    const earlier = first.get(key)
    if (earlier !== undefined) {
      return [{ path: ['listeners', i, 'address'], message: `${key} is taken by listeners[${earlier}]` }]
    }
    first.set(key, i)
    return []
  })
}
