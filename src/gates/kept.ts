/**
 * What is known of the last so many keys. When half of them are new, what was not asked for since the last time is
 * forgotten: two maps, of which the older is dropped. So each key costs one look, and the memory has a bound.
 */
export class Kept<Value> {
  readonly #half: number
  #now = new Map<string, Value>()
  #before = new Map<string, Value>()

  /** @param most keys that are known at a time */
  constructor(most: number) {
    this.#half = Math.max(1, Math.ceil(most / 2))
  }

  get(key: string): Value | undefined {
    const value = this.#now.get(key)
    if (value !== undefined || this.#before.size === 0) return value
    const older = this.#before.get(key)
    if (older !== undefined) this.set(key, older)
    return older
  }

  set(key: string, value: Value): void {
    if (this.#now.size >= this.#half && !this.#now.has(key)) {
      this.#before = this.#now
      this.#now = new Map()
    }
    this.#now.set(key, value)
  }

  clear(): void {
    this.#now.clear()
    this.#before.clear()
  }

  get size(): number {
    return this.#now.size + this.#before.size
  }
}
