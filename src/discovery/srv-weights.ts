/** From the weights of SRV records to those of endpoints. */
import type { SrvRecord } from './srv-records.ts'

/** An address of a target. */
export interface SrvEndpoint {
  readonly ip: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/**
 * Each address of each target once, in an order that does not change. The weight of a target is shared by its addresses.
 * What is there twice has the better priority, and the weights of that one together.
 */
export function weighted(
  records: readonly SrvRecord[],
  addressesOf: (target: string) => readonly string[],
): readonly SrvEndpoint[] {
  const all = new Map<string, SrvEndpoint>()
  const weightOf = weightsWithin(records)
  for (const record of records.toSorted((one, other) => one.priority - other.priority)) {
    const { port, priority, target } = record
    const addresses = addressesOf(target)
    for (const ip of addresses) {
      const key = `${ip} ${port}`
      const before = all.get(key)
      if (before !== undefined && before.priority < priority) continue
      const weight = weightOf(record) / addresses.length + (before?.weight ?? 0)
      all.set(key, { ip, port, priority, weight })
    }
  }
  return [...all.entries()].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, endpoint]) => endpoint)
}

/**
 * "Domain administrators SHOULD use Weight 0 when there isn't any server selection to do": they are alike. "In the
 * presence of records containing weights greater than 0, records with weight 0 should have a very small chance of being
 * selected": in RFC 2782's own choice, of a number from 0 to the sum, the first of them has one chance beside the sum, so
 * all of them together get a weight of 1.
 */
function weightsWithin(records: readonly SrvRecord[]): (record: SrvRecord) => number {
  const levels = new Map<number, { sum: number; zeros: number }>()
  for (const { priority, weight } of records) {
    const level = levels.get(priority) ?? { sum: 0, zeros: 0 }
    level.sum += weight
    if (weight === 0) level.zeros++
    levels.set(priority, level)
  }
  return ({ priority, weight }) => {
    const { sum, zeros } = levels.get(priority)!
    if (weight > 0) return weight
    return sum === 0 ? 1 : 1 / zeros
  }
}
