/**
 * Who may wait when many do. First the clients: none has more of the queue than another that wants a place. Then, among the
 * calls of one client, those that matter less give way to those that matter more.
 */

import { DEFAULT_SHED_AT, SHEDDABLE } from './call-priority.ts'
import type { CallQueue } from './call-queue.ts'
import type { ClientShare, Ticket } from './client-share.ts'
import type { QueueOptions } from './settings.ts'

/**
 * Puts a call into the queue, if it may have a place. It, or the one that it takes the place of, is told if not.
 * @returns false: one of them was told
 */
export function enqueue(ticket: Ticket, queue: CallQueue, options: QueueOptions): boolean {
  const { maxCalls } = options
  const { waiter } = ticket
  if (waiter.priority === SHEDDABLE && isLongFor(waiter.share, queue, options)) {
    waiter.onUnavailable('shed', `${queue.size} of ${maxCalls} calls wait already`)
    return false
  }
  const isFull = queue.size >= maxCalls
  if (isFull) enqueueForAnother(ticket, queue, maxCalls)
  else queue.push(ticket)
  return !isFull
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
function enqueueForAnother(ticket: Ticket, queue: CallQueue, maxCalls: number): void {
  const { waiter } = ticket
  const { loudest, clients } = queue
  if (loudest !== undefined && loudest.calls > waiter.share.calls + 1) {
    const least = queue.leastOf(loudest)!
    queue.remove(least)
    queue.push(ticket)
    const had = loudest.waiting + 1
    return least.waiter.onUnavailable('client-share', `${had} of ${maxCalls} places in the queue were its own`)
  }
  const least = queue.leastOf(waiter.share)
  if (least !== undefined && least.waiter.priority < waiter.priority) {
    // In this order the client does not lose its turn, if this was its only call.
    queue.push(ticket)
    queue.remove(least)
    return least.waiter.onUnavailable('shed', 'a call of the same client that matters more took its place')
  }
  const own = waiter.share.waiting
  if (own > 0 && clients > 1)
    waiter.onUnavailable('client-share', `${own} of ${maxCalls} places in the queue are its own`)
  else waiter.onUnavailable('queue-full', `${maxCalls} calls wait already`)
}
