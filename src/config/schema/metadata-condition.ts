/** Conditions on the metadata of a call. */
import { z } from 'zod'
import { metadataName, strict } from './fields.ts'

const list = z.enum(['all', 'any', 'whole']).optional().meta({
  description:
    'How several values count: `all` or `any` of them must match, or `whole`: the name comes once and its value is taken with its commas; default: `all`, in a route with `deny` `any`',
})

const condition = z.union([
  z.string(),
  strict({ present: z.boolean().meta({ description: 'Whether the name must be there, or must not' }) }),
  strict({ prefix: z.string().min(1).meta({ description: 'What the value begins with' }), list }),
  strict({ value: z.string().meta({ description: 'The exact value' }), list }),
])

/** By name. */
export const metadataConditions = z.record(metadataName, condition)
