/**
 * Measures what flow control costs a DATA frame: only the arithmetic, without frames. WINDOW_UPDATEs, ours and the
 * peer's, take effect at once, so that no window runs out.
 */
import { CONNECTION_LIMITS } from '../../src/wire/connection-options.ts'
import { ConnectionWindow } from '../../src/wire/connection-window.ts'
import { ReceiveWindow, SendWindow } from '../../src/wire/flow-window.ts'
import { DEFAULT_WINDOW_SIZE } from '../../src/wire/settings.ts'
import { RoundTrips } from '../../src/wire/window-growth.ts'
import type { Case } from './case.ts'

const FRAMES = 8_192
/** The frames of a round trip, where there are round trips. */
const ROUND_FRAMES = 64
const CEILING_BYTES = CONNECTION_LIMITS.maxStreamWindow

/** Payloads of frames, in bytes: some more or less than `size`, so that no compiler finds out what they add up to. */
function around(size: number): Uint16Array {
  return Uint16Array.from({ length: FRAMES }, (_, i) => size + (i % 2 === 0 ? -(i % 8) : (i - 1) % 8))
}

/** Each case yields the bytes that went through its windows, as these count them. */
function windowCase(name: string, sizes: Uint16Array, run: () => number, times = 1): Case {
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  return { name, unit: 'frame', perRun: FRAMES, yields: times * bytes, run }
}

function newConnectionWindow(): ConnectionWindow {
  const window = new ConnectionWindow(CONNECTION_LIMITS.initialConnectionWindow, CONNECTION_LIMITS.maxConnectionWindow)
  window.give(window.unopened)
  return window
}

function giveDue(window: ConnectionWindow): number {
  const increment = window.due(Number.POSITIVE_INFINITY)
  if (increment > 0) window.give(increment)
  return increment
}

/** `consume` a frame; `increase` when half of the window is used, as peers do. */
function sending(label: string, sizes: Uint16Array): Case {
  const window = new SendWindow(1, DEFAULT_WINDOW_SIZE)
  return windowCase(`send window, ${label}`, sizes, () => {
    const before = window.available
    let increased = 0
    for (let i = 0; i < FRAMES; i++) {
      window.consume(sizes[i]!)
      increased += refill(window)
    }
    return before - window.available + increased
  })
}

function refill(window: SendWindow): number {
  const used = DEFAULT_WINDOW_SIZE - window.available
  if (used * 2 < DEFAULT_WINDOW_SIZE) return 0
  window.increase(used)
  return used
}

/** `receive` and `release` a frame. */
function receiving(label: string, sizes: Uint16Array): Case {
  const window = new ReceiveWindow(1, DEFAULT_WINDOW_SIZE)
  return windowCase(`receive window, ${label}`, sizes, () => {
    const before = window.available
    let announced = 0
    for (let i = 0; i < FRAMES; i++) {
      window.receive(sizes[i]!)
      announced += window.release(sizes[i]!, CEILING_BYTES)
    }
    return before - window.available + announced
  })
}

/** The same with a sender that the window holds back, so that it has grown to its ceiling. */
function receivingInRounds(label: string, sizes: Uint16Array): Case {
  const window = new ReceiveWindow(1, DEFAULT_WINDOW_SIZE)
  const rounds = new RoundTrips()
  return windowCase(`receive window, ${label}, in round trips`, sizes, () => {
    const before = window.available
    let announced = 0
    for (let i = 0; i < FRAMES; i++) {
      window.receive(sizes[i]!, rounds)
      rounds.received(sizes[i]!, 0)
      announced += window.release(sizes[i]!, CEILING_BYTES)
      if (i % ROUND_FRAMES === 0) rounds.acknowledged(0)
    }
    return before - window.available + announced
  })
}

/** `receive`, `consume` and the due increment for each frame, in the window of all streams together. */
function receivingForAll(label: string, sizes: Uint16Array): Case {
  const window = newConnectionWindow()
  return windowCase(`connection window, ${label}`, sizes, () => {
    const before = window.available
    let given = 0
    for (let i = 0; i < FRAMES; i++) {
      window.receive(sizes[i]!)
      window.consume(sizes[i]!)
      given += giveDue(window)
    }
    return before - window.available + given
  })
}

/**
 * All windows that a forwarded frame goes through: of stream and connection, where it comes in and where it goes out.
 */
function forwarding(label: string, sizes: Uint16Array): Case {
  const ofStream = new ReceiveWindow(1, DEFAULT_WINDOW_SIZE)
  const ofConnection = newConnectionWindow()
  const toStream = new SendWindow(1, DEFAULT_WINDOW_SIZE)
  const toConnection = new SendWindow(0, DEFAULT_WINDOW_SIZE)
  const available = (): number =>
    ofStream.available + ofConnection.available + toStream.available + toConnection.available
  const run = (): number => {
    const before = available()
    let given = 0
    for (let i = 0; i < FRAMES; i++) {
      const bytes = sizes[i]!
      ofConnection.receive(bytes)
      ofStream.receive(bytes)
      toStream.consume(bytes)
      toConnection.consume(bytes)
      given += ofStream.release(bytes, CEILING_BYTES)
      ofConnection.consume(bytes)
      given += giveDue(ofConnection) + refill(toStream) + refill(toConnection)
    }
    return before - available() + given
  }
  return windowCase(`all four windows, ${label}`, sizes, run, 4)
}

export function cases(): readonly Case[] {
  const small = around(44)
  // At most 16,384.
  const large = around(16_376)
  return [
    sending('frames of 44 B', small),
    sending('frames of 16 KiB', large),
    receiving('frames of 44 B', small),
    receiving('frames of 16 KiB', large),
    receivingInRounds('frames of 16 KiB', large),
    receivingForAll('frames of 44 B', small),
    receivingForAll('frames of 16 KiB', large),
    forwarding('frames of 44 B', small),
    forwarding('frames of 16 KiB', large),
  ]
}
