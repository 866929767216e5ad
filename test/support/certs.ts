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

function common() {
  // From an hour ago, for clocks that disagree.
  return {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - HOUR_MS),
    notAfterDate: new Date(Date.now() + 24 * HOUR_MS),
  } as const
}

async function authority(name: string): Promise<Identity> {
  const made = await generate([{ name: 'commonName', value: name }], {
    ...common(),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  return { cert: made.cert, key: made.private }
}

async function leaf(name: string, ca: Identity, usage: 'serverAuth' | 'clientAuth'): Promise<Identity> {
  const made = await generate([{ name: 'commonName', value: name }], {
    ...common(),
    ca,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', [usage]: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: name },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  return { cert: made.cert, key: made.private }
}
