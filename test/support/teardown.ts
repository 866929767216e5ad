/** What a test opened, the test closes. */

/** The part of a tap test that this needs. */
export interface Scope {
  teardown(fn: () => unknown): void
}

/** Destroys `thing` when the test ends; gives it back. */
export function closing<T extends { destroy(): unknown }>(t: Scope, thing: T): T {
  t.teardown(() => thing.destroy())
  return thing
}
