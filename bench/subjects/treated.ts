/**
 * This project's proxy with gates and policies that do nothing to a good call, each beside the subject `frames`, where there
 * are none: `npm run bench -- --only m100,signed-m100 --subjects frames,with-retry,with-jwt-limit-timeout`.
 */
import type { Contender } from './contender.ts'
import { PAIRS, THIS_TREE, verbatim } from './verbatim.ts'
import type { World } from './world.ts'

/** More than any load here makes. */
const PER_SECOND = 10_000_000
/** Long enough for a call that waits behind a thousand others, on a busy machine. */
const TIMEOUT_MS = 60_000

const timeout = { timeoutMs: TIMEOUT_MS }
const rateLimit = (key: string) => ({ rateLimit: { perSecond: PER_SECOND, key } })
const jwt = ({ issued }: World) => ({
  jwt: { issuer: issued!.issuer, audience: issued!.audience, jwks: { file: issued!.jwks } },
})
const gates = (all: object, more: object = {}) => ({
  gates: all,
  routes: [{ backend: 'main', require: Object.keys(all), ...more }],
})

const PLAIN: Readonly<Record<string, object>> = {
  retry: { routes: [{ backend: 'main', retry: { codes: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED'] } }] },
  timeout: { routes: [{ backend: 'main', ...timeout }] },
  'rate-limit': gates({ rate: rateLimit('client') }),
}

/** They ask for tokens. */
const SIGNED: Readonly<Record<string, (world: World) => object>> = {
  jwt: world => gates({ users: jwt(world) }),
  'jwt-limit-timeout': world => gates({ users: jwt(world), rate: rateLimit('identity') }, timeout),
}

function treated(name: string, options: (world: World) => object, signed: boolean): Contender {
  return {
    ...verbatim(`with-${name}`, PAIRS.frames!, THIS_TREE, {}, options),
    routed: false,
    title: `grpc-verbatim, frames on both sides, with ${name.replaceAll('-', ', ')}`,
    unfit: world => (signed && world.signed !== true ? 'these calls carry no tokens' : undefined),
  }
}

/** They take part only where they are named. */
export const TREATED: readonly Contender[] = [
  ...Object.entries(PLAIN).map(([name, options]) => treated(name, () => options, false)),
  ...Object.entries(SIGNED).map(([name, options]) => treated(name, options, true)),
]
