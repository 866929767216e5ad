/** Faults that a route makes on purpose. */
import { z } from 'zod'
import { STATUS_NAMES, type StatusName } from '../../grpc/status.ts'
import { strict } from './fields.ts'
import { metadataConditions } from './metadata-condition.ts'

/** Longer than any deadline that somebody would test. */
const MAX_DELAY_MS = 600_000

const FAULTS = STATUS_NAMES.filter(name => name !== 'OK') as Exclude<StatusName, 'OK'>[]

const share = z
  .number()
  .min(0)
  .max(1)
  .meta({ description: 'From 0 to 1: how many of the calls that `metadata` names, at random' })

const metadata = metadataConditions.optional().meta({
  description: 'Conditions as in `match`: only calls that meet all of them are meant',
  'x-type': 'map of conditions',
})

export const faults = strict({
  delay: strict({
    ms: z.int().min(1).max(MAX_DELAY_MS).meta({ description: 'How long the call waits (milliseconds)' }),
    share,
    metadata,
  })
    .optional()
    .meta({ description: 'Calls wait before they go to the backend' }),
  abort: strict({
    status: z.enum(FAULTS).meta({ description: 'What the call ends with', 'x-type': 'status name' }),
    share,
    metadata,
  })
    .optional()
    .meta({ description: 'Calls end with a status and do not go to the backend' }),
}).superRefine(({ delay, abort }, context) => {
  if (delay === undefined && abort === undefined)
    context.addIssue({ code: 'custom', message: 'says nothing: give it delay, abort or both' })
})
