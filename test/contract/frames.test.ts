import t from 'tap'
import { contract } from './suite.ts'

contract(t, { name: 'frames to frames', downstream: 'frames', upstream: 'frames' })
