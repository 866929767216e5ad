/** A list and the one before it: where its entries were. Mostly all but one of thousands are where they were. */

/** With more that are not where they were, it pays to look for them all over the list before. */
const MANY = 50

const NEW = -1

/**
 * @param areAlike whether two entries are the same
 * @param keyOf the same for entries that are the same, and mostly another for others
 * @returns for each entry its place in the list before; -1: it was not there
 */
export function placesBefore<Entry>(
  list: readonly Entry[],
  before: readonly Entry[],
  areAlike: (one: Entry, other: Entry) => boolean,
  keyOf: (entry: Entry) => unknown,
): Int32Array {
  const places = new Int32Array(list.length)
  const isAt = (i: number, at: number): boolean => at < before.length && areAlike(list[i]!, before[at]!)
  let missing = 0
  // They are where they were, or one further on, as one was put in or taken away before them.
  for (let i = 0, next = 0; i < list.length; i++) {
    if (isAt(i, next)) places[i] = next++
    else if (isAt(i, next + 1)) {
      places[i] = next + 1
      next += 2
    } else {
      places[i] = NEW
      missing++
    }
  }
  if (missing < MANY) return places
  const at = new Map(before.map((entry, i) => [keyOf(entry), i]))
  for (let i = 0; i < list.length; i++) {
    if (places[i] !== NEW) continue
    const place = at.get(keyOf(list[i]!)) ?? NEW
    if (place !== NEW && isAt(i, place)) places[i] = place
  }
  return places
}
