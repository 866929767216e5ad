/**
 * A director decides where each call goes.
 *
 * This one refuses calls without a token, finds out whose token it is, and sends each tenant to its own servers. The
 * backend is told who it was.
 *
 *     ACME=127.0.0.1:50051 UMBRELLA=127.0.0.1:50052 node examples/director.ts
 */
import { setTimeout as pause } from 'node:timers/promises'
import { createProxy, type Director, GrpcError } from 'grpc-verbatim'

const { ACME = '127.0.0.1:50051', UMBRELLA = '127.0.0.1:50052', PORT = '8080' } = process.env

/** Stands for a question to your own account service. Its answer takes a moment, so a call waits for it. */
async function tenantOf(token: string, signal: AbortSignal): Promise<'acme' | 'umbrella' | undefined> {
  // The signal aborts when the client has gone meanwhile: then nobody needs the answer any more.
  await pause(1, undefined, { signal })
  if (token.startsWith('Bearer acme-')) return 'acme'
  return token.startsWith('Bearer umbrella-') ? 'umbrella' : undefined
}

const director: Director = async call => {
  const token = call.metadata.get('authorization')
  // A GrpcError is the client's answer. Anything else that is thrown becomes INTERNAL, and is logged.
  if (token === undefined) throw new GrpcError('UNAUTHENTICATED', 'a token is needed')
  const tenant = await tenantOf(token, call.signal)
  if (tenant === undefined) throw new GrpcError('PERMISSION_DENIED', 'this token is not known')
  // The name replaces one that the client sent, so the backend can trust it.
  return { backend: tenant, metadata: { 'x-tenant': tenant } }
}

export const proxy = createProxy({
  backends: { acme: { endpoints: [ACME] }, umbrella: { endpoints: [UMBRELLA] } },
  director,
})
export const { address, port } = await proxy.listen({ host: '127.0.0.1', port: Number(PORT) })
console.log(`The proxy listens on ${address}.`)
