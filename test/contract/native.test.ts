import t from 'tap'
import { contract } from './suite.ts'

contract(t, { name: 'native to native', downstream: 'native', upstream: 'native' })
