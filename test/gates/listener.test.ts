/** Gates of a listener, and gates in code as a list: whom they ask, in which order, and what a change does to them. */
import t from 'tap'
import { allOf, anyOf } from '../../src/gates/index.ts'
import { GrpcError } from '../../src/index.ts'
import { Entrance } from '../../src/proxy/entrance.ts'
import type { Gate } from '../../src/routing/gate.ts'
import { allTo, ask, client, SILENT, server, started } from '../proxy/change-rig.ts'
import { call, TARGET } from './rig.ts'

const LISTENER = '127.0.0.1:0'
const closed: Gate = () => () => {
  throw new GrpcError('PERMISSION_DENIED', 'closed here')
}
const noting = (list: string[], name: string): Gate => {
  return next => call => {
    list.push(name)
    return next(call)
  }
}

t.test('a listener has gates of its own, on both transports and with gRPC-Web beside', async t => {
  const main = await server(t, 'a')
  const { addresses } = await started(t, {
    ...allTo(main),
    listeners: [
      { address: LISTENER, require: 'nobody' },
      { address: LISTENER },
      { address: LISTENER, require: closed, transport: 'native' },
      { address: LISTENER, require: [closed], web: true },
    ],
    gates: { nobody: { network: { deny: ['127.0.0.0/8'] } } },
  })
  await t.rejects(ask(client(t, addresses[0]!)), /not permitted/)
  t.equal(await ask(client(t, addresses[1]!)), 'a')
  await t.rejects(ask(client(t, addresses[2]!)), /closed here/)
  await t.rejects(ask(client(t, addresses[3]!)), /closed here/)
})

t.test('those of the listener are asked first, then `gates`, then `require`, then those of the route', async t => {
  const main = await server(t, 'a')
  const asked: string[] = []
  const [route, required, listed, listener] = ['route', 'require', 'gates', 'listener'].map(name => noting(asked, name))
  const { addresses } = await started(t, {
    ...allTo(main),
    listeners: [{ address: LISTENER, require: listener! }],
    gates: [listed!, listed!],
    require: [required!],
    routes: [{ backend: 'main', require: route! }],
  })
  await ask(client(t, addresses[0]!))
  t.same(asked, ['listener', 'gates', 'gates', 'require', 'route'])
})

t.test('a director sees which listener a call came to, and none where somebody else accepted it', async t => {
  const main = await server(t, 'a')
  const seen: (string | undefined)[] = []
  const { proxy, addresses } = await started(t, {
    ...allTo(main, { routes: [] }),
    listeners: [{ address: LISTENER }, { address: LISTENER, transport: 'native' }],
    director: ({ peer }) => {
      seen.push(peer.listener)
      return { backend: 'main' }
    },
  })
  const other = await proxy.listen({ port: 0, host: '127.0.0.1' })
  for (const address of [...addresses, other.address]) await ask(client(t, address))
  t.same(seen, [LISTENER, `${LISTENER} (2)`, undefined])
})

t.test('a change of a listener holds for the calls of its open connections', async t => {
  const main = await server(t, 'a')
  const options = (require?: Gate) => ({
    ...allTo(main),
    listeners: [{ address: LISTENER, ...(require && { require }) }],
  })
  const { proxy, addresses } = await started(t, options())
  const by = client(t, addresses[0]!)
  t.equal(await ask(by), 'a')
  await proxy.apply(options(closed))
  await t.rejects(ask(by), /closed here/)
  await proxy.apply(options())
  t.equal(await ask(by), 'a')
})

t.test('a listener that is taken out keeps its gates: its clients may not have heard of it', async t => {
  const entrance = new Entrance({} as never)
  const listeners = (require?: Gate) => [{ host: '127.0.0.1', port: 1, transport: 'frames', gate: require }] as const
  const to = (setup: object) => entrance.to(() => TARGET, { listeners: [], ...setup } as never)
  const here = call({ peer: { address: 'unix', encrypted: false, listener: '127.0.0.1:1' } })
  t.equal(to({ listeners: listeners() }), undefined, 'nothing is before the director')
  const asked = [{ listeners: listeners(closed) }, { listeners: [] }].map(setup => to(setup)!)
  for (const director of asked) {
    t.throws(() => director(here), { message: 'closed here' })
    t.equal(director(call()), TARGET)
  }
  t.equal(to({ listeners: listeners() }), undefined, 'it came back without a gate')
})

t.test('what is wrong with a list of gates is told', async t => {
  await t.rejects(
    started(t, { ...SILENT, gates: ['a'] as never, backends: { main: { endpoints: ['127.0.0.1:1'] } } }),
    {
      message: /gates\[0\].*a function, which only code can give/,
    },
  )
})

t.test('gates of gates hand on what the proxy has for them', async t => {
  const services = { ask: () => () => {} }
  const seen: unknown[] = []
  const looks: Gate = (next, given) => {
    seen.push(given)
    return next
  }
  allOf([looks, anyOf([looks, allOf([looks])])])(() => undefined, services)
  t.ok(seen.length === 3 && seen.every(given => given === services))
})
