/**
 * Parts of a line, one behind the other: a point on it belongs to the part in which it is. So what has twice the weight gets
 * twice the points.
 *
 * @param upTo the sums of the parts up to and with each; at least one
 * @returns the number of the part; the last one takes what rounding leaves
 */
export function partAt(upTo: readonly number[], point: number): number {
  let [low, high] = [0, upTo.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (point < upTo[middle]!) high = middle
    else low = middle + 1
  }
  return low
}
