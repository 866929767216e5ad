/** Lines that a user can paste to call the demo. */
import { relative } from 'node:path'
import { PROTO_DIR, TEST_SERVICE } from './proto.ts'

/** @param address of the proxy, `127.0.0.1:8080` */
export function usageLines(address: string): string[] {
  const protoDir = shortest(PROTO_DIR)
  return [
    'Call it yourself. With grpcurl:',
    '',
    `  grpcurl -plaintext -import-path ${protoDir} -proto testservice.proto -d '{"value":"hello"}' ${address} ${TEST_SERVICE}/Ping`,
    '',
    'With grpc-js (npm install @grpc/grpc-js @grpc/proto-loader), as call.mjs:',
    '',
    "  import grpc from '@grpc/grpc-js'",
    "  import { loadSync } from '@grpc/proto-loader'",
    `  const { verbatim } = grpc.loadPackageDefinition(loadSync('${protoDir}/testservice.proto'))`,
    `  const client = new verbatim.testservice.v1.TestService('${address}', grpc.credentials.createInsecure())`,
    "  client.Ping({ value: 'hello' }, (error, reply) => console.log(error ?? reply.server))",
    '',
    'Serving until Ctrl-C.',
  ]
}

/** Relative where that is shorter to read: below the working directory. */
function shortest(path: string): string {
  const below = relative(process.cwd(), path)
  return below === '' || below.startsWith('..') ? path : below
}
