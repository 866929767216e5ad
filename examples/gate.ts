/**
 * A gate of one's own: a call names its tenant, and each tenant may call so often and not more.
 *
 *     BACKEND=127.0.0.1:50051 node examples/gate.ts
 */
import { createProxy, GrpcError } from 'grpc-verbatim'
import { type Gate, rateLimit } from 'grpc-verbatim/gates'

const { BACKEND = '127.0.0.1:50051', PORT = '8080' } = process.env

const tenants: Gate = next => call => {
  const tenant = call.metadata.get('x-tenant')
  if (tenant === undefined) throw new GrpcError('UNAUTHENTICATED', 'x-tenant is missing')
  call.notes.identity = { name: tenant, by: 'tenants' }
  return next(call)
}

export const proxy = createProxy({
  require: [tenants, rateLimit({ perSecond: 0.1, burst: 3, key: 'identity' })],
  backends: { main: { endpoints: [BACKEND] } },
})
export const { address, port } = await proxy.listen({ host: '127.0.0.1', port: Number(PORT) })
console.log(`The proxy listens on ${address}.`)
