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

/** @throws WorkerRefusal when one of them cannot change; Error when none is there. Then nothing has changed in any of them */
export async function prepareInAll(
  workers: readonly WorkerHandle[],
  dataFor: (worker: WorkerHandle) => SetupData,
): Promise<Prepared> {
  const asked = await Promise.allSettled(workers.map(worker => worker.ask('prepare', dataFor(worker))))
  const ready = workers.filter((_, i) => asked[i]!.status === 'fulfilled')
  const all = async (what: 'commit' | 'discard') => {
    await Promise.allSettled(ready.map(worker => worker.ask(what, undefined)))
  }
  const refused = asked.find(one => one.status === 'rejected' && !(one.reason instanceof WorkerGone))
  const summary = asked.find(one => one.status === 'fulfilled')?.value
  if (refused !== undefined || summary === undefined) {
    await all('discard')
    throw (refused as PromiseRejectedResult | undefined)?.reason ?? new Error('no worker is there that could try it')
  }
  return { workers: ready, summary, commit: () => all('commit'), discard: () => all('discard') }
}
