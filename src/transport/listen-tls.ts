/** What a listener is secured with: its certificates by name, and whom it asks for one. */
import type { SecureContext, TLSSocket, TlsOptions } from 'node:tls'
import { AlpnChallenges } from './alpn-challenges.ts'
import { crlBlocks } from './crl.ts'
import { nodeCrypto, nodeTls } from './node-tls.ts'
import { areOneInSeveralKinds, type CertificatePair, ServerNames } from './server-names.ts'
import type { TicketKeys } from './ticket-keys.ts'
import { staleCertificate } from './tls-refusal.ts'
import { type TlsRules, tlsOptions } from './tls-rules.ts'

export interface ListenTls extends Partial<CertificatePair>, TlsRules {
  /** More of them: which one a client gets is decided by the name that it asks for. */
  readonly certificates?: readonly CertificatePair[]
  /** Clients that ask for no name, or for one that no certificate has, are refused in the handshake. */
  readonly refuseUnknownNames?: boolean
  /** Clients are asked for a certificate of this authority. */
  readonly clientCa?: string | Buffer
  /** Which of them are revoked: a list of each authority of `clientCa`. */
  readonly crl?: string | Buffer
  /** Clients without a valid certificate are refused in the handshake. */
  readonly requireClientCertificate?: boolean
  /** How long a session may be resumed. Default: OpenSSL's 5 minutes. */
  readonly sessionTimeoutMs?: number
  /** Authorities are answered that want to see, by tls-alpn-01, whose names these are. */
  readonly answersChallenges?: boolean
}

/** Sessions of one process are known in another by this, and by the key of the ticket. */
const SESSION_CONTEXT = 'grpc-verbatim'

/** @throws Node's error for what is wrong with it */
export function checkSecureContext(options: ListenTls): void {
  nodeTls().createSecureContext(new Shown(options).atFirst)
}

/** Whether clients are asked for a certificate, and whether they need one. */
export function asksForCertificate({ clientCa, requireClientCertificate }: ListenTls) {
  const requestCert = clientCa !== undefined
  return { requestCert, rejectUnauthorized: requestCert && requireClientCertificate !== false }
}

/** What is the same for all names. */
function commonOptions(options: ListenTls): TlsOptions {
  const { clientCa, crl, sessionTimeoutMs } = options
  return {
    ...tlsOptions(options),
    ca: clientCa,
    ...(crl !== undefined && { crl: crlBlocks(crl) }),
    sessionIdContext: SESSION_CONTEXT,
    ...(sessionTimeoutMs !== undefined && { sessionTimeout: Math.ceil(sessionTimeoutMs / 1_000) }),
  }
}

/** What OpenSSL says where it has no certificate to show. */
const NO_CERTIFICATE: ReadonlySet<unknown> = new Set([
  'ERR_SSL_NO_SHARED_CIPHER',
  'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM',
])

/**
 * Which certificates are shown to whom. OpenSSL begins with those of the server's context, and Node can show one other
 * instead, of a context chosen by the name. In Node 22 that one replaces only the one of its own kind of key: a client that
 * prefers the other kind would get a certificate for another name. So the server's context has none where keys of several
 * kinds are for several names.
 */
class Shown {
  /** Undefined: for all names those with which OpenSSL begins. */
  readonly #names: ServerNames<SecureContext> | undefined
  /** What OpenSSL begins with, as Node takes it. */
  readonly atFirst: TlsOptions
  /** Who asks for no name is shown nothing, and refused. */
  readonly needsName: boolean

  constructor(options: ListenTls) {
    const common = commonOptions(options)
    const pairs = pairsOf(options)
    // Without any, every handshake fails until there is one.
    const isOne = pairs.length === 0 || (!options.refuseUnknownNames && areOneInSeveralKinds(pairs))
    this.#names = isOne
      ? undefined
      : new ServerNames(pairs, ({ cert, key }) => nodeTls().createSecureContext({ ...common, cert, key }))
    this.needsName = options.refuseUnknownNames === true || this.#names?.isMixed === true
    const begin = isOne ? pairs : pairs.slice(0, this.needsName ? 0 : 1)
    this.atFirst = { ...common, cert: begin.map(({ cert }) => cert), key: begin.map(({ key }) => key) }
  }

