/**
 * Connections without a call: `idle.ts PORT COUNT SETTLE_MS` opens them, each with preface, SETTINGS
 * and the acknowledgement of the server's, waits, prints an IdleReport, and keeps them until it is killed.
 */
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { CLIENT_PREFACE, FrameType, HEAD_BYTES, readFlags, readType, writeHead } from '../../src/wire/frame.ts'

export interface IdleReport {
  readonly open: number
  /** Connections whose server sent its SETTINGS. The others are only TCP. */
  readonly greeted: number
}

/** So many connect at the same time, which is fewer than any server's backlog. */
const AT_ONCE = 100
const SETTINGS = head(0)
const SETTINGS_ACK = head(1)

const [port, count, settleMs] = process.argv.slice(2).map(Number) as [number, number, number]
let open = 0
let greeted = 0
for (let made = 0; made < count; made += AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - made) }, connect))
}
await sleep(settleMs)
console.log(JSON.stringify({ open, greeted } satisfies IdleReport))

/** Resolves when the server has greeted, or closed. */
function connect(): Promise<void> {
  return new Promise(resolve => {
    const socket = net.connect(port, '127.0.0.1', () => {
      open++
      socket.write(Buffer.concat([CLIENT_PREFACE, SETTINGS]))
    })
    let waiting = true
    socket.on('data', chunk => {
      if (!waiting) return
      // A server's first frame is its SETTINGS (RFC 9113 §3.4); it is short, and comes in one piece.
      const bytes = chunk as Buffer
      const isSettings = bytes.length >= HEAD_BYTES && readType(bytes, 0) === FrameType.SETTINGS
      if (!isSettings || readFlags(bytes, 0) !== 0) return
      waiting = false
      greeted++
      socket.write(SETTINGS_ACK)
      resolve()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      open--
      resolve()
    })
  })
}

function head(flags: number): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES)
  writeHead(bytes, 0, 0, FrameType.SETTINGS, flags, 0)
  return bytes
}
