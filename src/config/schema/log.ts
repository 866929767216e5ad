/** What is logged, and how. */
import { z } from 'zod'
import { MAX_BUFFERED_BYTES } from '../../observe/log-destination.ts'
import { bytes, flag, section } from './fields.ts'

export const log = section('What is logged on standard output, and how', {
  level: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .meta({ description: 'Least level that is logged' }),
  access: flag(true, 'One record for each call, at level info'),
  pretty: z
    .union([z.boolean(), z.literal('auto')])
    .default('auto')
    .meta({ description: 'Lines for people instead of JSON; `auto`: in a terminal' }),
  maxBufferedBytes: bytes(
    MAX_BUFFERED_BYTES,
    'Log lines that wait while standard output takes none; further ones are dropped and counted',
    { min: 65_536 },
  ),
})
