/** @throws RangeError that names it, when it is not a whole number of at least 1 */
export function wholeNumber(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return
  throw new RangeError(`${name} is ${value}: it must be a whole number of at least 1`)
}
