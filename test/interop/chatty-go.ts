/**
 * A Go server whose http2 returns windows for each read (golang.org/x/net of January 2022), behind the proxy:
 * `node test/interop/chatty-go.ts`. An upload of 60,000 messages of 100 bytes, which it takes slower than they are
 * sent, arrives whole; so does a call beside it. The quick test of the same is in test/abuse/honest.test.ts.
 */
import { connect } from 'node:http2'
import path from 'node:path'
import { createProxy } from '../../src/index.ts'
import { arrival } from '../support/arrival.ts'
import { main, scratchFolder, start } from './go-program.ts'

const MESSAGES = 60_000
const BODY_BYTES = 100
const BUILD_TIMEOUT_MS = 300_000
const HEADERS = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }

function messages(count: number): Buffer {
  const one = Buffer.alloc(5 + BODY_BYTES, 'm')
  one.writeUIntBE(BODY_BYTES, 0, 5)
  return Buffer.concat(new Array<Buffer>(count).fill(one))
}

/** @returns how many messages the server says that it got */
async function upload(port: number, count: number): Promise<string> {
  const session = connect(`http://127.0.0.1:${port}`)
  try {
    const stream = session.request({ ...HEADERS, ':path': '/chatty.Go/Upload' })
    stream.end(messages(count))
    stream.resume()
    const [trailers] = await arrival(stream, 'trailers')
    return `${trailers['grpc-status']} ${trailers['grpc-message']}`
  } finally {
    session.destroy()
  }
}

async function run(): Promise<boolean> {
  const file = path.join(scratchFolder(), 'chatty')
  const cwd = path.join(import.meta.dirname, 'chatty-go')
  const built = await start('go', ['build', '-C', cwd, '-o', file, '.'], {
    env: process.env,
    timeoutMs: BUILD_TIMEOUT_MS,
  }).ended
  if (!built.ok) {
    console.log(`SKIPPED: chatty-go, because go build ${built.how}:\n${built.output}`)
    return true
  }
  const [, port] = await start(file, ['-pause', '1ms']).line(/listening on (\d+)/)
  let passed = true
  for (const upstream of ['frames', 'native'] as const) {
    const main = { endpoints: [`http://127.0.0.1:${port}`], transport: upstream, sessions: { max: 1 } }
    const proxy = createProxy({ log: { level: 'silent' }, backends: { main } })
    const listener = await proxy.listen({ host: '127.0.0.1', port: 0 })
    const ends = await Promise.all([upload(listener.port, MESSAGES), upload(listener.port, 10)].map(settled))
    const violations = JSON.stringify(proxy.violations())
    const ok = ends[0] === `0 ${MESSAGES}` && ends[1] === '0 10' && violations === '{}'
    console.log(`${ok ? 'ok' : 'FAILED'}  frames to ${upstream}: ${ends.join(', ')}; violations ${violations}`)
    passed &&= ok
    await proxy.close()
  }
  return passed
}

const settled = (end: Promise<string>): Promise<string> => end.catch((error: Error) => error.message)

await main('chatty-go', run)
