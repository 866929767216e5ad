/** Gates composed: all of them, one of them, and what they add. */
import t from 'tap'
import { GrpcError } from '../../src/grpc/status.ts'
import {
  allOf,
  anyOf,
  type Gate,
  named,
  onAnswer,
  type Refusal,
  refusal,
  through,
  vouching,
  withAdditions,
} from '../../src/routing/gate.ts'
import { ask, call, TARGET } from './rig.ts'

const passes: Gate = next => next
const later: Gate = next => async info => {
  await new Promise(resolve => setImmediate(resolve))
  return next(info)
}
const refuses = (token: Parameters<typeof refusal>[0], why: string): Gate => {
  const refused = refusal(token, why)
  return () => () => {
    throw refused
  }
}
const refusesLater = (token: Parameters<typeof refusal>[0], why: string): Gate => {
  return () => async () => {
    throw refusal(token, why)
  }
}
const adds = (name: string, value: string): Gate => {
  return next => info => onAnswer(next(info), target => withAdditions(target, { metadata: { [name]: value } }))
}
const noted = (list: string[], name: string): Gate => {
  return next => info => {
    list.push(name)
    return next(info)
  }
}

t.test('gates are asked from the first to the last, and the director after them', async t => {
  const asked: string[] = []
  const director = through([noted(asked, 'a'), noted(asked, 'b')], () => {
    asked.push('director')
    return TARGET
  })
  t.equal(director(call()), TARGET, 'and it costs no promise')
  t.same(asked, ['a', 'b', 'director'])
})

t.test('all must let it pass: the first that does not ends it', async t => {
  const asked: string[] = []
  const gate = allOf([passes, refuses('forbidden', 'no'), noted(asked, 'behind')])
  t.equal(await ask(gate, call()), 'forbidden: no')
  t.same(asked, [])
})

t.test('one is enough, and those behind it are not asked', async t => {
  const asked: string[] = []
  const gate = anyOf([
    refuses('unauthenticated', 'no'),
    refusesLater('unauthenticated', 'no'),
    passes,
    noted(asked, 'x'),
  ])
  t.equal(await ask(gate, call()), TARGET)
  t.same(asked, [])
  t.equal(anyOf([refuses('unauthenticated', 'no'), passes])(() => TARGET)(call()), TARGET, 'no promise')
  t.equal(await ask(anyOf([later]), call()), TARGET)
})

t.test('the director behind is asked once, and what it throws is its own', async t => {
  let asked = 0
  const last = () => {
    asked++
    throw new GrpcError('NOT_FOUND', 'mine')
  }
  await t.rejects(ask(anyOf([passes, passes]), call(), last), { message: 'mine' })
  await t.rejects(ask(anyOf([later, passes]), call(), last), { message: 'mine' })
  t.equal(asked, 2)
})

t.test('none lets it pass: the refusal of the first that knew the caller, with all reasons for the log', async t => {
  const gate = anyOf([refuses('unauthenticated', 'a'), refusesLater('forbidden', 'b'), refuses('rate-limited', 'c')])
  t.equal(await ask(gate, call()), 'forbidden: a; b; c')
  t.equal(
    await ask(anyOf([refuses('unauthenticated', 'a'), refuses('unauthenticated', 'b')]), call()),
    'unauthenticated: a; b',
  )
  const own: Gate = () => () => {
    throw new GrpcError('PERMISSION_DENIED', 'own')
  }
  await t.rejects(ask(anyOf([refuses('unauthenticated', 'a'), own]), call()), { message: 'own' })
})

t.test('a mistake in one of several is told, and lets nobody pass', async t => {
  const broken: Gate = () => () => {
    throw new TypeError('a mistake')
  }
  await t.rejects(ask(anyOf([broken, refuses('forbidden', 'b')]), call()), { message: 'a mistake' })
})

t.test('what they add comes together, also of the one that let it pass', async t => {
  const gate = allOf([adds('x-a', '1'), anyOf([refuses('forbidden', 'no'), adds('x-b', '2')]), adds('x-c', '3')])
  const target = await ask(gate, call(), () => ({ backend: 'main', metadata: { 'x-own': '0' } }))
  t.strictSame(target, {
    backend: 'main',
    metadata: { 'x-own': '0', 'x-c': '3', 'x-b': '2', 'x-a': '1' },
    removeMetadata: [],
  })
})

t.test('where the director knows no route, there is none', async t => {
  t.equal(await ask(adds('x-a', '1'), call(), () => undefined), undefined)
})

t.test('a refusal has no stack: to make one for each call would help who floods', async t => {
  t.notMatch(refusal('forbidden', 'no').stack, /\n\s+at /)
  t.match(new Error('others do').stack, /\n\s+at /)
})

t.test('what one of several vouches for, a client that passes another one cannot send', async t => {
  const vouches = vouching(
    next => info => onAnswer(next(info), target => withAdditions(target, { metadata: { 'x-user': 'amy' } })),
    ['x-user'],
  )
  const removed = async (gate: Gate) => ((await gate(() => TARGET)(call())) as typeof TARGET & object).removeMetadata
  const refused = refuses('unauthenticated', 'no')
  t.same(await removed(anyOf([passes, vouches])), ['x-user'], 'it was not asked')
  t.same(await removed(anyOf([allOf([refused, vouches]), later])), ['x-user'], 'it has refused')
  const passed = await anyOf([refused, vouches])(() => TARGET)(call())
  t.match(passed, { metadata: { 'x-user': 'amy' }, removeMetadata: ['x-user'] }, 'its own goes on')
})

t.test(
  'a refusal has the name of the gate that refuses, now or later, and gates share what they refuse with',
  async t => {
    const refused = refusal('forbidden', 'no', 5)
    const shared: Gate = () => () => {
      throw refused
    }
    const thrownBy = async (gate: Gate): Promise<unknown> => {
      try {
        return await gate(() => TARGET)(call())
      } catch (thrown) {
        return thrown
      }
    }
    const nameOf = async (gate: Gate) => ((await thrownBy(gate)) as Refusal).gate
    t.equal(await nameOf(named('a', shared)), 'a')
    t.equal(await nameOf(named('b', shared)), 'b')
    t.equal(await nameOf(named('later', refusesLater('forbidden', 'no'))), 'later')
    t.equal(await nameOf(allOf([named('outer', later), named('inner', shared)])), 'inner')
    t.equal(await nameOf(anyOf([named('a', refuses('unauthenticated', 'no')), named('b', shared)])), 'b')
    t.equal(refused.gate, undefined)
    t.match(await thrownBy(named('a', shared)), { token: 'forbidden', message: 'no', retryAfterMs: 5 })
    const broken: Gate = () => () => {
      throw new TypeError('a mistake')
    }
    t.type(await thrownBy(named('a', broken)), TypeError)
  },
)

t.test('a gate with a name is what it was: no promise where there was none, and any promise of a director', async t => {
  t.equal(named('a', passes)(() => TARGET)(call()), TARGET)
  // biome-ignore lint/suspicious/noThenProperty: a director of plain JavaScript may answer so
  const thenable = { then: (use: (target: typeof TARGET) => unknown) => use(TARGET) }
  t.equal(await named('a', passes)(() => thenable as never)(call()), TARGET)
  t.same(named('a', vouching(passes, ['x-user'])).vouchesFor, ['x-user'])
})