  /** Undefined: there is none of that name. */
  of(name: string): SecureContext | undefined {
    return this.#names?.of(name)
  }

  get first(): SecureContext | undefined {
    return this.#names?.first
  }
}

function pairsOf({ cert, key, names, certificates = [] }: ListenTls): CertificatePair[] {
  if (cert === undefined || key === undefined) return [...certificates]
  return [{ cert, key, ...(names && { names }) }, ...certificates]
}

/** Whether it has any to show. */
export function hasCertificate(options: ListenTls): boolean {
  return pairsOf(options).length > 0
}

/** How a listener is secured now. */
export class ListenerSecurity {
  readonly #tickets: TicketKeys
  readonly #challenges: AlpnChallenges
  #options: ListenTls
  #shown: Shown
  /** Names that clients asked for and that there is no certificate for, for the log. */
  readonly #unknown = new WeakMap<TLSSocket, string>()

  constructor(options: ListenTls, tickets: TicketKeys, challenges: AlpnChallenges) {
    this.#options = options
    this.#tickets = tickets
    this.#challenges = challenges
    this.#shown = new Shown(options)
  }

  update(options: ListenTls): void {
    this.#options = options
    this.#shown = new Shown(options)
  }

  /** For `setSecureContext`. */
  get context(): TlsOptions {
    return { ...this.#shown.atFirst, ticketKeys: this.#tickets.keyFor(this.#scope) }
  }

  /** For `tls.createServer`: the same, with what stays as it is. @param protocols by which it is chosen, the best first */
  server(protocols: readonly string[]): TlsOptions {
    const security = this
    return {
      ...this.context,
      ...asksForCertificate(this.#options),
      ...(this.#options.answersChallenges ? this.#choosing(protocols) : { ALPNProtocols: [...protocols] }),
      SNICallback: function (this: TLSSocket, name, done) {
        done(null, security.#contextFor(this, name))
      } as NonNullable<TlsOptions['SNICallback']>,
    }
  }

  /** As OpenSSL chooses among `ALPNProtocols`, but for authorities. */
  #choosing(known: readonly string[]): Pick<TlsOptions, 'ALPNCallback'> {
    const challenges = this.#challenges
    return {
      ALPNCallback: function (this: TLSSocket, { servername, protocols }) {
        if (challenges.isAsked(this, servername, protocols)) return AlpnChallenges.protocol
        return known.find(protocol => protocols.includes(protocol))
      } as NonNullable<TlsOptions['ALPNCallback']>,
    }
  }

  #contextFor(socket: TLSSocket, name: string): SecureContext | undefined {
    const asked = this.#options.answersChallenges ? this.#challenges.contextFor(socket, name) : undefined
    if (asked !== undefined) return asked
    const known = this.#shown.of(name)
    if (known !== undefined || !this.#options.refuseUnknownNames) return known ?? this.#shown.first
    this.#unknown.set(socket, name)
    return undefined
  }

  /** Why a handshake failed, if it was for want of a certificate to show. */
  whyUnknown({ code }: NodeJS.ErrnoException, socket: TLSSocket): string | undefined {
    if (!NO_CERTIFICATE.has(code)) return undefined
    if (!hasCertificate(this.#options)) return 'there is no certificate yet'
    if (!this.#shown.needsName) return undefined
    const name = this.#unknown.get(socket)
    if (name !== undefined) return `no certificate has the name that the client asked for: ${JSON.stringify(name)}`
    return socket.servername ? undefined : 'the client asked for no name, and there is no certificate for that'
  }

  /** Of a client that has resumed a session with a certificate. @returns undefined: there is nothing wrong with it */
  staleCertificate(socket: TLSSocket): string | undefined {
    return this.#options.clientCa === undefined ? undefined : staleCertificate(socket, new Date())
  }

  /** A ticket must not spare a client what is asked of it now: another authority, or another list of those revoked. */
  get #scope(): string {
    const { clientCa, crl, requireClientCertificate } = this.#options
    const hash = nodeCrypto().createHash('sha256')
    for (const part of [clientCa, crl]) hash.update(part === undefined ? '-' : `${part.length}:`).update(part ?? '')
    return hash.update(String(requireClientCertificate)).digest('base64')
  }
}
