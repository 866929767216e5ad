/** A service that gates ask, played by the test: raw HTTP/2, with messages by protobufjs and not by our own code. */
import protobuf from 'protobufjs'
import type { Test } from 'tap'
import { createProxy, type ProxyOptions } from '../../src/index.ts'
import { RESPONSE, type Rig, TRAILERS } from '../contract/rig.ts'
import { RawClient } from '../support/raw-client.ts'
import { type Incoming, RawServer } from '../support/raw-server.ts'

/** The parts of Envoy's API that are spoken here, with their numbers from envoyproxy/envoy. */
const { root } = protobuf.parse(
  `
syntax = "proto3";
message CheckRequest { AttributeContext attributes = 1; }
message AttributeContext {
  Peer source = 1; Request request = 4; map<string, string> context_extensions = 10;
}
message Peer { Address address = 1; string principal = 4; }
message Address { SocketAddress socket_address = 1; }
message SocketAddress { string address = 2; uint32 port_value = 3; }
message Request { HttpRequest http = 2; }
message HttpRequest {
  string method = 2; map<string, string> headers = 3; string path = 4; string host = 5; string scheme = 6;
  string protocol = 10; string body = 11; bytes raw_body = 12;
}
message CheckResponse {
  Status status = 1; DeniedHttpResponse denied_response = 2; OkHttpResponse ok_response = 3;
  DeniedHttpResponse error_response = 5;
}
message Status { int32 code = 1; string message = 2; }
message DeniedHttpResponse { HttpStatus status = 1; repeated HeaderValueOption headers = 2; string body = 3; }
message HttpStatus { int32 code = 1; }
message OkHttpResponse {
  repeated HeaderValueOption headers = 2; repeated string headers_to_remove = 5;
  repeated HeaderValueOption response_headers_to_add = 6;
}
message HeaderValueOption { HeaderValue header = 1; BoolValue append = 2; uint32 append_action = 3; }
message BoolValue { bool value = 1; }
message HeaderValue { string key = 1; string value = 2; bytes raw_value = 3; }
message RateLimitRequest { string domain = 1; repeated Descriptor descriptors = 2; uint32 hits_addend = 3; }
message Descriptor { repeated Entry entries = 1; }
message Entry { string key = 1; string value = 2; }
message RateLimitResponse {
  int32 overall_code = 1; repeated DescriptorStatus statuses = 2;
  repeated HeaderValue response_headers_to_add = 3; repeated HeaderValue request_headers_to_add = 4;
}
message DescriptorStatus { int32 code = 1; uint32 limit_remaining = 3; Duration duration_until_reset = 4; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
`,
  { keepCase: true },
)

export function encoded(type: string, value: object): Buffer {
  const found = root.lookupType(type)
  return Buffer.from(found.encode(found.fromObject(value)).finish())
}

// biome-ignore lint/suspicious/noExplicitAny: what protobufjs reads has no types
export function decoded(type: string, bytes: Uint8Array): any {
  const found = root.lookupType(type)
  return found.toObject(found.decode(bytes), { defaults: false })
}

export interface AskedRig extends Rig {
  readonly service: RawServer
}

/** A proxy with a backend `main`, and another one, `service`, that its gates may ask. */
export async function askedRig(t: Test, options: Partial<ProxyOptions>): Promise<AskedRig> {
  const [backend, service] = [await RawServer.listen(t), await RawServer.listen(t)]
  const proxy = createProxy({
    log: { level: 'silent' },
    backends: { main: { endpoints: [backend.url] }, service: { endpoints: [service.url] } },
    routes: [{ backend: 'main' }],
    ...options,
  })
  t.teardown(() => proxy.close())
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  return { proxy, port, backend, service, client: await RawClient.connect(t, port) }
}

/** The next question, and its message. */
export async function question(rig: AskedRig): Promise<Incoming & { readonly message: Buffer }> {
  const asked = await rig.service.request()
  const { connection, streamId } = asked
  await connection.ended(streamId)
  return { ...asked, message: Buffer.from(connection.body(streamId).subarray(5)) }
}

export function reply({ connection, streamId }: Incoming, message: Uint8Array): void {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  connection.headers(streamId, RESPONSE)
  connection.data(streamId, Buffer.concat([prefix, message]))
  connection.headers(streamId, TRAILERS, { endStream: true })
}
