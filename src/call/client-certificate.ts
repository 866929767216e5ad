/**
 * `x-forwarded-client-cert`: who the client is by its certificate, for backends that speak with the proxy and not with it.
 * The form is Envoy's: `By=…;Hash=…;Subject="…";URI=…;DNS=…`, and a comma between one proxy and the next.
 */
import { type AddedField, field, removed } from '../grpc/metadata.ts'
import { altNames, distinguishedName } from '../transport/alt-names.ts'
import type { HeaderBlock, Peer } from '../transport/transport.ts'

/**
 * What becomes of what the client sent, and whether the proxy says who it is:
 *
 * | mode      | a client that was verified             | any other            |
 * |-----------|----------------------------------------|----------------------|
 * | `set`     | is told instead                        | removed              |
 * | `append`  | is told, behind what it sent           | removed              |
 * | `forward` | what it sent                           | removed              |
 * | `remove`  | removed                                | removed              |
 */
export type ClientCertificateMode = 'set' | 'append' | 'forward' | 'remove'

const NAME = 'x-forwarded-client-cert'
const NONE: readonly AddedField[] = []
const REMOVED: readonly AddedField[] = [removed(NAME)]

/** A certificate may have any number of names. With more than this, only its digest is told. */
const MAX_CHARACTERS = 4_096

export function forwardedCertificate(
  mode: ClientCertificateMode,
): (peer: Peer, block: HeaderBlock) => readonly AddedField[] {
  /** A connection has one certificate for all of its calls. */
  const known = new WeakMap<Peer, readonly AddedField[]>()
  const ownField = (peer: Peer): readonly AddedField[] => {
    let own = known.get(peer)
    if (own === undefined) {
      own = [field(NAME, elementOf(peer))]
      known.set(peer, own)
    }
    return own
  }
  return (peer, block) => {
    const isVerified = peer.certificate?.authorized === true
    if (mode === 'set' && isVerified) return ownField(peer)
    const sent = block.filter(field => field.name === NAME)
    if (mode === 'append' && isVerified) {
      const own = ownField(peer)
      if (sent.length === 0) return own
      return [{ ...own[0]!, value: [...sent, own[0]!].map(({ value }) => value).join(',') }]
    }
    return sent.length === 0 || (mode === 'forward' && isVerified) ? NONE : REMOVED
  }
}

function elementOf({ certificate, shownAltName = '' }: Peer): string {
  const { fingerprint256, subject, subjectAltName } = certificate!
  const by = altNames(shownAltName).find(({ kind, name }) => kind === 'URI' && isPlain(name))
  const digest = [
    ...(by === undefined ? [] : [`By=${quoted(by.name)}`]),
    `Hash=${fingerprint256.replaceAll(':', '').toLowerCase()}`,
  ]
  const names = altNames(subjectAltName).filter(({ name }) => isPlain(name))
  const ofKind = (kind: string) => names.filter(one => one.kind === kind).map(({ name }) => `${kind}=${quoted(name)}`)
  const all = [...digest, `Subject="${distinguishedName(subject)}"`, ...ofKind('URI'), ...ofKind('DNS')].join(';')
  return all.length > MAX_CHARACTERS ? digest.join(';') : all
}

/** Neither URIs nor names of hosts have anything else. With a backslash at its end a name could run into what follows. */
function isPlain(name: string): boolean {
  return /^[!-[\]-~]+$/.test(name)
}

/** "If ',', ';' or '=' appear in a value, the value should be double-quoted", and a quote has a backslash before it. */
function quoted(name: string): string {
  return /[,;="]/.test(name) ? `"${name.replaceAll('"', '\\"')}"` : name
}
