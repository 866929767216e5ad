/** A change in several workers: all prepare, and then all commit, or none does. */
import type { ChangeSummary } from '../proxy/change.ts'
import type { SetupData } from './setup-data.ts'
import { WorkerGone, type WorkerHandle } from './worker-handle.ts'

/** The change is ready in these; one of the two functions is called. Those that ended meanwhile are not among them. */
export interface Prepared {
  readonly workers: readonly WorkerHandle[]
  readonly summary: ChangeSummary
  commit(): Promise<void>
  discard(): Promise<void>
}

/**
 * @param untried what is said of the change where there is no worker: what a new start takes, nobody has to refuse. Else
 *   workers that cannot live with a configuration would keep it from being mended
 * @throws WorkerRefusal when one of them cannot change; Error when all of them end by trying it. Then nothing has changed
 */
export async function prepareInAll(
  workers: readonly WorkerHandle[],
  dataFor: (worker: WorkerHandle) => SetupData,
  untried: () => ChangeSummary,
): Promise<Prepared> {
  if (workers.length === 0) return { workers, summary: untried(), commit: async () => {}, discard: async () => {} }
  const asked = await Promise.allSettled(workers.map(worker => worker.ask('prepare', dataFor(worker))))
  const ready = workers.filter((_, i) => asked[i]!.status === 'fulfilled')
  const all = async (what: 'commit' | 'discard') => {
    await Promise.allSettled(ready.map(worker => worker.ask(what, undefined)))
  }
  const refused = asked.find(one => one.status === 'rejected' && !(one.reason instanceof WorkerGone))
  const summary = asked.find(one => one.status === 'fulfilled')?.value
  if (refused !== undefined || summary === undefined) {
    await all('discard')
    throw (refused as PromiseRejectedResult | undefined)?.reason ?? new Error('all workers ended when they tried it')
  }
  return { workers: ready, summary, commit: () => all('commit'), discard: () => all('discard') }
}
