import t from 'tap'
import { embedding } from './embedded.ts'
import { contract } from './suite.ts'

const NATIVE = { name: 'native to native', downstream: 'native', upstream: 'native' } as const

contract(t, NATIVE)
t.test('embedded in a node:http2 server', async t => embedding(t, NATIVE))
