/** Eight endpoints and a proxy, and stretches of load over them during which something is done to the endpoints. */
import { mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../../src/bench/random.ts'
import { EndpointProcess, type Fault, type Kind } from './endpoint.ts'
import { judge, type Verdict } from './judge.ts'
import { type Ended, Load } from './load.ts'
import type { CallRecord, Running, Subject } from './subject.ts'

export interface FieldOptions {
  readonly folder: string
  /** They take turns. */
  readonly kinds: readonly Kind[]
  readonly endpoints: number
  readonly callsASecond: number
  readonly seconds: number
  readonly deadlineMs: number
  readonly seed: number
  /** Proxy on core 0, all else on core 1. */
  readonly pinned: boolean
}

/** What is done during a stretch of load. It ends by itself when the load does. */
export interface Scene {
  readonly name: string
  /** What happens, for people. */
  readonly about: string
  /** The endpoints' maximum age of a connection; 0: none. */
  readonly maxAgeMs?: number
  /** It changes the list of endpoints: not every proxy can be told. */
  readonly changesList?: true
  play(field: Field): Promise<void>
}

const CONNECTIONS = 10
/** A file of endpoints is read so soon after it changed, with room to spare. A proxy that is late sends calls to one that leaves. */
const TOLD_MS = 1_000
const LOOK_MS = 100
/** What a proxy has not written by then it has not written at all. */
const RECORDS_MS = 5_000

export class Field {
  readonly options: FieldOptions
  /** Drawn from the seed, anew for each scene. */
  random: () => number = () => 0
  /** Those on the list. */
  endpoints: EndpointProcess[] = []
  /** All that there ever were. */
  readonly all: EndpointProcess[] = []
  #running: Running | undefined
  #tellsAll = false
  #over = false
  #leaving: EndpointProcess | undefined
  #count = 0
  #scenes = 0
  #maxAgeMs = 0

  constructor(options: FieldOptions) {
    this.options = options
    mkdirSync(options.folder, { recursive: true })
  }

  async start(subject: Subject): Promise<void> {
    const { folder, endpoints } = this.options
    await Promise.all(Array.from({ length: endpoints }, () => this.#add()))
    this.#running = await subject.start(folder, this.#ports)
    this.#tellsAll = subject.ours === true
  }

  get #ports(): number[] {
    return this.endpoints.map(({ port }) => port)
  }

  async #add(): Promise<EndpointProcess> {
    const { folder, kinds, pinned } = this.options
    const number = this.#count++
    const endpoint = new EndpointProcess(`endpoint-${number}`, kinds[number % kinds.length]!, folder, pinned)
    this.all.push(endpoint)
    await endpoint.start(this.#maxAgeMs)
    this.endpoints.push(endpoint)
    return endpoint
  }

  /** The load is over. */
  get over(): boolean {
    return this.#over
  }

  /** @returns false when the load is over before that */
  async rest(ms: number): Promise<boolean> {
    for (const endMs = Date.now() + ms; Date.now() < endMs && !this.#over; )
      await sleep(Math.min(50, Math.max(1, endMs - Date.now())))
    return !this.#over
  }

  /** Something is wrong with an endpoint for some time, or until the load is over. */
  async trouble(endpoint: EndpointProcess, fault: Fault, ms: number): Promise<void> {
    await endpoint.strike(fault)
    await this.rest(ms)
    await endpoint.mend()
  }

  /** Those that nothing is wrong with. */
  get well(): EndpointProcess[] {
    return this.endpoints.filter(endpoint => endpoint.trouble === undefined && endpoint !== this.#leaving)
  }

  /** The proxy can be told another list. */
  get canReplace(): boolean {
    return this.#running!.setEndpoints !== undefined
  }

  /** How often endpoints ended a session for its age. */
  get rotations(): number {
    return this.all.reduce((sum, { rotations }) => sum + rotations, 0)
  }

  /** A new endpoint comes, and then an old one leaves, as in a deploy: off the list first, and only then it stops. */
  async replace(old: EndpointProcess): Promise<void> {
    this.#leaving = old
    await this.#add()
    this.endpoints = this.endpoints.filter(endpoint => endpoint !== old)
    this.#running!.setEndpoints!(this.#ports)
    await sleep(TOLD_MS)
    await old.leave()
    this.#leaving = undefined
  }

  /** Why the scene cannot be played with this proxy. */
  unfit({ changesList }: Scene): string | undefined {
    return changesList && !this.canReplace ? 'it cannot be told another list' : undefined
  }

  async play(scene: Scene): Promise<Verdict & { readonly complaints: readonly string[] }> {
    const { callsASecond, seconds, deadlineMs, seed } = this.options
    await this.#age(scene.maxAgeMs ?? 0)
    const prefix = `s${++this.#scenes}c`
    this.random = seededRandom(seed + this.#scenes)
    const { port } = this.#running!
    const load = new Load({ port, callsASecond, seconds, deadlineMs, seed, prefix, connections: CONNECTIONS })
    await load.connect()
    this.#over = false
    const done = scene.play(this)
    await load.run()
    this.#over = true
    await done
    const records = await this.#records(load.ended)
    return { ...judge(load.ended, records, this.all, this.#tellsAll), complaints: load.complaints }
  }

  /** The proxy writes its records in blocks: waits for those of the calls that failed. */
  async #records(ended: readonly Ended[]): Promise<Map<string, CallRecord>> {
    const failed = ended.filter(({ status }) => status !== 0)
    if (failed.length === 0) return new Map()
    for (let looks = 0; ; looks++) {
      const records = this.#running!.records()
      if (looks * LOOK_MS > RECORDS_MS || failed.every(({ name }) => records.has(name))) return records
      await sleep(LOOK_MS)
    }
  }

  /** Endpoints with another maximum age of connections are started anew. */
  async #age(maxAgeMs: number): Promise<void> {
    if (maxAgeMs === this.#maxAgeMs) return
    this.#maxAgeMs = maxAgeMs
    await Promise.all(
      this.endpoints.map(async endpoint => {
        await endpoint.kill()
        await endpoint.start(maxAgeMs)
      }),
    )
  }

  async end(): Promise<void> {
    await this.#running?.child.kill()
    await Promise.all(this.all.map(endpoint => endpoint.kill()))
  }
}
