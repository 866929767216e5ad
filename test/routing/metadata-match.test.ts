/** Conditions of routes on metadata. */
import t from 'tap'
import { createRouter, type Route } from '../../src/routing/router.ts'
import { type Asked, backendOf, call, HELLO } from './rig.ts'

t.test('metadata', async t => {
  const canary = (value: string): Asked => ({
    metadata: [['x-canary', value]],
  })
  const none: Asked = { metadata: [['other', 'x']] }
  const exact = [{ match: { metadata: { 'x-canary': 'true' } }, backend: 'a' }]
  t.equal(backendOf(exact, call(HELLO, canary('true'))), 'a')
  t.equal(backendOf(exact, call(HELLO, canary('True'))), undefined)
  t.equal(backendOf(exact, call(HELLO, none)), undefined)
  const present = [{ match: { metadata: { 'x-canary': { present: true } } }, backend: 'a' }]
  t.equal(backendOf(present, call(HELLO, canary(''))), 'a', 'an empty value is there too')
  t.equal(backendOf(present, call(HELLO, none)), undefined)
  const absent = [{ match: { metadata: { 'x-canary': { present: false } } }, backend: 'a' }]
  t.equal(backendOf(absent, call(HELLO, none)), 'a')
  t.equal(backendOf(absent, call(HELLO, canary('x'))), undefined)

  const prefix = [{ match: { metadata: { 'x-canary': { prefix: 'beta-' } } }, backend: 'a' }]
  t.equal(backendOf(prefix, call(HELLO, canary('beta-1'))), 'a')
  t.equal(backendOf(prefix, call(HELLO, canary('a-beta-1'))), undefined)
  t.equal(backendOf(prefix, call(HELLO, none)), undefined)

  const both = [{ match: { metadata: { a: '1', b: { present: true } } }, backend: 'a' }]
  t.equal(backendOf(both, call(HELLO, { metadata: [['a', '1']] })), undefined, 'all conditions must hold')
})

/** What is sent under one name, and for which rules about lists a condition on the value `1` holds. */
const LISTS: readonly (readonly [values: readonly string[], all: boolean, any: boolean, whole: boolean])[] = [
  [['1'], true, true, true],
  [['0'], false, false, false],
  [[], false, false, false],
  [[''], false, false, false],
  [['1', '1'], true, true, false],
  [['0', '1'], false, true, false],
  [['1', '0'], false, true, false],
  [['0,1'], false, true, false],
  [['1, 0'], false, true, false],
  [['1 ,\t1'], true, true, false],
  [['1,'], false, true, false],
  [['11'], false, false, false],
]

t.test('a condition on a value says how lists count: all in a route, any in a deny, or as it is told', async t => {
  for (const [values, all, any, whole] of LISTS) {
    const asked = call(HELLO, { metadata: values.map(value => ['x-admin', value] as const) })
    const holds = (condition: NonNullable<NonNullable<Route['match']>['metadata']>[string]): [boolean, boolean] => {
      const match = { metadata: { 'x-admin': condition } }
      let denied = false
      try {
        createRouter([{ match, deny: 'PERMISSION_DENIED' }])(asked)
      } catch {
        denied = true
      }
      return [backendOf([{ match, backend: 'a' }], asked) === 'a', denied]
    }
    const sent = JSON.stringify(values)
    t.same(holds('1'), [all, any], sent)
    t.same(holds({ value: '1' }), [all, any], sent)
    t.same(holds({ value: '1', list: 'all' }), [all, all], sent)
    t.same(holds({ value: '1', list: 'any' }), [any, any], sent)
    t.same(holds({ value: '1', list: 'whole' }), [whole, whole], sent)
  }
})

t.test('lists and prefixes; values with commas; fields that are one value by themselves', async t => {
  type Case = [condition: object | string, name: string, values: string[], route: boolean, deny: boolean]
  const jwt = 'Bearer a.b.c'
  const cases: Case[] = [
    [{ prefix: 'beta-' }, 'x-ring', ['beta-1, beta-2'], true, true],
    [{ prefix: 'beta-' }, 'x-ring', ['beta-1, prod'], false, true],
    [{ prefix: 'beta-' }, 'x-ring', ['prod', 'beta-1'], false, true],
    [{ prefix: 'beta-', list: 'whole' }, 'x-ring', ['beta-1, prod'], true, true],
    ['a, b', 'x-ring', ['a, b'], true, true],
    ['a, b', 'x-ring', ['a', 'b'], false, true],
    ['a,b', 'x-ring', ['c', 'a ,b'], false, true],
    ['a,b', 'x-ring', ['xa,b'], false, false],
    [{ prefix: 'grpc-node/' }, 'user-agent', ['grpc-node/1.0 (linux, x64)'], true, true],
    [{ prefix: 'Bearer ' }, 'authorization', [jwt], true, true],
    [{ prefix: 'Bearer ' }, 'authorization', ['Digest a="b", c="d"'], false, false],
    [{ prefix: 'Bearer ' }, 'authorization', ['Basic x', jwt], false, true],
    ['AAE=', 'x-bin', ['AAE=,AAI='], false, true],
  ]
  for (const [condition, name, values, route, deny] of cases) {
    const asked = call(HELLO, { metadata: values.map(value => [name, value] as const) })
    const match = { metadata: { [name]: condition } } as NonNullable<Route['match']>
    const what = `${JSON.stringify(condition)} for ${JSON.stringify(values)}`
    t.equal(backendOf([{ match, backend: 'a' }], asked) === 'a', route, what)
    const denies = () => createRouter([{ match, deny: 'PERMISSION_DENIED' }])(asked)
    if (deny) t.throws(denies, what)
    else t.doesNotThrow(denies, what)
  }
})
