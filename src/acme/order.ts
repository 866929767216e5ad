/** One order at an authority (RFC 8555 §7.4): names in, a certificate and its key out. */
import { generateKeyPairSync } from 'node:crypto'
import type { Authorization, Client, Order } from 'acme-client'
import type { Challenges } from '../transport/alpn-challenges.ts'
import type { Clock } from '../transport/clock.ts'
import { type AcmeLibrary, askingAt, loadAcmeClient } from './acme-client.ts'
import { checkedChain } from './chain.ts'
import { HttpChallenges } from './http-challenge.ts'
import type { AcmeSetup } from './setup.ts'
import { textOf, writePrivate } from './storage.ts'

/** Between two looks at what the authority has done meanwhile. */
const FIRST_LOOK_MS = 1_000
const MAX_LOOK_MS = 10_000
/** Authorities validate within seconds, and give up by themselves. */
const ORDER_TIMEOUT_MS = 300_000
/** Each look is two requests, and there are some 40 looks in that time; a name takes six or eight more. */
const MAX_REQUESTS = 200
const MAX_REQUESTS_BY_NAME = 20

export interface OrderContext {
  readonly clock: Clock
  /** Of the listeners. */
  readonly alpn: Challenges
  /** The proxy ends. */
  readonly signal: AbortSignal
}

/** @returns the key and the chain, as they are stored. @throws Error with what the authority says, or what is wrong here */
export async function orderCertificate(setup: AcmeSetup, context: OrderContext): Promise<string> {
  const { clock } = context
  const library = await loadAcmeClient()
  const late = new AbortController()
  const reason = new Error(`no certificate within ${ORDER_TIMEOUT_MS / 60_000} minutes`)
  const timer = clock.after(ORDER_TIMEOUT_MS, () => late.abort(reason))
  const signal = AbortSignal.any([context.signal, late.signal])
  const maxRequests = MAX_REQUESTS + MAX_REQUESTS_BY_NAME * setup.domains.length
  const { directory, ca } = setup
  try {
    return await askingAt(directory, { ca, clock, signal, maxRequests }, () =>
      order(library, setup, { ...context, signal }),
    )
  } catch (error) {
    if (signal.aborted) throw signal.reason
    // The library takes it for granted that answers are objects with what they should have.
    if (error instanceof TypeError) throw new Error(`the authority does not answer as ACME says (${error.message})`)
    throw error
  } finally {
    timer.cancel()
  }
}

async function order(library: AcmeLibrary, setup: AcmeSetup, context: OrderContext): Promise<string> {
  const accountKey = await accountKeyOf(setup.accountFile)
  const client = new library.Client({ directoryUrl: setup.directory, accountKey })
  await client.createAccount({
    termsOfServiceAgreed: true,
    ...(setup.email !== undefined && { contact: [`mailto:${setup.email}`] }),
  })
  const steps = new Steps(library, client, setup, context)
  return steps.run()
}

async function accountKeyOf(file: string): Promise<string> {
  const kept = await textOf(file)
  if (kept?.includes('PRIVATE KEY-----')) return kept
  if (kept !== undefined) throw new Error(`${file} is no private key: delete it, and a new account is made`)
  const key = newKey()
  await writePrivate(file, key)
  return key
}

/** P-256: every client knows it, and every authority signs it. */
function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

class Steps {
  readonly #library: AcmeLibrary
  readonly #client: Client
  readonly #setup: AcmeSetup
  readonly #context: OrderContext
  readonly #http = new HttpChallenges()

  constructor(library: AcmeLibrary, client: Client, setup: AcmeSetup, context: OrderContext) {
    this.#library = library
    this.#client = client
    this.#setup = setup
    this.#context = context
  }

  async run(): Promise<string> {
    const { domains } = this.#setup
    const identifiers = domains.map(value => ({ type: 'dns', value }))
    const order = await this.#client.createOrder({ identifiers })
    if (order.status === 'pending') await this.#prove(order)
    const ready = await this.#until(order, ({ status }) => status !== 'pending')
    const key = newKey()
    const [, csr] = await this.#library.crypto.createCsr({ commonName: domains[0]!, altNames: [...domains] }, key)
    if (ready.status === 'ready') await this.#client.finalizeOrder(ready, csr)
    const done = await this.#until(order, ({ status }) => status === 'valid')
    const chain = await this.#client.getCertificate(done)
    return `${key.trimEnd()}\n${checkedChain(chain, key, domains)}`
  }

