/**
 * How often a session may do what is of no use to anybody: `burst` at once, `perSecond` for long. More than that ends the
 * session.
 */
import { FLOOD_LIMITS } from '../../wire/allowance.ts'
import { integer, section } from './fields.ts'

function flood(what: string, { burst, perSecond }: { readonly burst: number; readonly perSecond: number }) {
  return section(what, {
    burst: integer(burst, 'How many at once', { min: 1 }),
    perSecond: integer(perSecond, 'How many a second, for long', { min: 1 }),
  })
}

const { maxResets, maxPings, maxSettings, maxPriorities, maxUnknownFrames } = FLOOD_LIMITS
const { maxEmptyData, maxWindowUpdates, maxIgnoredHeaders, maxInformational } = FLOOD_LIMITS

export const floods = section('How often a session may do what is of no use; more ends it', {
  maxResets: flood('Streams that a peer resets, or makes us reset', maxResets),
  maxPings: flood('PING frames; `frames` only', maxPings),
  maxSettings: flood('SETTINGS and GOAWAY frames; `frames` only', maxSettings),
  maxPriorities: flood('PRIORITY frames; `frames` only', maxPriorities),
  maxUnknownFrames: flood('Frames of unknown types; `frames` only', maxUnknownFrames),
  maxEmptyData: flood('DATA frames without content and without END_STREAM; `frames` only', maxEmptyData),
  maxWindowUpdates: flood(
    'WINDOW_UPDATE frames beyond four for each useful frame and one for each two bytes that it returns; `frames` only',
    maxWindowUpdates,
  ),
  maxIgnoredHeaders: flood('HEADERS frames on streams that we reset; `frames` only', maxIgnoredHeaders),
  maxInformational: flood('Responses of 1xx; `frames` only', maxInformational),
})
