/**
 * The conformance tests of Connect for gRPC-Web and for its own protocol, with the proxy between their client and grpc-go's server:
 * `npm run test:web:conformance [-- --pairs frames-frames]`.
 */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { findOrInstall, main, start } from '../go-program.ts'

const PACKAGE = 'connectrpc.com/conformance/cmd'
const FEATURES = path.join(import.meta.dirname, 'features.yaml')
const SERVER = path.join(import.meta.dirname, 'server.ts')
/** What grpc-go's server fails without a proxy too: it answers UNKNOWN where UNIMPLEMENTED is wanted. */
const KNOWN = [
  '**/unary/multiple-requests',
  '**/unary/no-request',
  '**/server-stream/multiple-requests',
  '**/server-stream/no-request',
  // HTTP 404 is wanted of a method that there is not. The backend knows that, and says UNIMPLEMENTED: 501.
  'Connect Unexpected Requests/**/unexpected-uri',
]
const TIMEOUT_MS = 300_000

const { values } = parseArgs({ options: { pairs: { type: 'string', default: 'frames-frames,native-native' } } })

await main('test:web:conformance', async () => {
  const suite = await findOrInstall({ name: 'connectconformance', package: `${PACKAGE}/connectconformance` })
  const server = await findOrInstall({ name: 'grpcserver', package: `${PACKAGE}/grpcserver` })
  let passed = true
  for (const pair of values.pairs.split(',')) {
    const known = KNOWN.flatMap(pattern => ['--known-failing', pattern])
    const args = [
      '--mode',
      'server',
      '--conf',
      FEATURES,
      '--max-servers',
      '1',
      ...known,
      '--',
      process.execPath,
      SERVER,
      server,
      pair,
    ]
    const { ok, how, output } = await start(suite, args, { env: process.env, timeoutMs: TIMEOUT_MS }).ended
    console.log(`${pair}: ${ok ? output.trim().split('\n').slice(-3).join(' ') : `${how}\n${output}`}`)
    passed &&= ok
  }
  return passed
})
