/** What is logged, and how. */
import { z } from 'zod'
import { wrongField, wrongFormat } from '../../observe/access-format.ts'
import { MAX_BUFFERED_BYTES } from '../../observe/log-destination.ts'
import { bytes, fileMode, flag, integer, metadataName, section, strict } from './fields.ts'

/** A line with more is no line for people. */
const MAX_NAMES = 20
const MOST_FIELDS = 50

/** Some hundred thousand lines: an editor opens it. */
const ROTATE_BYTES = 104_857_600
/** More files than this are an archive, and for other programs. */
const MOST_KEPT = 1_000

const rotate = strict({
  maxBytes: bytes(ROTATE_BYTES, 'Size at which a new file begins', { min: 65_536 }),
  every: z.enum(['hour', 'day']).optional().meta({
    description: 'A new file begins also with each hour or day of the clock, while the proxy runs',
  }),
  keep: integer(7, 'How many old files stay: `proxy.log.1` is the newest of them', { min: 1, max: MOST_KEPT }),
  compress: flag(false, 'Old files are compressed, as `proxy.log.1.gz`'),
})

const logFile = z.union([
  z.string().min(1),
  strict({
    path: z.string().min(1).meta({ description: 'Path of the file; its folder is there already' }),
    mode: fileMode.default('0640').meta({ description: 'Mode of a file that is made, as text' }),
    rotate: rotate.optional().meta({
      description:
        'The proxy rotates the file; not with `workers`. Default: whoever else rotates it [says so by SIGUSR1](operate.md#log-files)',
    }),
  }),
])

const accessField = z.string().superRefine((name, context) => {
  const message = wrongField(name)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

const accessFormat = z.string().superRefine((format, context) => {
  const message = wrongFormat(format)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

const access = strict({
  errors: z.boolean().optional().meta({ description: 'Calls that do not end with OK' }),
  slowerThanMs: z.number().min(0).optional().meta({ description: 'Calls that take longer (milliseconds)' }),
  oneIn: z.int().min(1).max(1_000_000).optional().meta({ description: 'One of so many calls, by chance' }),
  boundFailures: z.boolean().optional().meta({
    description: 'Of calls that fail alike 100 at once and one a second have a line, and the others are counted',
  }),
  file: logFile.optional().meta({
    description: 'The records go to this [file](operate.md#log-files), whatever `level` says',
    'x-type': 'string, or as `log.file`',
  }),
  fields: z.array(accessField).min(1).max(MOST_FIELDS).optional().meta({
    description: 'Which fields the record has, by name, also `metadata:NAME`; default: all but metadata',
  }),
  format: accessFormat.optional().meta({
    description:
      'A line of text instead of JSON, with [fields](operate.md#the-log) in braces: `{time} {path} {grpcStatus}`',
  }),
  metadata: z.array(metadataName).max(MAX_NAMES).optional().meta({
    description: 'Names of metadata whose values the record has; of credentials it has the length only',
  }),
})

export const log = section('What is logged, how, and where', {
  level: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .meta({ description: 'Least level that is logged' }),
  access: z.union([z.boolean(), access]).default(true).meta({
    description: 'One record for each call, at level info: all, none, or [some](operate.md#which-calls-have-a-line)',
    'x-type': 'boolean, or `{ errors, slowerThanMs, oneIn, boundFailures, file, fields, format, metadata }`',
  }),
  pretty: z
    .union([z.boolean(), z.literal('auto')])
    .default('auto')
    .meta({ description: 'Lines for people instead of JSON; `auto`: in a terminal' }),
  file: logFile.optional().meta({
    description: 'The log goes to this [file](operate.md#log-files) instead of standard output',
    'x-type': 'string, or `{ path, mode, rotate: { maxBytes, every, keep, compress } }`',
  }),
  maxBufferedBytes: bytes(
    MAX_BUFFERED_BYTES,
    'Log lines that wait while standard output or a file takes none; further ones are dropped and counted',
    { min: 65_536 },
  ),
})
