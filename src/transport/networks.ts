/** Sets of networks, as people write them. */
import { BlockList, isIP } from 'node:net'

/** A set of networks, as `203.0.113.7`, `10.0.0.0/8`, `2001:db8::/32`. */
export class Networks {
  readonly #list = new BlockList()

  /** @throws TypeError for a text that is none */
  constructor(networks: readonly string[]) {
    for (const text of networks) {
      const { address, bits, family } = parseNetwork(text)
      this.#list.addSubnet(address, bits, family)
    }
  }

  has(address: string): boolean {
    const version = isIP(address)
    return version !== 0 && this.#list.check(address, version === 6 ? 'ipv6' : 'ipv4')
  }
}

/** @throws TypeError for a text that is no network */
export function parseNetwork(text: string): { address: string; bits: number; family: 'ipv4' | 'ipv6' } {
  const [address = '', length, ...rest] = text.split('/')
  const version = isIP(address)
  const most = version === 6 ? 128 : 32
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : -1
  if (version === 0 || bits < 0 || bits > most || rest.length > 0 || address.includes('%'))
    throw new TypeError(`${JSON.stringify(text)} is not a network: write 10.0.0.0/8 or 2001:db8::/32`)
  return { address, bits, family: version === 6 ? 'ipv6' : 'ipv4' }
}
