import t from 'tap'
import type { Director } from '../../src/index.ts'
import { goesOn, refused, requestFields } from '../contract/rig.ts'
import { idle } from '../support/until.ts'
import { rig } from './rig.ts'

const ODD: Readonly<Record<string, () => unknown>> = {
  'a backend without prototype': () => ({ backend: Object.create(null) }),
  'a thenable that throws': () => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested
    then() {
      throw new Error('then')
    },
  }),
  'a getter that throws': () => ({
    get backend() {
      throw new Error('getter')
    },
  }),
}
for (const [what, odd] of Object.entries(ODD)) {
  for (const later of [false, true]) {
    t.test(`a director answers ${later ? 'later ' : ''}with ${what}: INTERNAL`, async t => {
      const director = ((call: { path: string }) => {
        if (call.path === '/after/all') return { backend: 'main' }
        return later ? Promise.resolve().then(odd) : odd()
      }) as Director
      const here = await rig(t, { proxy: { director } })
      await refused(t, here.client, here.client.request(requestFields(), { endStream: true }), 13)
      await idle(here.proxy)
      await goesOn(t, here)
    })
  }
}
