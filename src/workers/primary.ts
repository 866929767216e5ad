/**
 * A proxy of several processes. The primary listens, hands what it accepts to the workers, keeps as many of them as there
 * should be, and is the one that operators talk to; it carries no call.
 */
import { availableParallelism } from 'node:os'
import type { Logger } from 'pino'
import type { ProfileKind } from '../admin/profile.ts'
import type { Administered } from '../config/admin.ts'
import { type AdminChange, AdminSlot } from '../config/admin-slot.ts'
import { Adoptions } from '../config/adoptions.ts'
import { CertificateWatch } from '../config/certificate-watch.ts'
import type { PemsBefore } from '../config/pem-index.ts'
import { formatProblem } from '../config/problems.ts'
import type { Verdict } from '../config/reload.ts'
import type { Resolution } from '../config/resolve.ts'
import { createLogger } from '../observe/logger.ts'
import { ProcessMetrics } from '../observe/process-metrics.ts'
import { type Family, metricsText, type Reading, readingOf, type TextFormat } from '../observe/registry.ts'
import type { ChangeSummary } from '../proxy/change.ts'
import { ConfigurationRecord } from '../proxy/configuration-record.ts'
import { configurationFamilies } from '../proxy/metrics.ts'
import { MetricsExport } from '../proxy/metrics-export.ts'
import type { ProxySetup } from '../proxy/setup.ts'
import type { ProxyState, StateOptions } from '../proxy/state.ts'
import { systemClock, type Timer } from '../transport/clock.ts'
import type { BoundAddress } from '../transport/listening-socket.ts'
import { newTicketSecret } from '../transport/ticket-keys.ts'
import { CountExchange } from './count-exchange.ts'
import { Crew } from './crew.ts'
import { crewFamilies } from './crew-families.ts'
import type { CrewChange } from './crew-options.ts'
import { Doors, type DoorsChange } from './doors.ts'
import { Readings } from './readings.ts'
import { askedOfEach, type StateTogether, stateTogether } from './state-together.ts'

export interface PrimaryOptions {
  /** Options of Node's and V8's for workers. */
  readonly execArgv?: readonly string[]
  /** After so many seconds without an answer a worker is ended. Default: 10. */
  readonly hungAfterLooks?: number
}

export class Primary implements Administered {
  setup: ProxySetup
  readonly log: Logger
  readonly #crew: Crew
  readonly #counts: CountExchange
  readonly #doors: Doors
  readonly #count: number
  readonly #admin: AdminSlot
  readonly #readings: Readings
  readonly #certificates: CertificateWatch
  #ticketSecret: Uint8Array | undefined
  #ticketTimer: Timer | undefined
  /** Of this process. Undefined: none are configured. */
  #process: ProcessMetrics | undefined
  readonly #export: MetricsExport
  readonly #adoptions = new Adoptions(resolution => this.#adopt(resolution))
  #draining: Promise<boolean> | undefined
  askDrain: () => void = () => void this.drain()
  reload: (() => Promise<Verdict>) | undefined
  readonly configuration = new ConfigurationRecord()

  constructor(resolution: Resolution, { execArgv = process.execArgv, hungAfterLooks }: PrimaryOptions = {}) {
    const { config, warnings } = resolution
    this.setup = config
    this.log = config.logger ?? createLogger(config.log)
    this.#count = countOf(config) ?? 1
    this.#crew = new Crew({
      ...{ count: this.#count, execArgv, log: this.log, ...(hungAfterLooks && { hungAfterLooks }) },
      ...{ clock: systemClock, random: Math.random },
      onGone: worker => {
        this.#readings.gone(worker)
        this.#counts.gone(worker)
      },
      // One worker alone has nobody to tell.
      ...(this.#count > 1 && { onCounted: () => this.#counts.counted() }),
    })
    this.#counts = new CountExchange(this.#crew, systemClock)
    this.#admin = new AdminSlot(this)
    this.#readings = new Readings(config.metrics?.maxMethods ?? 0)
    this.#export = new MetricsExport(this.log, () => this.readMetrics())
    this.#measure()
    this.#doors = new Doors(this.log, connection => this.#crew.give(connection))
    for (const warning of warnings) this.log.warn(formatProblem(warning))
    this.#certificates = new CertificateWatch(resolution, this, systemClock)
  }

