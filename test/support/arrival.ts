/** Waiting for an event of something that may close without it. */
import type { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http2'

/**
 * As `once` of `node:events`, which waits for ever where a stream or session of `node:http2` closes without an error:
 * it does so when the other side closes its socket before it has said anything.
 * @throws when `emitter` fails, or closes first
 */
export function arrival<Values extends unknown[] = [IncomingHttpHeaders]>(
  emitter: EventEmitter,
  event: 'response' | 'trailers' | 'remoteSettings',
): Promise<Values> {
  return new Promise((resolve, reject) => {
    const done = () => {
      emitter.off(event, onEvent).off('error', onError).off('close', onClose)
    }
    const onEvent = (...values: unknown[]) => {
      done()
      resolve(values as Values)
    }
    const onError = (error: Error) => {
      done()
      reject(error)
    }
    const onClose = () => {
      done()
      reject(new Error(`it closed before '${event}'`))
    }
    emitter.on(event, onEvent).on('error', onError).on('close', onClose)
  })
}
