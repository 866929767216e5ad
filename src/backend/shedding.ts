/**
 * Who may wait when many do. First the clients: none has more of the queue than another that wants a place. Then, among the
 * calls of one client, those that matter less give way to those that matter more.
 */

import { DEFAULT_SHED_AT, SHEDDABLE } from './call-priority.ts'
import type { CallQueue } from './call-queue.ts'
import type { ClientShare, Waiter } from './client-share.ts'
import type { QueueOptions } from './settings.ts'

/** Makes room for a new call, if it may have it. @returns whether there is room; if not, the waiter was told */
export function mayWait(waiter: Waiter, queue: CallQueue, options: QueueOptions): boolean {
  const { maxCalls } = options
  if (waiter.priority === SHEDDABLE && isLongFor(waiter.share, queue, options)) {
    waiter.onUnavailable('shed', `${queue.size} of ${maxCalls} calls wait already`)
    return false
  }
  return queue.size < maxCalls || makeRoom(waiter, queue, maxCalls)
}

/** So many calls wait that a sheddable one should not, and its client has its part of them already. */
function isLongFor(
  { waiting }: ClientShare,
  { size, clients }: CallQueue,
  { maxCalls, priority }: QueueOptions,
): boolean {
  const long = maxCalls * (priority?.shedAt ?? DEFAULT_SHED_AT)
  return size >= long && (waiting + 1) * (waiting === 0 ? clients + 1 : clients) > long
}

/**
 * The queue is full. The client that has the most calls gives up a place, unless that is the client of the new call itself.
 * Then a call of its own gives way, if it matters less.
 */
function makeRoom(waiter: Waiter, queue: CallQueue, maxCalls: number): boolean {
  const { loudest, clients } = queue
  if (loudest !== undefined && loudest.calls > waiter.share.calls + 1) {
    const least = queue.leastOf(loudest)!
    queue.remove(least)
    const had = loudest.waiting + 1
    least.waiter.onUnavailable('client-share', `${had} of ${maxCalls} places in the queue were its own`)
    return true
  }
  const least = queue.leastOf(waiter.share)
  if (least !== undefined && least.waiter.priority < waiter.priority) {
    queue.remove(least)
    least.waiter.onUnavailable('shed', 'a call of the same client that matters more took its place')
    return true
  }
  const own = waiter.share.waiting
  if (own > 0 && clients > 1)
    waiter.onUnavailable('client-share', `${own} of ${maxCalls} places in the queue are its own`)
  else waiter.onUnavailable('queue-full', `${maxCalls} calls wait already`)
  return false
}