  /** @throws the system's error where an address cannot be had; Error where no worker can be started; then all is closed */
  async start(): Promise<BoundAddress[]> {
    try {
      // An address that is taken is a quick answer, and whoever waits for the proxy can ask it.
      await (await this.#admin.prepare(this.setup.admin)).commit()
      await this.#open(await this.#doors.prepare(this.setup.listeners))
      return this.#doors.addresses
    } catch (error) {
      if (this.#draining === undefined) {
        this.#crew.kill()
        await this.#close()
      }
      throw error
    }
  }

  async #open(doors: DoorsChange): Promise<void> {
    try {
      this.log.info({ workers: this.#count }, `starting ${this.#count} ${this.#count === 1 ? 'worker' : 'workers'}`)
      // Workers have the log's end of standard output in the mode in which it is now: it is opened by the first line.
      this.log.flush()
      await this.#crew.start(this.#forCrew(this.setup, doors.listeners))
      if (this.#draining !== undefined) throw new Error('the proxy is closed')
    } catch (error) {
      doors.discard()
      throw error
    }
    doors.commit()
    this.#certificates.listening(this.#crew.challenges)
  }

  get pems(): PemsBefore {
    return this.#certificates.pems
  }

  get watchedFiles(): ReadonlySet<string> {
    return this.#certificates.paths
  }

  /** Undefined: there is none. */
  get adminAddress(): string | undefined {
    return this.#admin.address
  }

  /** Changes to what was read and checked elsewhere, in all workers or in none. @throws why not */
  adoptResolution(resolution: Resolution): Promise<ChangeSummary> {
    return this.#adoptions.to(resolution)
  }

  adoptNext(next: () => Resolution | undefined): Promise<ChangeSummary | undefined> {
    return this.#adoptions.next(next)
  }

  async #adopt(resolution: Resolution): Promise<ChangeSummary> {
    const { config, warnings } = resolution
    const undo: (() => unknown)[] = []
    try {
      const admin = await this.#admin.prepare(config.admin)
      undo.push(() => admin.discard())
      const doors = await this.#doors.prepare(config.listeners)
      undo.push(() => doors.discard())
      const crew = await this.#crew.prepare(this.#forCrew(config, doors.listeners))
      undo.push(() => crew.discard())
      if (this.#draining !== undefined) throw new Error('the proxy is closed')
      const summary = await this.#commit(config, warnings, { admin, doors, crew })
      this.#certificates.adopted(resolution)
      return summary
    } catch (error) {
      await Promise.allSettled(undo.map(each => each()))
      throw error
    }
  }

  /** All workers know the tickets of each other's TLS sessions: a client may come back to any of them. */
  #forCrew(config: ProxySetup, listeners: ProxySetup['listeners']): ProxySetup {
    if (listeners.every(({ tls }) => tls === undefined)) return { ...config, listeners }
    this.#ticketSecret ??= newTicketSecret()
    this.#ticketTimer ??= systemClock.after(config.tls.ticketKeyMs, () => {
      this.#ticketTimer = this.#ticketSecret = undefined
      this.adoptNext(() => this.#certificates.inForce).catch(error =>
        this.log.error({ err: error }, 'the keys of TLS session tickets could not be replaced'),
      )
    })
    return { ...config, listeners, tls: { ...config.tls, ticketSecret: this.#ticketSecret } }
  }

  async #commit(
    config: ProxySetup,
    warnings: Resolution['warnings'],
    { admin, doors, crew }: { admin: AdminChange; doors: DoorsChange; crew: CrewChange },
  ): Promise<ChangeSummary> {
    // A worker hears of its new listeners before their first connections: messages keep their order.
    const committed = crew.commit()
    doors.commit()
    const ofCrew = crew.summary.needsRestart.filter(option => option !== 'workers')
    const needsRestart = [...ofCrew, ...(countOf(config) === this.#count ? [] : ['workers'])]
    const summary = { ...crew.summary, needsRestart }
    const before = this.setup
    this.setup = config
    this.log.level = config.log.level
    this.#measure()
    for (const warning of warnings) this.log.warn(formatProblem(warning))
    await Promise.all([committed, admin.commit()])
    // Else it is the same, with other keys of session tickets.
    if (config !== before) {
      this.configuration.changed()
      this.log.info(summary, 'the configuration has changed')
    }
    return summary
  }

  /** Why it should get no new connections; none: it is ready. One worker that is ready is enough. */
  get notReady(): Promise<readonly string[]> {
    return this.#notReady()
  }

  async #notReady(): Promise<readonly string[]> {
    if (this.#draining !== undefined) return ['it is draining']
    if (!this.#doors.isOpen) return ['no listener is open']
    const reasons = [...(await this.#crew.askAll('notReady', undefined)).values()]
    if (reasons.length === 0) return ['no worker is ready']
    return reasons.reduce((least, one) => (one.length < least.length ? one : least))
  }

  #measure(): void {
    const { metrics } = this.setup
    if (metrics !== undefined) this.#readings.maxMethods = metrics.maxMethods
    if (metrics === undefined) this.#process?.close()
    this.#process = metrics && (this.#process ?? new ProcessMetrics())
    this.#export.update(this.setup.metricsExport)
  }

  async metrics(format: TextFormat): Promise<string> {
    return metricsText(await this.readMetrics(), format)
  }

  async readMetrics(): Promise<Reading[]> {
    const own = readingOf([...(this.#process?.families ?? []), ...this.#families, ...this.#export.families])
    return this.#readings.together(await this.#crew.askAll('metrics', undefined), own)
  }

  get #families(): Family[] {
    return [...configurationFamilies(this.configuration), ...crewFamilies(this.#crew.members)]
  }

  async state(options: StateOptions): Promise<StateTogether> {
    const states = await this.#crew.askAll('state', askedOfEach(options))
    const told = this.#crew.members.flatMap(({ number, pid }) => {
      const state = states.get(number)
      return state === undefined || pid === undefined ? [] : [{ ...state, worker: number, pid }]
    })
    const [first, ...others] = told
    if (first === undefined) throw new Error('no worker is ready')
    return stateTogether([first, ...others], options)
  }

  stateOfWorker(worker: number, options: StateOptions): Promise<ProxyState> | undefined {
    return this.#crew.ask(worker, 'state', options)
  }

  profileOfWorker(worker: number, profile: ProfileKind, seconds: number): Promise<string | undefined> | undefined {
    return this.#crew.ask(worker, 'profile', { profile, seconds })
  }

  get logLevel(): string {
    return this.log.level
  }

  set logLevel(level: string) {
    this.log.level = level
    this.#crew.tell({ kind: 'log-level', level })
  }

  reopenLogs(): void {
    this.#crew.tell({ kind: 'reopen-logs' })
  }

  /** Accepts nothing new; the workers finish their calls, within the grace period, and end. @returns whether all did */
  drain(graceMs: number = this.setup.drain.graceMs): Promise<boolean> {
    this.#draining ??= this.#drain(graceMs)
    return this.#draining
  }

  async #drain(graceMs: number): Promise<boolean> {
    this.#doors.stop()
    this.#certificates.close()
    this.#ticketTimer?.cancel()
    this.log.info({ workers: this.#count, graceMs }, 'draining')
    const ended = await this.#crew.drain(graceMs, (worker, readings) => this.#readings.told(worker, readings))
    await this.#close()
    return ended
  }

  /** Nothing is left then that keeps the process from ending, but workers. */
  async #close(): Promise<void> {
    this.#certificates.close()
    this.#ticketTimer?.cancel()
    this.#counts.close()
    await Promise.all([this.#admin.close(), this.#export.close()])
    this.#process?.close()
    this.log.flush()
  }

  /** Ends all workers now. */
  kill(): void {
    this.#crew.kill()
  }
}

function countOf({ workers }: ProxySetup): number | undefined {
  return workers === 'auto' ? availableParallelism() : workers
}
