import t from 'tap'
import { contract } from './suite.ts'

contract(t, { name: 'native to frames', downstream: 'native', upstream: 'frames' })
