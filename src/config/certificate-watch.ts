/**
 * Files of certificates, keys and lists of revoked certificates are noticed when they change, and used from then on: whoever
 * renews certificates need not tell the proxy. Nothing else of the configuration is read again.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Renewals } from '../acme/renewals.ts'
import { WatchedFiles } from '../discovery/watched-files.ts'
import type { ProxySetup } from '../proxy/setup.ts'
import type { Challenges } from '../transport/alpn-challenges.ts'
import type { Clock } from '../transport/clock.ts'
import { ExpiryWarnings } from './expiry-warnings.ts'
import type { PemsBefore } from './pem-index.ts'
import { reasonOf } from './pem-source.ts'
import { formatProblem, type Problem } from './problems.ts'
import type { Resolution } from './resolve.ts'

/** Whose certificates they are. */
export interface CertificateOwner {
  readonly log: Logger
  /**
   * Changes to what `next` gives, if that is anything. It is asked once all changes are done that were asked for before.
   * @throws why it cannot
   */
  adoptNext(next: () => Resolution | undefined): Promise<unknown>
}

const NO_PATHS: ReadonlySet<string> = new Set()

export class CertificateWatch {
  readonly #owner: CertificateOwner
  readonly #clock: Clock
  readonly #expiry: ExpiryWarnings
  inForce: Resolution
  #watched: WatchedFiles | undefined
  #paths = NO_PATHS
  /** What was wrong when they were looked at last: it is told once. */
  #told = ''
  /** Undefined: no certificate is issued by an authority, or the listeners are not open yet. */
  #renewals: Promise<Renewals> | undefined
  #challenges: Challenges | undefined
  #closed = false

  constructor(inForce: Resolution, owner: CertificateOwner, clock: Clock) {
    this.inForce = inForce
    this.#owner = owner
    this.#clock = clock
    this.#expiry = new ExpiryWarnings(owner.log, clock)
    this.adopted(inForce)
  }

  /** The certificates in force: what is offered in their place is not to be worse. */
  get pems(): PemsBefore {
    return this.inForce.pems
  }

  /** Files that are watched here. */
  get paths(): ReadonlySet<string> {
    return this.#paths
  }

  /** The listeners are open: from now on authorities may ask them. @param challenges which they answer */
  listening(challenges: Challenges): void {
    this.#challenges = challenges
    this.#haveIssued()
  }

  #haveIssued(): void {
    const { acme: setups = [] } = this.inForce.config
    const challenges = this.#challenges
    if (challenges === undefined || this.#closed || (setups.length === 0 && this.#renewals === undefined)) return
    this.#renewals ??= import('../acme/renewals.ts').then(({ Renewals }) => {
      const { log } = this.#owner
      return new Renewals({ log, clock: this.#clock, alpn: challenges, onCertificate: () => void this.#renew() })
    })
    void this.#renewals.then(renewals => renewals.update(this.#closed ? [] : setups))
  }

  /** This is in force now. */
  adopted(resolution: Resolution): void {
    this.inForce = resolution
    const { config, pems } = resolution
    if (!this.#closed) this.#expiry.watch(config)
    this.#haveIssued()
    const paths = config.tls.watchFiles ? pems.paths : NO_PATHS
    if (this.#closed || isDeepStrictEqual(paths, this.#paths)) return
    this.#watched?.close()
    this.#paths = paths
    if (paths.size === 0) return
    this.#watched = new WatchedFiles(() => this.#renew(), { clock: this.#clock })
    this.#watched.start([...paths])
  }

  close(): void {
    this.#closed = true
    this.#expiry.close()
    this.#watched?.close()
    void this.#renewals?.then(renewals => renewals.close())
  }

  /** @returns false: it is to be tried again, as a file may be half of a pair */
  async #renew(): Promise<boolean> {
    const { log } = this.#owner
    const { isChanged, problems } = await this.#adoptWhatIsNew()
    if (this.#closed) return true
    const told = problems.map(formatProblem).join('\n')
    if (told !== this.#told) {
      for (const problem of problems) log.error(formatProblem(problem))
      if (problems.length > 0) log.error('these files are not used: the certificates from before stay in use')
    }
    if (isChanged) log.info('files of certificates have changed, and are used for new connections')
    else if (told === '' && this.#told !== '') log.info('the files of certificates are right again')
    this.#told = told
    return problems.length === 0
  }

  async #adoptWhatIsNew(): Promise<{ isChanged: boolean; problems: readonly Problem[] }> {
    let isChanged = false
    let problems: readonly Problem[] = []
    try {
      await this.#owner.adoptNext(() => {
        const before = this.inForce.config
        const renewed = this.inForce.withPemsOfNow()
        problems = renewed.problems
        const config = withCertificatesOf(before, renewed.resolution.config)
        isChanged = !isDeepStrictEqual(config, before)
        return isChanged ? { ...renewed.resolution, config } : undefined
      })
      return { isChanged, problems }
    } catch (error) {
      return { isChanged: false, problems: [...problems, { path: '', message: reasonOf(error) }] }
    }
  }
}

/** Everything else may have been said elsewhere: on the command line, in code. */
function withCertificatesOf(before: ProxySetup, now: ProxySetup): ProxySetup {
  const { listeners, backends, admin, traces, metricsExport, certificates } = now
  const telemetry = { ...(traces && { traces }), ...(metricsExport && { metricsExport }) }
  const optional = { ...(admin && { admin }), ...(certificates && { certificates }) }
  return { ...before, listeners, backends, ...telemetry, ...optional }
}
