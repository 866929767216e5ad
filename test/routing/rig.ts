import type { CallInfo, Target } from '../../src/routing/director.ts'
import { createRouter, type Route } from '../../src/routing/router.ts'
import type { HeaderBlock } from '../../src/transport/transport.ts'

export interface Asked {
  authority?: string
  encrypted?: boolean
  metadata?: readonly (readonly [string, string])[]
}

/** A call as a director sees it. */
export function call(
  path: string,
  { authority = 'api.example.com', encrypted = false, metadata = [] }: Asked = {},
): CallInfo {
  const [, service = '', method = ''] = path.split('/')
  const fields: HeaderBlock = metadata.map(([name, value]) => ({
    name,
    value,
    neverIndexed: false,
  }))
  const all = (name: string) => fields.filter(field => field.name === name).map(field => field.value)
  return {
    path,
    service,
    method,
    authority,
    metadata: {
      fields,
      get: name => all(name)[0],
      getAll: all,
      has: name => all(name).length > 0,
    },
    peer: { address: '127.0.0.1:50000', encrypted },
    notes: {},
    signal: new AbortController().signal,
    onEnd() {},
  }
}

/** The backend that a call is sent to; undefined when no route takes it. */
export function backendOf(routes: readonly Route[], asked: CallInfo): Target['backend'] | undefined {
  return (createRouter(routes)(asked) as Target | undefined)?.backend
}

export const HELLO = '/helloworld.Greeter/SayHello'
