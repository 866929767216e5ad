import t from 'tap'
import { ends } from './ends.ts'
import { headers } from './headers.ts'
import { malformed } from './malformed.ts'

const p = { name: 'native to native', downstream: 'native', upstream: 'native' } as const
t.test('headers', async t => headers(t, p))
t.test('malformed', async t => malformed(t, p))
t.test('ends', async t => ends(t, p))
