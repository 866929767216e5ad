/** Which part of the state is asked for, as a query of the admin address says it. */
import type { StateOptions } from '../proxy/state.ts'
import { MOST_ENDPOINTS, MOST_ON_A_PAGE } from '../proxy/state-page.ts'

type PageOption = Exclude<keyof StateOptions, 'backend'>

/** By their names in the query, with the most that each may be. */
const NUMBERS: Readonly<Record<string, readonly [option: PageOption, max: number]>> = {
  first: ['firstEndpoint', Number.MAX_SAFE_INTEGER],
  most: ['mostEndpoints', MOST_ENDPOINTS],
  firstRoute: ['firstRoute', Number.MAX_SAFE_INTEGER],
  mostRoutes: ['mostRoutes', MOST_ON_A_PAGE],
  firstSession: ['firstSession', Number.MAX_SAFE_INTEGER],
  mostSessions: ['mostSessions', MOST_ON_A_PAGE],
  firstCall: ['firstCall', Number.MAX_SAFE_INTEGER],
  mostCalls: ['mostCalls', MOST_ON_A_PAGE],
  mostFailures: ['mostFailures', MOST_ON_A_PAGE],
}

/** @returns a sentence where it asks for what there is not */
export function stateOptions(query: URLSearchParams): StateOptions | string {
  const options: { -readonly [Name in keyof StateOptions]: StateOptions[Name] } = {}
  const backend = query.get('backend')
  if (backend !== null) options.backend = backend
  for (const [name, [option, max]] of Object.entries(NUMBERS)) {
    const given = query.get(name)
    if (given === null) continue
    const number = /^\d+$/.test(given) ? Number(given) : Number.NaN
    if (!(number <= max)) return `${name} is a whole number, at most ${max}`
    options[option] = number
  }
  return options
}
