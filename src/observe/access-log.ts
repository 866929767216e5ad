/** One line a call, when it is over. */
import type { Logger } from 'pino'
import type { CallObserver } from '../call/observer.ts'
import type { CallRecord } from '../call/record.ts'
import { decodeMessage, statusName } from '../grpc/status.ts'
import { bounded, MAX_MESSAGE_CHARACTERS, shownAuthority, shownCause, shownPath, withoutQueryOf } from './log-fields.ts'

/** @returns undefined where the logger would drop the line: then nothing is counted for it either */
export function accessLog(logger: Logger): CallObserver | undefined {
  return logger.isLevelEnabled('info') ? { onEnd: record => logEnd(logger, record) } : undefined
}

function logEnd(logger: Logger, record: CallRecord): void {
  logger.info(
    {
      peer: record.peer,
      authority: shownAuthority(record.authority),
      path: shownPath(record.path),
      backend: record.backend,
      endpoint: record.endpoint,
      grpcStatus: record.status < 0 ? 'none' : statusName(record.status),
      grpcMessage: record.message === '' ? undefined : shownMessage(record),
      endedBy: record.endedBy,
      reason: record.reason === '' ? undefined : record.reason,
      cause: shownCause(record.cause),
      timeoutMs: record.timeoutMs === undefined ? undefined : microseconds(record.timeoutMs),
      durationMs: microseconds(record.durationMs),
      requestBytes: record.request.bytes,
      requestMessages: record.request.messages,
      responseBytes: record.response.bytes,
      responseMessages: record.response.messages,
      retries: record.retries,
    },
    'call',
  )
}

function microseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** A character takes up to nine characters here (three octets of UTF-8, each as %XX): no more than this is shown. */
const MAX_ENCODED_CHARACTERS = 9 * MAX_MESSAGE_CHARACTERS + 1

function shownMessage({ message, path }: CallRecord): string {
  const text = decodeMessage(message.slice(0, MAX_ENCODED_CHARACTERS))
  return bounded(withoutQueryOf(path, text), MAX_MESSAGE_CHARACTERS)
}
