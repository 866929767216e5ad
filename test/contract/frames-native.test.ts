import t from 'tap'
import { contract } from './suite.ts'

contract(t, { name: 'frames to native', downstream: 'frames', upstream: 'native' })
