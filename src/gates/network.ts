/** A gate by address: some networks may call, others may not. */
import type { Gate } from '../routing/gate.ts'
import { refusal } from '../routing/gate.ts'
import { Networks } from '../transport/networks.ts'
import { clientAddress, UNKNOWN_ADDRESS } from './client-address.ts'

export interface NetworkOptions {
  /** Only these may call; without it all that `deny` does not name. */
  readonly allow?: readonly string[] | undefined
  /** These may not, whatever `allow` says. */
  readonly deny?: readonly string[] | undefined
  /** Proxies before this one, whose `x-forwarded-for` says who the client is. */
  readonly trustedProxies?: readonly string[] | undefined
}

const DENIED = refusal('forbidden', 'the address is in a network that is denied')
const NOT_ALLOWED = refusal('forbidden', 'the address is in no network that is allowed')

/**
 * Who connects over a unix socket has no address: it passes where there is no `allow`.
 * @throws TypeError for a text that is no network
 */
export function network({ allow, deny = [], trustedProxies }: NetworkOptions): Gate {
  const addressOf = clientAddress(trustedProxies)
  const denied = new Networks(deny)
  const allowed = allow && new Networks(allow)
  return next => call => {
    const address = addressOf(call)
    if (address !== UNKNOWN_ADDRESS && denied.has(address)) throw DENIED
    if (allowed !== undefined && !allowed.has(address)) throw NOT_ALLOWED
    return next(call)
  }
}
