/**
 * The methods of fixtures/proto, with codecs for their messages: one table from which the servers
 * and clients of the demo and of the tests take paths, kinds and encodings.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

/** Folder of the .proto files. The same relative path holds in the source tree and in the package. */
export const PROTO_DIR = fileURLToPath(new URL('../../fixtures/proto', import.meta.url))

export const TEST_SERVICE = 'verbatim.testservice.v1.TestService'
export const HEALTH_SERVICE = 'grpc.health.v1.Health'

/** Turns plain objects, with the field names of the .proto file, into message bytes and back. */
export interface Codec {
  /** Unset fields take their defaults. Enums go as names or numbers, bytes as Buffers. */
  encode(message: object): Buffer
  /** All fields are set; enums are names, bytes Buffers. @throws Error for bytes that are not such a message */
  decode(bytes: Uint8Array): object
}

export interface MethodType {
  /** `:path`: `/verbatim.testservice.v1.TestService/Ping`. */
  readonly path: string
  readonly service: string
  readonly name: string
  readonly requestStream: boolean
  readonly replyStream: boolean
  readonly request: Codec
  readonly reply: Codec
}

/** Every method of both services, by path. */
export const METHODS: ReadonlyMap<string, MethodType> = new Map([
  ...load('testservice.proto', TEST_SERVICE),
  ...load('health.proto', HEALTH_SERVICE),
])

/** The method of TestService with this name. @throws RangeError when there is none */
export function testMethod(name: string): MethodType {
  const method = METHODS.get(`/${TEST_SERVICE}/${name}`)
  if (method === undefined) throw new RangeError(`TestService has no method ${name}`)
  return method
}

function load(file: string, service: string): [path: string, method: MethodType][] {
  const source = readFileSync(`${PROTO_DIR}/${file}`, 'utf8')
  const { root } = protobuf.parse(source, { keepCase: true })
  root.resolveAll()
  return root.lookupService(service).methodsArray.map(method => {
    const path = `/${service}/${method.name}`
    return [
      path,
      {
        path,
        service,
        name: method.name,
        requestStream: method.requestStream === true,
        replyStream: method.responseStream === true,
        request: codec(method.resolvedRequestType!),
        reply: codec(method.resolvedResponseType!),
      },
    ]
  })
}

function codec(type: protobuf.Type): Codec {
  return {
    encode(message) {
      const bytes = type.encode(type.fromObject(message)).finish()
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    },
    decode(bytes) {
      // protobufjs makes Buffers of `bytes` fields only when it reads from a Buffer.
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      return type.toObject(type.decode(buffer), {
        defaults: true,
        enums: String,
      })
    },
  }
}
