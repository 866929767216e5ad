/** The public types of the configuration and its schema say the same. */
import type { Logger } from 'pino'
import t from 'tap'
import type { z } from 'zod'
import type { ProxyOptions } from '../../src/config/options.ts'
import type { configSchema } from '../../src/config/schema.ts'
import { optionSources, withTexts } from './option-text.ts'

/** Without `readonly`, which the interfaces have and the schema's types have not. */
type Plain<T> = T extends ((...args: never) => unknown) | Logger | Uint8Array
  ? T
  : T extends object
    ? { -readonly [Key in keyof T]: Plain<T[Key]> }
    : T

/** True only where neither has an option, or a value of one, that the other has not. */
type Same<A, B> = (<T>() => T extends Plain<A> ? 1 : 2) extends <T>() => T extends Plain<B> ? 1 : 2 ? true : false

type Schema = z.input<typeof configSchema>

export const same: Same<ProxyOptions, Schema> = true

// What the check finds: an option that is missing, one too many, one that is needed, a value that is missing.
type Listeners<L> = Omit<ProxyOptions, 'listeners'> & { listeners?: L[] }
type Listener = NonNullable<Schema['listeners']>[number]
export const found: readonly false[] = [
  false satisfies Same<Omit<ProxyOptions, 'logger'>, Schema>,
  false satisfies Same<ProxyOptions & { more?: string }, Schema>,
  false satisfies Same<Listeners<Required<Listener>>, Listeners<Listener>>,
  false satisfies Same<Listeners<Omit<Listener, 'transport'> & { transport?: 'frames' }>, Listeners<Listener>>,
]

t.test('each option of the types has the text and the default of the schema', async t => {
  t.same(withTexts(optionSources()), optionSources(), 'run: node test/config/option-text.ts')
})

t.test('a text that is missing or differs, and a field that is no option, are found', async t => {
  const sources = optionSources()
  const changed = (name: string, before: string, after: string) => {
    const text = sources[name]!.replace(before, after)
    t.not(text, sources[name], after)
    return { ...sources, [name]: text }
  }
  for (const [name, before, after] of [
    ['options.ts', '/** Where the proxy accepts connections. */\n', ''],
    ['options.ts', '/** Where the proxy accepts connections. */', '/** Where it listens. */'],
    [
      'options/limits.ts',
      '@defaultValue `{ burst: 200, perSecond: 20 }`',
      '@defaultValue `{ burst: 1, perSecond: 20 }`',
    ],
  ] as const) {
    t.same(withTexts(changed(name, before, after)), sources)
  }
  const renamed = changed('options.ts', 'readonly graceMs?', 'readonly grace?')
  t.throws(() => withTexts(renamed), /DrainOptions has not the fields/)
  const more = changed(
    'options.ts',
    '/** The end of',
    'export interface More { readonly more: string }\n\n/** The end of',
  )
  t.throws(() => withTexts(more), /of no option: More/)
})
