/** What balancers know of an endpoint. It is kept at the endpoint, and so outlives the lists that it is on. */
import type { PeakLatency } from './peak-latency.ts'
import type { ReportedLoad } from './reported-load.ts'

export interface Known {
  /** How long it takes to answer, where its balancer wants to know. */
  latency?: PeakLatency
  /** What it reports of its load, likewise. */
  load?: ReportedLoad
  /** Of its name. */
  hash?: number
}
