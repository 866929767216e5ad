/** How many processes the proxy is. */
import { z } from 'zod'

/** More processes than any machine has cores for would only take memory: a larger number is a mistake. */
const MOST_WORKERS = 256

export const workers = z
  .union([z.int().min(1).max(MOST_WORKERS), z.literal('auto')])
  .optional()
  .meta({
    description:
      'So many [processes](operate.md#scale-it) serve, and one that starts them listens; `auto`: as many as there are cores; default: one process that does both. For `serve` only',
    'x-type': 'integer or `auto`',
  })
