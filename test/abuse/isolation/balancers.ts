/** Each balancer that a configuration can name, under which isolation must hold. */
import type { ProxyConfig } from './proxy.ts'

export const BALANCERS: Readonly<Record<string, ProxyConfig['balancer']>> = {
  'round-robin': 'round-robin',
  'least-request': 'least-request',
  'pick-first': 'pick-first',
}
