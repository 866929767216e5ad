/** What becomes of the listeners of one configuration with the next: kept, new, or to go. */
import { isDeepStrictEqual } from 'node:util'
import { asksForCertificate, checkSecureContext } from '../transport/listen-tls.ts'
import { socketName } from '../transport/listening-socket.ts'
import type { ListenerSetup } from './setup.ts'

/** A configuration that is right by itself, and cannot follow the one before while the proxy runs. */
export class UnfitChange extends Error {
  override readonly name = 'UnfitChange'
}

/** By what two configurations know a listener as the same; of several at free ports the first is the first. */
export function listenersByKey(setups: readonly ListenerSetup[]): Map<string, ListenerSetup> {
  const byKey = new Map<string, ListenerSetup>()
  for (const setup of setups) {
    const address = socketName(setup)
    let key = address
    for (let nth = 2; byKey.has(key); nth++) key = `${address} (${nth})`
    byKey.set(key, setup)
  }
  return byKey
}

/**
 * @returns whether anything of it is to change
 * @throws UnfitChange for what cannot change while it listens; the error of Node for certificates that do not fit
 */
export function checkKept(key: string, before: ListenerSetup, after: ListenerSetup): boolean {
  const stays = (what: string) =>
    new UnfitChange(
      `listener ${key}: ${what} cannot change while it listens. Take it out in one change and put it back in the ` +
        'next, or restart the proxy.',
    )
  if ((before.tls === undefined) !== (after.tls === undefined)) throw stays('whether it has TLS')
  if ((before.web === undefined) !== (after.web === undefined)) throw stays('whether it takes gRPC-Web')
  if ((before.probes === undefined) !== (after.probes === undefined)) throw stays('whether it answers probes')
  if ((before.proxyProtocol === undefined) !== (after.proxyProtocol === undefined))
    throw stays('whether it takes the PROXY protocol')
  if (before.socketMode !== after.socketMode) throw stays('the mode of its socket')
  if (before.tls !== undefined && after.tls !== undefined) {
    if (!isDeepStrictEqual(asksForCertificate(before.tls), asksForCertificate(after.tls)))
      throw stays('whether clients are asked for a certificate')
    if (before.tls.answersChallenges !== after.tls.answersChallenges) throw stays('whether it answers tls-alpn-01')
    checkSecureContext(after.tls)
  }
  return (
    before.transport !== after.transport ||
    !isDeepStrictEqual(before.tls, after.tls) ||
    !isDeepStrictEqual(before.web, after.web) ||
    !isDeepStrictEqual(before.probes, after.probes) ||
    !isDeepStrictEqual(before.proxyProtocol, after.proxyProtocol)
  )
}
