/**
 * The endpoint with the fewest calls in flight, of a few that are chosen at random (gRFC A48). With weights what counts
 * is calls for each unit of weight: so one of weight 3 has three times the calls.
 */
import type { Endpoint } from '../endpoint.ts'
import { callsOf, LeastLoaded } from './least-loaded.ts'

export class LeastRequest extends LeastLoaded {
  protected hasLess(one: Endpoint, other: Endpoint): boolean {
    return (callsOf(one) + 1) * other.weight < (callsOf(other) + 1) * one.weight
  }
}
