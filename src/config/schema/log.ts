/** What is logged, and how. */
import { z } from 'zod'
import { MAX_BUFFERED_BYTES } from '../../observe/log-destination.ts'
import { bytes, metadataName, section, strict } from './fields.ts'

/** A line with more is no line for people. */
const MAX_NAMES = 20

const access = strict({
  errors: z.boolean().optional().meta({ description: 'Calls that do not end with OK' }),
  slowerThanMs: z.number().min(0).optional().meta({ description: 'Calls that take longer (milliseconds)' }),
  oneIn: z.int().min(1).max(1_000_000).optional().meta({ description: 'One of so many calls, by chance' }),
  everyFailure: z.boolean().optional().meta({
    description: 'Calls that fail alike have a line each, however many: by default 100 at once and one a second have',
  }),
  metadata: z.array(metadataName).max(MAX_NAMES).optional().meta({
    description: 'Names of metadata whose values the record has; of credentials it has the length only',
  }),
})

export const log = section('What is logged on standard output, and how', {
  level: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .meta({ description: 'Least level that is logged' }),
  access: z.union([z.boolean(), access]).default(true).meta({
    description: 'One record for each call, at level info: all, none, or [some](operate.md#which-calls-have-a-line)',
    'x-type': 'boolean, or `{ errors, slowerThanMs, oneIn, everyFailure, metadata }`',
  }),
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
