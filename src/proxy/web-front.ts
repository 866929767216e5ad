/** What a listener that takes gRPC-Web has before the calls. Its code is loaded when the first such listener opens. */
import type { AcceptorOwner } from '../transport/acceptor.ts'
import type { Http1Transport } from '../transport/http1/server.ts'
import type { ServerSession, Stream } from '../transport/transport.ts'
import type { WebRules } from '../web/cors.ts'
import type { WebCall, WebContext } from '../web/web-stream.ts'

/** Who makes calls of streams. */
export interface CallsOwner extends AcceptorOwner {
  onStream(stream: Stream, session: ServerSession): WebCall
}

export interface WebFrontContext {
  readonly owner: CallsOwner
  readonly http1: () => Promise<Http1Transport>
  readonly onNotWeb: WebContext['onNotWeb']
}

export interface WebFront {
  /** Of the listener. */
  readonly owner: AcceptorOwner
  readonly http1: Http1Transport
  /** For requests that come from now on. */
  update(options: WebRules): void
}

export async function webFront(options: WebRules, { owner, http1, onNotWeb }: WebFrontContext): Promise<WebFront> {
  const { Cors } = await import('../web/cors.ts')
  const { WebStream } = await import('../web/web-stream.ts')
  const open = (stream: Stream, session: ServerSession) => owner.onStream(stream, session)
  let context: WebContext = { cors: new Cors(options), open, onNotWeb }
  return {
    owner: { ...owner, onStream: (stream, session) => new WebStream(context, stream, session) },
    http1: await http1(),
    update: next => {
      context = { ...context, cors: new Cors(next) }
    },
  }
}
