/** An id for each request, by which the lines of all programs that it goes through are found. */
import { flag, metadataName, strict } from './fields.ts'

/** Fields that say something else, and text that is not base64 (`-bin`). */
const OF_OTHERS =
  /^(?:grpc-|x-grpc-verbatim-|x-b3-|x-forwarded-)|^(?:host|te|content-(?:type|length|encoding)|connection|keep-alive|proxy-connection|transfer-encoding|upgrade|trailer|user-agent|authorization|cookie|set-cookie|traceparent|tracestate|b3|forwarded|via)$|-bin$/

const header = metadataName
  .refine(name => !OF_OTHERS.test(name), { error: 'this field means something else: choose another, as x-request-id' })
  .default('x-request-id')
  .meta({ description: 'The field that has the id, in requests to backends' })

export const requestId = strict({
  header,
  trust: flag(
    false,
    'Take what a client sends, where it is one text of at most 128 visible ASCII characters without a comma; else it is replaced, as all are without this',
  ),
  respond: flag(false, 'Tell the client too, in the headers of the response'),
})
  .optional()
  .meta({
    description:
      'Gives each request an [id](operate.md#request-ids): for the backend, the log and the latest failures; default: none, and what clients send goes on as it came',
  })
