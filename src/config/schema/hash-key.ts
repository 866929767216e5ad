/** What of a call keeps it together with others that have the same. */
import { z } from 'zod'
import type { HashKey } from '../../routing/hash-key.ts'
import { codeOnly, isFunction, metadataName, strict } from './fields.ts'

/** @param description what it decides */
export function hashKey(description: string) {
  return z
    .union([
      z.enum(['client-address', 'authority', 'method']),
      strict({
        metadata: metadataName.meta({ description: 'Name of the metadata; several values are one, joined by commas' }),
      }),
      codeOnly<Extract<HashKey, (...call: never) => unknown>>(
        isFunction,
        '(call: CallInfo) => string | undefined',
        'a function from a call to its key',
      ),
    ])
    .meta({
      description: `${description}. In code also a function of the call`,
      'x-type': '`client-address`, `authority`, `method`, or `{ metadata }`',
    })
}
