/** The address for operators. */
import { z } from 'zod'
import { listenAddress, pem, strict } from './fields.ts'

/** What a person can guess is none. */
const MIN_TOKEN_CHARACTERS = 16

const adminTls = strict({
  cert: pem.meta({ description: 'Certificate chain, PEM: a path, or the text itself' }),
  key: pem.meta({ description: 'Its private key, PEM: a path, or the text itself' }),
})

export const tokenText = z
  .string()
  .min(MIN_TOKEN_CHARACTERS)
  .regex(/^[!-~]+$/, { error: 'has only visible ASCII characters, without spaces' })

const token = z.union([
  tokenText,
  strict({ file: z.string().min(1).meta({ description: 'Path of the file that holds the token' }) }),
])

export const admin = strict({
  address: listenAddress.meta({ description: '`127.0.0.1:9901`, `"[::1]:9901"`, `unix:/path` or `fd:name`' }),
  tls: adminTls.optional().meta({ description: 'Serve HTTPS instead of HTTP' }),
  token: token.optional().meta({
    description:
      'Needed as `authorization: Bearer …`: the text, or `{ file }`; without one, other machines get only `/live`, `/ready` and `/metrics`',
    'x-type': 'string, or `{ file }`',
  }),
})
  .optional()
  .meta({
    description:
      'An [address for operators](operate.md#the-admin-address): metrics, state, health, actions; default: none',
  })
