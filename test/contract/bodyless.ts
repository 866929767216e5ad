/** Answers that are to have no content, by their status: RFC 9110 §15.3.5, §15.3.6, §15.4.5. */
import type { Test } from 'tap'
import { idle } from '../support/until.ts'
import { field, goesOn, message, neverEnded, open, type Pairing, pairs, type Rig, rig, TRAILERS } from './rig.ts'

export function bodyless(t: Test, pairing: Pairing): void {
  // No content; yet HTTP/2 may end them in another frame, or not at all.
  for (const status of ['204', '205', '304']) {
    if (pairing.downstream === 'native') notClean(t, pairing, status)
    else asItCame(t, pairing, status)

    t.test(`a backend answers ${status} with END_STREAM: verbatim`, async t => {
      const call = await open(await rig(t, pairing), { endStream: true })
      call.backend.headers(call.backendId, [[':status', status]], { endStream: true })
      const came = await call.client.ended(call.id)
      t.match(came, [{ kind: 'headers', endStream: true }])
      if (came[0]?.kind === 'headers') t.same(pairs(came[0].fields), [[':status', status]])
    })
  }
}

/** Node ends the stream with a HEADERS of such a status, whatever is meant to follow: it cannot be forwarded. */
function notClean(t: Test, pairing: Pairing, status: string): void {
  t.test(`a backend answers ${status} without END_STREAM: not a clean end`, async t => {
    const here = await rig(t, pairing)
    const silent = await open(here, { endStream: true })
    silent.backend.headers(silent.backendId, [[':status', status]])
    await resetOrError(t, here, silent.id)
    const trailers = await open(here, { endStream: true })
    trailers.backend.headers(trailers.backendId, [[':status', status]])
    trailers.backend.data(trailers.backendId, message('content'))
    trailers.backend.headers(trailers.backendId, TRAILERS, { endStream: true })
    await resetOrError(t, here, trailers.id)
    await goesOn(t, here)
    await idle(here.proxy)
  })
}

/** A reset, or an error that says it is the proxy's own; not the status that promised no content. */
async function resetOrError(t: Test, here: Rig, id: number): Promise<void> {
  const came = await here.client.ended(id)
  if (came.at(-1)?.kind === 'rst') neverEnded(t, here.client, id)
  else t.equal(field(came[0], 'x-grpc-verbatim-error'), 'unsendable-headers')
}

/** What the status promises is between the backend and the client. */
function asItCame(t: Test, pairing: Pairing, status: string): void {
  const heads = [[':status', status]] as const

  t.test(`a backend answers ${status} without END_STREAM: HEADERS, then what comes`, async t => {
    const here = await rig(t, pairing)
    const silent = await open(here, { endStream: true })
    silent.backend.headers(silent.backendId, heads)
    const head = await silent.client.next('headers', silent.id)
    t.same(pairs(head.fields), heads)
    t.notOk(head.endStream, 'not ended by the proxy')
    const bare = await open(here, { endStream: true })
    bare.backend.headers(bare.backendId, heads)
    bare.backend.data(bare.backendId, '', { endStream: true })
    t.match(await bare.client.ended(bare.id), [
      { kind: 'headers', endStream: false },
      { kind: 'data', endStream: true, flowBytes: 0 },
    ])
    silent.backend.headers(silent.backendId, TRAILERS, { endStream: true })
    t.match(await silent.client.ended(silent.id), [{ kind: 'headers', endStream: true }])
    await goesOn(t, here)
    await idle(here.proxy)
  })

  t.test(`a backend answers ${status} with content and trailers`, async t => {
    const here = await rig(t, pairing)
    const call = await open(here, { endStream: true })
    call.backend.headers(call.backendId, heads)
    call.backend.data(call.backendId, message('content'))
    call.backend.headers(call.backendId, TRAILERS, { endStream: true })
    const came = await call.client.ended(call.id)
    const [first, last] = [came[0], came.at(-1)]
    if (first?.kind === 'headers') t.same(pairs(first.fields), heads)
    // Node's client ends its connection over content after 204 and 304, so that goes no further; 205 it does not know.
    if (status !== '205') {
      t.match(last, { kind: 'rst' })
      neverEnded(t, call.client, call.id)
    } else {
      t.ok(call.client.body(call.id).equals(message('content')))
      t.match(last, { kind: 'headers', endStream: true })
      if (last?.kind === 'headers') t.same(pairs(last.fields), TRAILERS)
    }
    await goesOn(t, here)
    await idle(here.proxy)
  })
}
