/** What a route changes of metadata. */
import { z } from 'zod'
import { isOfProtocol, wrongChange } from '../../routing/metadata-changes.ts'
import { metadataName, strict } from './fields.ts'

const name = metadataName.superRefine((given, context) => {
  if (isOfProtocol(given))
    context.addIssue({ code: 'custom', message: `${given} belongs to the protocol, a route cannot change it` })
})

const values = z.record(name, z.union([z.string(), z.array(z.string()).min(1)])).superRefine((given, context) => {
  for (const [key, each] of Object.entries(given)) {
    for (const [at, value] of [each].flat().entries()) {
      const message = wrongChange(key, value)
      if (message === undefined) continue
      context.addIssue({ code: 'custom', path: Array.isArray(each) ? [key, at] : [key], message })
    }
  }
})

function changesOf(description: string) {
  return strict({
    set: values.optional().meta({
      description: 'By name: in the place of what came under it; with [variables](edge.md#changes-of-metadata)',
      'x-type': 'map of strings or lists',
    }),
    add: values.optional().meta({
      description: 'By name: behind what came; with [variables](edge.md#changes-of-metadata)',
      'x-type': 'map of strings or lists',
    }),
    remove: z.array(name).min(1).optional().meta({ description: 'Names that do not go on' }),
  })
    .superRefine(({ set = {}, add = {}, remove = [] }, context) => {
      for (const [at, removed] of remove.entries()) {
        const also = removed in set ? 'set' : removed in add ? 'add' : undefined
        if (also === undefined) continue
        context.addIssue({ code: 'custom', path: ['remove', at], message: `stands in ${also} too: one of the two` })
      }
    })
    .optional()
    .meta({ description })
}

export const changes = {
  request: changesOf('[Changes](edge.md#changes-of-metadata) of what the backend gets'),
  response: changesOf('The same of the headers that the client gets, also of answers of the proxy itself'),
  trailers: changesOf('The same of the trailers that the client gets, also where they are its only headers'),
}
