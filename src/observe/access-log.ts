/** One line a call, when it is over. */
import type { Logger } from 'pino'
import type { CallRecord } from '../call/record.ts'
import { statusName } from '../grpc/status.ts'

/**
 * @returns what a relay calls with its record, or undefined where the logger would drop the line:
 * then nothing is counted for it either
 */
export function accessLog(logger: Logger): ((record: CallRecord) => void) | undefined {
  if (!logger.isLevelEnabled('info')) return undefined
  return record =>
    logger.info(
      {
        peer: record.peer,
        authority: record.authority,
        path: record.path,
        backend: record.backend,
        endpoint: record.endpoint,
        grpcStatus: record.status < 0 ? 'none' : statusName(record.status),
        endedBy: record.endedBy,
        reason: record.reason === '' ? undefined : record.reason,
        durationMs: Math.round(record.durationMs * 1000) / 1000,
        requestBytes: record.request.bytes,
        requestMessages: record.request.messages,
        responseBytes: record.response.bytes,
        responseMessages: record.response.messages,
        retries: record.retries,
      },
      'call',
    )
}
