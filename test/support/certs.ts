/** Certificates for TLS tests, made in memory: elliptic-curve keys, so they take milliseconds. */
import { generate } from 'selfsigned'

export interface Identity {
  readonly cert: string
  readonly key: string
}

export interface Certificates {
  /** Signs `server` and `client`. */
  readonly ca: Identity
  /** For localhost and 127.0.0.1. */
  readonly server: Identity
  readonly client: Identity
  /** A CA that nobody here trusts, and a client that it signed: to be refused. */
  readonly strangerCa: Identity
  readonly stranger: Identity
}

let made: Promise<Certificates> | undefined

/** Made once a process. */
export function certificates(): Promise<Certificates> {
  made ??= make()
  return made
}

async function make(): Promise<Certificates> {
  const [ca, strangerCa] = await Promise.all([authority('grpc-verbatim test CA'), authority('another CA')])
  const [server, client, stranger] = await Promise.all([
    leaf('localhost', ca, 'serverAuth'),
    leaf('client', ca, 'clientAuth'),
    leaf('stranger', strangerCa, 'clientAuth'),
  ])
  return { ca, server, client, strangerCa, stranger }
}

const HOUR_MS = 3_600_000

/** What a certificate is like. */
export interface IssueOptions {
  /** Its common name. */
  readonly name?: string
  /** DNS names; by default the common name. */
  readonly names?: readonly string[]
  readonly uris?: readonly string[]
  readonly usage?: 'serverAuth' | 'clientAuth'
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly keyType?: 'ec' | 'rsa'
  readonly keySize?: number
}

function common({ notBefore, notAfter, keyType = 'ec', keySize = 2_048 }: IssueOptions = {}) {
  // From an hour ago, for clocks that disagree.
  return {
    ...(keyType === 'ec' ? { keyType } : { keyType, keySize }),
    algorithm: 'sha256',
    notBeforeDate: notBefore ?? new Date(Date.now() - HOUR_MS),
    notAfterDate: notAfter ?? new Date(Date.now() + 24 * HOUR_MS),
  } as const
}

export async function authority(name: string): Promise<Identity> {
  const made = await generate([{ name: 'commonName', value: name }], {
    ...common(),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  return { cert: made.cert, key: made.private }
}

function leaf(name: string, ca: Identity, usage: 'serverAuth' | 'clientAuth'): Promise<Identity> {
  return issue(ca, { name, usage })
}

/** A certificate of this authority, or without one, also for 127.0.0.1. Both have keys of one kind. */
export async function issue(ca: Identity | undefined, options: IssueOptions = {}): Promise<Identity> {
  const { name = 'localhost', names = [name], uris = [], usage = 'serverAuth' } = options
  const made = await generate([{ name: 'commonName', value: name }], {
    ...common(options),
    ...(ca && { ca }),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', [usage]: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...names.map(value => ({ type: 2, value }) as const),
          ...uris.map(value => ({ type: 6, value }) as const),
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  return { cert: made.cert, key: made.private }
}
