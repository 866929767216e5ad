import t from 'tap'
import { proxied } from './proxied.ts'

proxied(t, { downstream: 'frames', upstream: 'frames' })
