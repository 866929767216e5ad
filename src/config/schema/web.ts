/** gRPC-Web on a listener. */
import { z } from 'zod'
import { flag, milliseconds, strict } from './fields.ts'

/** As browsers write it in `origin`: no path, no default port, lower case. */
const ORIGIN =
  /^(?:\*|[a-z][a-z0-9+.-]*:\/\/(?:\*\.)?(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(?::(?:\d{1,5}|\*))?)$/

const OWN_PORT = /^https:\/\/.*:443$|^http:\/\/.*:80$/

const origin = z.string().superRefine((text, context) => {
  if (ORIGIN.test(text) && !OWN_PORT.test(text)) return
  context.addIssue({ code: 'custom', message: `${JSON.stringify(text)} ${wrongOrigin(text)}` })
})

function wrongOrigin(text: string): string {
  if (/^[^/]*:\/\/[^/]*\/$/.test(text)) return 'ends with a slash; browsers send an origin without one'
  if (/[A-Z]/.test(text)) return 'has capital letters; browsers send an origin in lower case'
  if (OWN_PORT.test(text)) return "names its scheme's own port, which browsers leave out"
  return 'is not an origin: write https://app.example.com, https://*.example.com, http://localhost:* or "*"'
}

export const webSettings = strict({
  origins: z
    .array(origin)
    .default([])
    .meta({
      description:
        'Origins whose pages may call: exact, `https://*.example.com` for all below a domain, `http://localhost:*` for ' +
        'any port, or `"*"` for all; pages of the same origin may always',
    }),
  credentials: flag(false, 'Those pages may send cookies'),
  maxAgeMs: milliseconds(
    7_200_000,
    'Browsers need not ask again for this time; some of them remember for two hours at most',
  ),
  static: z.string().min(1).optional().meta({
    description:
      'A folder whose [files](edge.md#files) are given out at the same address by GET and HEAD, to everybody; relative to the configuration file',
  }),
}).superRefine(({ origins, credentials }, context) => {
  if (!credentials || !origins.includes('*')) return
  const message = 'cannot be with the origin "*": any page could call as the user that its visitor is. Name the origins'
  context.addIssue({ code: 'custom', path: ['credentials'], message })
})

export const web = z
  .union([z.boolean(), webSettings])
  .optional()
  .meta({
    description:
      'Take gRPC-Web too, over HTTP/2 and HTTP/1.1: `true` for pages of the same origin, or which [others](edge.md#browsers) ' +
      'may call; default: false',
    'x-type': 'boolean, or `{ origins, credentials, maxAgeMs, static }`',
  })
