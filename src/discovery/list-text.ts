/**
 * The text of a list, in YAML or JSON, read again and again. To read the YAML of ten thousand endpoints takes some hundred
 * milliseconds, in which no call goes on. Mostly one entry has changed, so the text is taken apart, and an entry that was
 * there before is not read again:
 *
 * ```
 *   - 10.0.0.1:50051                              one line, an address
 *   - { address: 10.0.0.2:50051, weight: 3 }      one line
 *   - address: 10.0.0.3:50051                     several lines: those behind the first begin with a space
 *     weight: 3
 * ```
 *
 * What is not as simple as that is read as a whole.
 */
import { setImmediate } from 'node:timers/promises'
import { parse } from 'yaml'
import { placesBefore } from '../backend/kept-places.ts'

/** So many entries are read at once, for some milliseconds. Then others have their turn. */
const ENTRIES_AT_ONCE = 100

/** A plain scalar that is a string by any rule: a number has no colon in it, and a map has a space behind it. */
const PLAIN_ADDRESS = /^- ([A-Za-z0-9][\w.:/-]*:[0-9]+)$/

/** Anchors, aliases, tags and merge keys reach over entries. */
const FAR_REACHING = /[&*!]|<</

export class ListText {
  /** The entries of the last text, as they were written, and what they are. */
  #texts: readonly string[] = []
  #entries: readonly unknown[] = []

  /** @throws Error where it is neither YAML nor JSON */
  async read(text: string): Promise<unknown> {
    return (/^\s*\[/.test(text) ? jsonOf(text) : await this.#entriesOf(text)) ?? wholeOf(text)
  }

  async #entriesOf(text: string): Promise<readonly unknown[] | undefined> {
    const texts = apart(text)
    if (texts === undefined) return undefined
    const places = placesBefore(texts, this.#texts, isSame, itself)
    const entries: unknown[] = new Array(texts.length)
    let read = 0
    for (let i = 0; i < texts.length; i++) {
      entries[i] = this.#entries[places[i]!] ?? PLAIN_ADDRESS.exec(texts[i]!)?.[1]
      if (entries[i] !== undefined) continue
      if (++read % ENTRIES_AT_ONCE === 0) await setImmediate()
      entries[i] = entryOf(texts[i]!)
      if (entries[i] === undefined) return undefined
    }
    this.#texts = texts
    this.#entries = entries
    return entries
  }
}

const isSame = (one: string, other: string) => one === other
const itself = (text: string) => text

/** YAML holds JSON. Aliases can make a small file large: yaml's own bound of 100 stays. */
function wholeOf(text: string): unknown {
  return parse(text, { logLevel: 'error' })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // It may be YAML, which allows more, and says where a mistake is.
    return undefined
  }
}

/** @returns the texts of the entries; undefined where it is no simple list, or a wrong one */
function apart(text: string): readonly string[] | undefined {
  const entries: string[] = []
  let isOpen = false
  for (const ended of text.split('\n')) {
    const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended
    if (line.startsWith('- ')) {
      entries.push(line)
      isOpen = true
    } else if (line.startsWith(' ') && isOpen) {
      entries[entries.length - 1] += `\n${line}`
    } else if (line === '' || line.startsWith('#') || (line === '---' && entries.length === 0)) {
      isOpen = false
    } else return undefined
  }
  return entries.length === 0 ? undefined : entries
}

/** @returns undefined where it is not one entry, or none by itself */
function entryOf(text: string): unknown {
  if (FAR_REACHING.test(text)) return undefined
  try {
    const list: unknown = wholeOf(text)
    // Whoever keeps it knows that it stays as it is.
    return Array.isArray(list) && list.length === 1 ? Object.freeze(list[0] ?? undefined) : undefined
  } catch {
    return undefined
  }
}
