/** Two sets of named things, before and after. */

/** Names, in the order of the sets. */
export interface Changed {
  readonly added: readonly string[]
  readonly updated: readonly string[]
  readonly removed: readonly string[]
}

/** @param differs it is there before and after, and is not the same */
export function changed<Thing>(
  before: ReadonlyMap<string, Thing>,
  after: ReadonlyMap<string, Thing>,
  differs: (before: Thing, after: Thing, name: string) => boolean,
): Changed {
  const added: string[] = []
  const updated: string[] = []
  for (const [name, thing] of after) {
    const known = before.get(name)
    if (known === undefined) added.push(name)
    else if (differs(known, thing, name)) updated.push(name)
  }
  return { added, updated, removed: [...before.keys()].filter(name => !after.has(name)) }
}