  async #prove(order: Order): Promise<void> {
    const authorizations = await this.#authorizations(order)
    const pending = authorizations.filter(({ status }) => status === 'pending')
    const { challenge: how } = this.#setup
    try {
      if (how.kind === 'http-01' && pending.length > 0) await this.#listen(how)
      for (const authorization of pending) await this.#answer(authorization)
      for (const authorization of pending) await this.#validated(authorization)
    } finally {
      this.#http.close()
      for (const { identifier } of pending) this.#context.alpn.forget(identifier.value)
    }
  }

  /** The library asks for all of them at once. */
  async #authorizations(order: Order): Promise<Authorization[]> {
    const { domains } = this.#setup
    const wanted = order.authorizations?.length ?? 0
    if (wanted > domains.length) {
      const were = domains.length === 1 ? '1 was' : `${domains.length} were`
      throw new Error(`the authority wants proof of ${wanted} names, where ${were} asked for`)
    }
    const authorizations = await this.#client.getAuthorizations(order)
    const isOurs = ({ identifier }: Authorization) => domains.includes(identifier?.value)
    if (!authorizations.every(isOurs)) throw new Error('the authority wants proof of a name that was not asked for')
    return authorizations
  }

  async #listen({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
    try {
      await this.#http.open({ host, port })
    } catch (error) {
      throw new Error(`cannot listen on ${host}:${port} for the challenge: ${(error as Error).message}`)
    }
  }

  async #answer(authorization: Authorization): Promise<void> {
    const { kind } = this.#setup.challenge
    const name = authorization.identifier.value
    const challenge = authorization.challenges.find(({ type }) => type === kind)
    if (challenge === undefined) throw new Error(`the authority does not offer ${kind} for ${name}`)
    const answer = await this.#client.getChallengeKeyAuthorization(challenge)
    if (kind === 'http-01') this.#http.expect(challenge.token, answer)
    else {
      const [key, cert] = await this.#library.crypto.createAlpnCertificate(authorization, answer, newKey())
      this.#context.alpn.expect(name, { cert, key })
    }
    await this.#client.completeChallenge(challenge)
  }

  async #validated(authorization: Authorization): Promise<void> {
    for (let waitMs = FIRST_LOOK_MS; ; waitMs = longer(waitMs)) {
      await this.#wait(waitMs)
      // The library has no other way to ask for one.
      const [now] = await this.#client.getAuthorizations({ authorizations: [authorization.url] } as Order)
      if (now?.status === 'valid') return
      if (now?.status !== 'pending') throw new Error(refusalOf(now, authorization.identifier.value))
    }
  }

  /** @throws Error where the order has failed */
  async #until(order: Order, isDone: (order: Order) => boolean): Promise<Order> {
    for (let waitMs = FIRST_LOOK_MS; ; waitMs = longer(waitMs)) {
      const now = await this.#client.getOrder(order)
      if (!STATUSES.has(now.status)) throw new Error('the order has no status that ACME knows')
      if (now.status === 'invalid') throw new Error(`the order has failed: ${detailOf(now.error)}`)
      if (isDone(now)) return now
      await this.#wait(waitMs)
    }
  }

  async #wait(ms: number): Promise<void> {
    const { clock, signal } = this.#context
    signal.throwIfAborted()
    await new Promise<void>(resolve => {
      const stop = () => {
        timer.cancel()
        signal.removeEventListener('abort', stop)
        resolve()
      }
      const timer = clock.after(ms, stop)
      signal.addEventListener('abort', stop)
    })
    signal.throwIfAborted()
  }
}

/** RFC 8555 §7.1.6. */
const STATUSES: ReadonlySet<unknown> = new Set(['pending', 'ready', 'processing', 'valid', 'invalid'])

function longer(waitMs: number): number {
  return Math.min(waitMs * 1.5, MAX_LOOK_MS)
}

function refusalOf(authorization: Authorization | undefined, name: string): string {
  const failed = authorization?.challenges.find(({ error }) => error !== undefined)
  return `the authority could not verify ${name}: ${detailOf(failed?.error)}`
}

/** RFC 7807. */
function detailOf(problem: unknown): string {
  const { detail, type } = (problem ?? {}) as { readonly detail?: unknown; readonly type?: unknown }
  return String(detail ?? type ?? 'it does not say why')
}
