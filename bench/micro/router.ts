/**
 * Measures what it costs to decide where a call goes, with 10, 100 and 1,000 routes: the router (src/routing/router.ts)
 * asked as the relay asks it, with a separate `RoutedCall` for each call.
 */
import { RoutedCall } from '../../src/call/call-info.ts'
import { type RequestHead, readHead } from '../../src/grpc/metadata.ts'
import { calledMethod } from '../../src/grpc/path.ts'
import type { Director } from '../../src/routing/director.ts'
import { createRouter, type Route } from '../../src/routing/router.ts'
import type { Peer } from '../../src/transport/transport.ts'
import { HpackDecoder } from '../../src/wire/hpack/decoder.ts'
import type { HeaderField } from '../../src/wire/hpack/header-field.ts'
import { HpackEncoder } from '../../test/support/hpack.ts'
import type { Case } from './case.ts'

const ROUTES = [10, 100, 1_000] as const
/** How often a run asks, or less where it looks at many routes each time. */
const DECISIONS = 512
const LOOKS_A_RUN = 8_192
const PEER: Peer = { address: '127.0.0.1:50000', encrypted: false }

/**
 * What routes are told apart by, and the call that takes the i-th of them. `looks`: it is found by trying one after the
 * other.
 */
interface Scheme {
  readonly name: string
  readonly looks: boolean
  readonly route: (i: number) => Route
  readonly call: (i: number) => CallOfRoute
}

interface CallOfRoute {
  readonly service?: string
  readonly authority?: string
  /** Of `x-tenant`. */
  readonly tenant?: string
}

const GREETER = 'acme.greeter.v1.Greeter'

const SCHEMES: readonly Scheme[] = [
  {
    name: 'by service',
    looks: false,
    route: i => ({ match: { service: serviceOf(i) }, backend: backendOf(i) }),
    call: i => ({ service: serviceOf(i) }),
  },
  {
    name: 'by authority',
    looks: false,
    route: i => ({ match: { authority: hostOf(i) }, backend: backendOf(i) }),
    call: i => ({ authority: `${hostOf(i)}:50051` }),
  },
  {
    name: 'by prefix of the service',
    looks: true,
    route: i => ({ match: { service: `acme.team${i}.*` }, backend: backendOf(i) }),
    call: i => ({ service: serviceOf(i) }),
  },
  {
    name: 'by service, then metadata',
    looks: true,
    route: i => ({ match: { service: GREETER, metadata: { 'x-tenant': tenantOf(i) } }, backend: backendOf(i) }),
    call: i => ({ service: GREETER, tenant: tenantOf(i) }),
  },
  {
    name: 'by metadata alone',
    looks: true,
    route: i => ({ match: { metadata: { 'x-tenant': tenantOf(i) } }, backend: backendOf(i) }),
    call: i => ({ tenant: tenantOf(i) }),
  },
]

const serviceOf = (i: number): string => `acme.team${i}.v1.Service`
const hostOf = (i: number): string => `team${i}.example.com`
const tenantOf = (i: number): string => `tenant-${i}`
const backendOf = (i: number): string => `backend-${i}`

/** A call's fields as they come off the wire: the strings are the decoder's, not the configuration's. */
function fieldsOf({ service = 'acme.other.v1.Other', authority = 'other.example.com', tenant }: CallOfRoute) {
  const block = new HpackEncoder().encode([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', `/${service}/Call`],
    [':authority', authority],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ['user-agent', 'grpc-node-js/1.14.0'],
    ['grpc-accept-encoding', 'identity,deflate,gzip'],
    ['x-tenant', tenant ?? 'nobody'],
  ])
  return new HpackDecoder().decode(block, 0, block.length)
}

export class RouteCase implements Case {
  readonly name: string
  readonly unit = 'decision'
  readonly perRun: number
  readonly yields: number
  /** Where the calls must go. */
  readonly backend: string | undefined
  readonly #director: Director
  readonly #fields: readonly HeaderField[]

  constructor(scheme: Scheme, routes: number, which: 'first' | 'last' | 'none') {
    const i = { first: 0, last: routes - 1, none: routes }[which]
    this.name = `${scheme.name}, ${routes.toLocaleString('en')} routes, ${which}`
    this.backend = which === 'none' ? undefined : backendOf(i)
    this.perRun = scheme.looks && which !== 'first' ? Math.min(DECISIONS, Math.ceil(LOOKS_A_RUN / routes)) : DECISIONS
    this.yields = this.perRun
    this.#director = createRouter(Array.from({ length: routes }, (_, route) => scheme.route(route)))
    this.#fields = fieldsOf(scheme.call(i))
  }

  /** The backend that one call is sent to. */
  decide(): string | undefined {
    const target = this.#director(new RoutedCall(headOf(this.#fields), this.#fields, PEER))
    if (target instanceof Promise) throw new Error('the router answers at once')
    return target?.backend as string | undefined
  }

  /** @returns decisions that are right */
  run(): number {
    const head = headOf(this.#fields)
    let right = 0
    for (let i = 0; i < this.perRun; i++) {
      const target = this.#director(new RoutedCall(head, this.#fields, PEER))
      if ((target as { backend?: unknown } | undefined)?.backend === this.backend) right++
    }
    return right
  }
}

export function cases(): readonly RouteCase[] {
  return SCHEMES.flatMap(scheme =>
    ROUTES.flatMap(routes => (['first', 'last', 'none'] as const).map(which => new RouteCase(scheme, routes, which))),
  )
}

/** The head as the relay has it when it asks. */
function headOf(fields: readonly HeaderField[]): RequestHead {
  const head = readHead(fields)
  head.called = calledMethod(head.path)
  return head
}
