/** What a listener that takes gRPC-Web or probes has before the calls. Its code is loaded when the first such listener opens. */
import type { AcceptorOwner } from '../transport/acceptor.ts'
import type { Http1Transport } from '../transport/http1/server.ts'
import type { ServerSession, Stream } from '../transport/transport.ts'
import type { FileContext } from '../web/file-answer.ts'
import type { WebCall } from '../web/web-call.ts'
import type { WebContext } from '../web/web-stream.ts'
import type { ListenerSetup } from './setup.ts'

/** Who makes calls of streams. */
export interface CallsOwner extends AcceptorOwner {
  onStream(stream: Stream, session: ServerSession): WebCall
}

export interface WebFrontContext {
  readonly owner: CallsOwner
  readonly http1: () => Promise<Http1Transport>
  readonly isReady: () => boolean
  readonly memory: WebContext['memory']
  readonly onNotWeb: WebContext['onNotWeb']
  readonly onFileFault: FileContext['onFault']
}

export interface WebFront {
  /** Of the listener. */
  readonly owner: AcceptorOwner
  readonly http1: Http1Transport
  /** For requests that come from now on. */
  update(options: WebFrontRules): void
}

export type WebFrontRules = Pick<ListenerSetup, 'web' | 'probes'>

/** @returns undefined where the listener takes nothing but gRPC */
export async function webFront(options: WebFrontRules, context: WebFrontContext): Promise<WebFront | undefined> {
  if (options.web === undefined && options.probes === undefined) return undefined
  const { owner, http1, isReady, memory, onNotWeb, onFileFault } = context
  const { Cors } = await import('../web/cors.ts')
  const { WebStream } = await import('../web/web-stream.ts')
  const { Folder } = await import('../web/folder.ts')
  const open = (stream: Stream, session: ServerSession) => owner.onStream(stream, session)
  const contextOf = ({ web, probes }: WebFrontRules): WebContext => ({
    ...{ cors: web && new Cors(web), probes },
    files: web?.static === undefined ? undefined : { folder: new Folder(web.static), memory, onFault: onFileFault },
    ...{ open, isReady, memory, onNotWeb },
  })
  let shared = contextOf(options)
  return {
    owner: { ...owner, onStream: (stream, session) => new WebStream(shared, stream, session) },
    http1: await http1(),
    update: next => {
      shared = contextOf(next)
    },
  }
}
