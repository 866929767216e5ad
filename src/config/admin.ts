/** What the admin address of a proxy shows, and what it does. */
import { EventStream } from '../admin/event-stream.ts'
import type { ProfileKind } from '../admin/profile.ts'
import {
  type AdminAnswer,
  type AdminOptions,
  type AdminRequest,
  type AdminRoute,
  AdminServer,
  json,
  text,
} from '../admin/server.ts'
import { CONTENT_TYPES } from '../observe/registry.ts'
import { type Clock, systemClock, type Timer } from '../transport/clock.ts'
import type { Administered } from './administered.ts'
import { OverviewEvents } from './overview-events.ts'
import { shownSetup } from './shown-setup.ts'
import { stateOptions } from './state-query.ts'

export type { Administered } from './administered.ts'

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

const NO_SUCH_WORKER = text(404, 'there is no such worker')

/** Longer than this a profile is only larger. */
const MAX_PROFILE_SECONDS = 60
const DEFAULT_PROFILE_SECONDS = 10
/** A forgotten level of `debug` fills disks. */
const DEFAULT_LEVEL_MS = 600_000
const MAX_LEVEL_MS = 86_400_000

export class Admin {
  readonly #proxy: Administered
  readonly #server: AdminServer
  readonly #events: EventStream
  readonly #clock: Clock
  #token: string | undefined
  #levelTimer: Timer | undefined

  constructor(options: AdminOptions, proxy: Administered, clock: Clock = systemClock) {
    this.#proxy = proxy
    this.#clock = clock
    this.#token = options.token
    const onFault = (error: unknown, path: string) =>
      proxy.log.error({ err: error, path }, 'a mistake of the proxy cost an answer of the admin address')
    this.#events = new EventStream(new OverviewEvents(proxy, clock, onFault), clock)
    this.#server = new AdminServer(options, this.#routes(), onFault)
  }

  /** @returns its address. @throws the system's error where it cannot be had */
  listen(): Promise<string> {
    return this.#server.listen()
  }

  update(options: AdminOptions): void {
    this.#server.update(options)
    // Who listens has shown the one from before.
    if (options.token !== this.#token) this.#events.end()
    this.#token = options.token
  }

  async close(): Promise<void> {
    this.#levelTimer?.cancel()
    this.#events.close()
    await this.#server.close()
  }

  #routes(): Map<string, AdminRoute> {
    const of = (access: AdminRoute['access'], handle: AdminRoute['handle']) => ({ access, handle })
    return new Map([
      ['GET /', of('browser', () => pageAnswer('page.html'))],
      ['GET /page/*', of('browser', ({ path }) => pageAnswer(path.slice('/page/'.length)))],
      ['GET /events', of('operator', () => ({ events: this.#events }))],
      ['GET /live', of('anyone', () => text(200, 'it lives'))],
      ['GET /ready', of('anyone', () => this.#ready())],
      ['GET /metrics', of('reader', request => this.#metrics(request))],
      ['GET /state', of('operator', request => this.#state(request))],
      ['GET /config', of('operator', () => json(shownSetup(this.#proxy.setup)))],
      ['GET /profile', of('operator', request => this.#profile(request, 'cpu'))],
      ['GET /heap', of('operator', request => this.#profile(request, 'heap'))],
      ['POST /drain', of('operator', () => this.#drain())],
      ['POST /reload', of('operator', () => this.#reload())],
      ['POST /log-level', of('operator', request => this.#logLevel(request))],
    ])
  }

  async #ready(): Promise<AdminAnswer> {
    const notReady = await this.#proxy.notReady
    return notReady.length === 0 ? text(200, 'it is ready') : text(503, `it is not ready: ${notReady.join('; ')}`)
  }

  async #metrics({ accept }: AdminRequest): Promise<AdminAnswer> {
    if (this.#proxy.setup.metrics === undefined)
      return text(404, 'metrics are off in the configuration: `metrics: false`')
    const format = accept.includes('application/openmetrics-text') ? 'openmetrics' : 'prometheus'
    return { status: 200, type: CONTENT_TYPES[format], body: await this.#proxy.metrics(format) }
  }

  async #state({ query }: AdminRequest): Promise<AdminAnswer> {
    const options = stateOptions(query)
    if (typeof options === 'string') return text(400, options)
    const state = query.has('worker')
      ? this.#proxy.stateOfWorker?.(Number(query.get('worker')), options)
      : this.#proxy.state(options)
    return state === undefined ? NO_SUCH_WORKER : json(await state)
  }

  #drain(): AdminAnswer {
    this.#proxy.askDrain()
    return text(202, 'it drains: calls in flight finish, and new connections are not accepted')
  }

  async #reload(): Promise<AdminAnswer> {
    const { reload } = this.#proxy
    if (reload === undefined) return text(409, 'the proxy was started without a configuration file')
    const verdict = await reload()
    return json(verdict, verdict.kind === 'rejected' ? 422 : 200)
  }

  #logLevel({ query }: AdminRequest): AdminAnswer {
    const level = LEVELS.find(known => known === query.get('level'))
    if (level === undefined) return text(400, `needs ?level=, one of ${LEVELS.join(', ')}`)
    const forMs = numberOf(query, 'forMs', DEFAULT_LEVEL_MS, MAX_LEVEL_MS)
    if (forMs === undefined) return text(400, `forMs is a number of milliseconds, at most ${MAX_LEVEL_MS}`)
    this.#levelTimer?.cancel()
    this.#proxy.logLevel = level
    this.#levelTimer = this.#clock.after(forMs, () => {
      this.#proxy.logLevel = this.#proxy.setup.log.level
    })
    return text(200, `the level is ${level} for ${forMs} ms, then ${this.#proxy.setup.log.level} again`)
  }

  async #profile({ query, signal }: AdminRequest, kind: ProfileKind): Promise<AdminAnswer> {
    const seconds = numberOf(query, 'seconds', DEFAULT_PROFILE_SECONDS, MAX_PROFILE_SECONDS)
    if (seconds === undefined) return text(400, `seconds is a number, at most ${MAX_PROFILE_SECONDS}`)
    const profile = query.has('worker')
      ? this.#proxy.profileOfWorker?.(Number(query.get('worker')), kind, seconds)
      : (await import('../admin/profile.ts')).profileOf(kind, seconds, signal)
    if (profile === undefined) return NO_SUCH_WORKER
    return profileAnswer(await profile)
  }
}

function profileAnswer(profile: string | undefined): AdminAnswer {
  if (profile === undefined) return text(409, 'another profile is being taken')
  return { status: 200, type: 'application/json', body: profile }
}

/** The files are loaded when somebody looks at them. */
async function pageAnswer(name: string): Promise<AdminAnswer> {
  const { pageFile } = await import('../admin/page-files.ts')
  return pageFile(name) ?? text(404, 'the page has no such file')
}

/** @returns undefined where it is no number from 0 to `max` */
function numberOf(query: URLSearchParams, name: string, fallback: number, max: number): number | undefined {
  const given = query.get(name)
  if (given === null) return fallback
  const number = given.trim() === '' ? Number.NaN : Number(given)
  return number >= 0 && number <= max ? number : undefined
}
