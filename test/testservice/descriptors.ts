/** grpc-js service definitions of fixtures/proto, made of the table in src/demo/proto.ts. */
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { HEALTH_SERVICE, METHODS, type MethodType, TEST_SERVICE } from '../../src/demo/proto.ts'

export type AnyMethod = MethodDefinition<object, object>

export const testServiceDefinition = definitionOf(TEST_SERVICE)
export const healthDefinition = definitionOf(HEALTH_SERVICE)

function definitionOf(service: string): ServiceDefinition {
  const methods = [...METHODS.values()].filter(method => method.service === service)
  return Object.fromEntries(methods.map(method => [method.name, methodOf(method)]))
}

/** For clients that call a method without a stub. */
export function methodOf(method: MethodType): AnyMethod {
  return {
    path: method.path,
    requestStream: method.requestStream,
    responseStream: method.replyStream,
    requestSerialize: method.request.encode,
    requestDeserialize: method.request.decode,
    responseSerialize: method.reply.encode,
    responseDeserialize: method.reply.decode,
  }
}
