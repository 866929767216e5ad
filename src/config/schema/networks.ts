/** Networks by address. */
import { z } from 'zod'
import { parseNetwork } from '../../transport/networks.ts'

export const network = z.string().superRefine((text, context) => {
  try {
    parseNetwork(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
  }
})

export const networks = (description: string) => z.array(network).min(1).optional().meta({ description })

/** Networks, or the unix socket on which it listens. */
export const networksOrUnix = z.array(z.union([z.literal('unix'), network])).min(1)
