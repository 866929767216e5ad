/** Reads what the endpoints of a backend report of their load. */
import type { Endpoint } from '../endpoint.ts'
import type { EndpointWatch, WatchContext } from '../endpoint-watch.ts'
import type { OutcomeListener } from '../outcome.ts'
import { ReportedLoad, type ReportSettings } from './reported-load.ts'

export class LoadWatch implements EndpointWatch {
  readonly #settings: ReportSettings
  readonly #context: WatchContext

  constructor(settings: ReportSettings, context: WatchContext) {
    this.#settings = settings
    this.#context = context
  }

  watch(endpoint: Endpoint): OutcomeListener {
    let told = false
    const load = new ReportedLoad(this.#settings, fault => {
      this.#context.onOddity?.('load-report', endpoint.address.name, `its load report is ignored: ${fault}`, told)
      told = true
    })
    endpoint.known.load = load
    return load
  }
}
