import t from 'tap'
import { proxied } from './proxied.ts'

proxied(t, { downstream: 'native', upstream: 'frames' })
