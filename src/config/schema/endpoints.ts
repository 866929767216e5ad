/** Endpoints, in a configuration, in a file of their own, and in code. */
import type { Duplex } from 'node:stream'
import { z } from 'zod'
import { codeOnly, endpointAddress, isFunction, strict } from './fields.ts'

/** As much as an SRV record can say (RFC 2782). Of two endpoints one may have so many times the calls of the other. */
const MAX_WEIGHT = 65_535
/** Likewise. */
const MAX_PRIORITY = 65_535
/** Longer than names of zones and regions are. */
const MAX_LOCALITY = 255

const told = {
  weight: z.number().min(0).max(MAX_WEIGHT).optional().meta({
    description:
      'Its part of the calls beside the other endpoints, whose weight is 1 by default; 0: no new calls, those that it has go on',
  }),
  priority: z.int().min(0).max(MAX_PRIORITY).optional().meta({
    description:
      'Endpoints of priority 0, which is the default, are used first; those of the next number take over as too few of them can be used',
  }),
  locality: z.string().min(1).max(MAX_LOCALITY).optional().meta({
    description: 'Where the endpoint runs: a zone or a region, by any name; see `locality` of the backend',
  }),
}

/** An endpoint is its address; in code also an object, which may bring its own byte stream. */
export const endpoint = z.union([
  endpointAddress,
  strict({
    address: endpointAddress.meta({ description: 'Where the endpoint is, written as without the object' }),
    ...told,
  }),
  strict({
    name: z.string().min(1).meta({ description: 'For logs and messages' }),
    connect: codeOnly<() => Duplex>(isFunction, '() => Duplex', 'a function that returns a Duplex').meta({
      description: 'Makes the byte stream of one new session, at once',
    }),
    ...told,
  }).meta({ 'x-code-only': '{ name, connect: () => Duplex }' }),
])

/** In a configuration, or in a file of its own. */
export const endpointList = z.array(endpoint).min(1)
