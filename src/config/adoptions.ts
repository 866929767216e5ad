/** Changes of a configuration, one after the other: each begins when the one before it is over, however that ended. */
import type { ChangeSummary } from '../proxy/change.ts'
import type { Resolution } from './resolve.ts'

export class Adoptions {
  readonly #adopt: (resolution: Resolution) => Promise<ChangeSummary>
  #last: Promise<unknown> = Promise.resolve()

  /** @param adopt makes the change; throws what it cannot */
  constructor(adopt: (resolution: Resolution) => Promise<ChangeSummary>) {
    this.#adopt = adopt
  }

  /** @param next asked when it is its turn, for what comes of what is in force then. Undefined: nothing is to change */
  next(next: () => Resolution | undefined): Promise<ChangeSummary | undefined> {
    const adopted = this.#last.then(() => {
      const resolution = next()
      return resolution && this.#adopt(resolution)
    })
    this.#last = adopted.catch(() => {})
    return adopted
  }

  /** Changes to what was read and checked elsewhere. */
  async to(resolution: Resolution): Promise<ChangeSummary> {
    return (await this.next(() => resolution))!
  }
}
