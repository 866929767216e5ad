/** Each balancer that a configuration can name, under which isolation must hold. */
import type { ProxyConfig } from './proxy.ts'

export const BALANCERS: Readonly<Record<string, ProxyConfig['balancer']>> = {
  'round-robin': 'round-robin',
  'least-request': 'least-request',
  'pick-first': 'pick-first',
  'peak-ewma': 'peak-ewma',
  'weighted-round-robin': 'weighted-round-robin',
  // All clients are on one machine here, and so at one endpoint: the attacker's calls beside the victim's.
  'ring-hash': { kind: 'ring-hash', key: 'client-address' },
  'maglev-bounded': { kind: 'maglev', key: 'method', boundedLoad: 1.25, tableSize: 1_009 },
}
