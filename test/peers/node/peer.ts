/**
 * An echo server and a client on grpc-js, without protobuf: a message is whatever bytes came.
 *
 *     peer.ts serve
 *     peer.ts call ADDR   one call for each line of standard input, `ID PATH`; tells `ID CODE MESSAGE`
 */
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import {
  Client,
  credentials,
  type handleBidiStreamingCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceError,
} from '@grpc/grpc-js'

const CALL_TIMEOUT_MS = 60_000
const SLOW_MS = 20
const VERSION = `grpc-js ${createRequire(import.meta.url)('@grpc/grpc-js/package.json').version}, Node ${process.version}`

/** Hands messages on as they are. */
const same = (message: Buffer): Buffer => message

/** Answers each message with itself. Not by asynchronous iteration: its end destroys the stream's other half. */
function echo(delayMs: number): handleBidiStreamingCall<Buffer, Buffer> {
  return (call: ServerDuplexStream<Buffer, Buffer>) => {
    let last: Promise<unknown> = Promise.resolve()
    call.on('error', () => {})
    call.on('data', (message: Buffer) => {
      last = last.then(async () => {
        if (delayMs > 0) await setTimeout(delayMs)
        call.write(message)
      })
    })
    call.on('end', () => {
      last.then(() => call.end())
    })
  }
}

function serve(): void {
  const server = new Server()
  server.register('/peers.Echo/Echo', echo(0), same, same, 'bidi')
  server.register('/peers.Echo/Slow', echo(SLOW_MS), same, same, 'bidi')
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error
    console.log(`listening on 127.0.0.1:${port}, ${VERSION}`)
  })
}

function call(address: string): void {
  const client = new Client(address, credentials.createInsecure())
  console.log(`calling ${address}, ${VERSION}`)
  createInterface({ input: process.stdin }).on('line', line => {
    const [id, path] = line.split(' ') as [string, string]
    const tell = (error: ServiceError | null): void => {
      console.log(`${id} ${error?.code ?? 0} ${JSON.stringify((error?.details ?? '').slice(0, 200))}`)
    }
    const deadline = Date.now() + CALL_TIMEOUT_MS
    client.makeUnaryRequest(path, same, same, Buffer.from('question'), new Metadata(), { deadline }, tell)
  })
}

const [mode, address] = process.argv.slice(2)
if (mode === 'serve') serve()
else if (mode === 'call' && address !== undefined) call(address)
else throw new Error('usage: peer.ts serve | call ADDRESS')
