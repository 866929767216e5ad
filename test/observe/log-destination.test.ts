import t from 'tap'
import { LogDestination } from '../../src/observe/log-destination.ts'
import type { LogSink, WriteDone } from '../../src/observe/log-sink.ts'
import { FakeClock } from '../support/fake-clock.ts'

const BLOCK_BYTES = 4_096

/** The other end of a log, as a test wants it to be. */
class FakeSink implements LogSink {
  maxPieces = 1
  /** What it took. */
  text = ''
  /** Sizes of the writes. */
  readonly writes: number[] = []
  /** How it answers; a number: so many bytes are taken at most. */
  mood: 'takes' | 'later' | 'full' | 'broken' | number = 'takes'
  /** Of a write that is answered later. */
  pending: { readonly pieces: readonly Buffer[]; readonly done: WriteDone } | undefined

  write(pieces: readonly Buffer[], done: WriteDone): void {
    if (this.mood === 'later') {
      if (this.pending !== undefined) throw new Error('two writes at a time')
      this.pending = { pieces, done }
      return
    }
    let taken = 0
    let error: NodeJS.ErrnoException | null = null
    try {
      for (const piece of pieces) {
        const part = this.writeSync(piece)
        taken += part
        if (part < piece.length) break
      }
    } catch (thrown) {
      error = thrown as NodeJS.ErrnoException
    }
    done(error, taken)
  }

  /** The write that is pending is answered. */
  answer(error: NodeJS.ErrnoException | null = null): void {
    const { pieces, done } = this.pending!
    this.pending = undefined
    if (error !== null) return done(error, 0)
    for (const piece of pieces) this.text += piece.toString()
    done(null, Buffer.concat(pieces).length)
  }

  writeSync(piece: Buffer): number {
    this.writes.push(piece.length)
    if (this.mood === 'full') throw systemError('EAGAIN')
    if (this.mood === 'broken') throw systemError('ENOSPC')
    const part = typeof this.mood === 'number' ? piece.subarray(0, this.mood) : piece
    this.text += part.toString()
    return part.length
  }
}

function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: so it is, write`), { code })
}

class Rig {
  readonly sink = new FakeSink()
  readonly clock = new FakeClock()
  readonly troubles: (string | undefined)[] = []
  readonly gaps: number[] = []
  opened = 0
  readonly log: LogDestination
  #next = 0

  constructor(maxBufferedBytes = 16 * BLOCK_BYTES) {
    const open = () => {
      this.opened++
      return this.sink
    }
    const owner = {
      onTrouble: (error?: Error) => void this.troubles.push(error?.message),
      onResumed: (dropped: number) => {
        this.gaps.push(dropped)
        this.log.write(`gap ${dropped}\n`)
        return true
      },
    }
    this.log = new LogDestination(open, this.clock, owner, maxBufferedBytes)
  }

  /** Lines of 256 bytes, numbered. */
  lines(count: number): void {
    for (let i = 0; i < count; i++) this.log.write(`${String(this.#next++).padEnd(255, '.')}\n`)
  }

  /** The numbers of the lines that came out, or their text. */
  get out(): (number | string)[] {
    const lines = this.sink.text.split('\n').slice(0, -1)
    return lines.map(line => (/^\d/.test(line) ? Number.parseInt(line, 10) : line))
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

t.test('lines are written in blocks of 4 KiB, and never cut between two', async t => {
  const rig = new Rig()
  rig.lines(40)
  t.same(rig.sink.writes, [15 * 256, 15 * 256], 'a block has no room for a sixteenth and a character more')
  rig.clock.advance(1_000)
  t.same(rig.out, numbers(0, 40))
})

t.test('a line waits no longer than a second; an idle log has no timer and no open descriptor', async t => {
  const rig = new Rig()
  t.same([rig.clock.pending, rig.opened], [0, 0])
  rig.lines(1)
  rig.clock.advance(999)
  t.same(rig.out, [])
  rig.clock.advance(1)
  t.same(rig.out, [0])
  t.equal(rig.clock.pending, 0)
})

t.test('flush: at once; its caller hears when all is written', async t => {
  const rig = new Rig()
  const heard: unknown[] = []
  rig.lines(3)
  rig.log.flush(error => heard.push(error))
  t.same([rig.out, heard], [[0, 1, 2], [undefined]])
  rig.sink.mood = 'later'
  rig.lines(1)
  rig.log.flush(error => heard.push(error))
  t.equal(heard.length, 1)
  rig.sink.answer()
  t.same(heard, [undefined, undefined])
})

t.test('flush hears the error because of which nothing is written', async t => {
  const rig = new Rig()
  rig.sink.mood = 'broken'
  const heard: unknown[] = []
  rig.lines(1)
  rig.log.flush(error => heard.push(error?.message))
  rig.log.flush(error => heard.push(error?.message))
  t.same(heard, ['ENOSPC: so it is, write', 'ENOSPC: so it is, write'])
})

t.test('one write at a time; what comes meanwhile follows in its order', async t => {
  const rig = new Rig()
  rig.sink.mood = 'later'
  rig.sink.maxPieces = 4
  rig.lines(100)
  t.equal(rig.sink.pending!.pieces.length, 1)
  rig.sink.answer()
  t.equal(rig.sink.pending!.pieces.length, 4, 'as many as it takes')
  rig.log.flush()
  while (rig.sink.pending !== undefined) rig.sink.answer()
  t.same(rig.out, numbers(0, 100))
})

t.test('a part of a block was taken: the rest follows, and no line is cut or doubled', async t => {
  for (const maxPieces of [1, 4]) {
    for (const most of [1, 255, 1_000, 4_095]) {
      const rig = new Rig()
      rig.sink.maxPieces = maxPieces
      rig.sink.mood = 'full'
      rig.lines(40)
      rig.sink.mood = most
      rig.log.flush()
      rig.clock.advance(100)
      t.same(rig.out, numbers(0, 40), `${maxPieces} pieces, ${most} bytes`)
    }
  }
})

t.test('nobody reads: memory has a bound, newer lines are dropped and counted, and it is said once', async t => {
  const rig = new Rig()
  rig.sink.mood = 'full'
  rig.lines(10_000)
  t.same(rig.troubles, [undefined])
  t.equal(rig.log.droppedLines, 10_000 - 16 * 15)
  rig.lines(1_000)
  t.equal(rig.troubles.length, 1)

  t.comment('it is read again: the gap is where the lines are missing')
  rig.sink.mood = 'takes'
  rig.clock.advance(100)
  const first = 16 * 15
  t.same(rig.out, numbers(0, first))
  rig.lines(2)
  rig.log.flush()
  t.same(rig.out, [...numbers(0, first), `gap ${11_000 - first}`, 11_000, 11_001])
  t.equal(rig.log.droppedLines, 11_000 - first)
  t.equal(rig.log.finish(), 0, 'the log has told it')
})

t.test(
  'a reader that takes a little now and then: a gap is told for each half of the buffer, not for each block',
  async t => {
    const rig = new Rig()
    rig.sink.mood = 'full'
    rig.lines(300)
    for (let i = 0; i < 64; i++) {
      rig.sink.mood = 'takes'
      const { length } = rig.sink.text
      rig.sink.write = (pieces, done) => {
        const full = rig.sink.text.length > length
        if (full) return done(systemError('EAGAIN'), 0)
        rig.sink.text += pieces[0]!.toString()
        done(null, pieces[0]!.length)
      }
      rig.clock.advance(100)
      rig.lines(30)
    }
    t.ok(rig.gaps.length >= 2 && rig.gaps.length <= 8, `${rig.gaps.length} gaps`)
    t.equal(rig.troubles.length, 1)
  },
)

t.test('while nobody reads it looks again ten times a second, not more', async t => {
  const rig = new Rig()
  rig.sink.mood = 'full'
  rig.lines(1_000)
  rig.clock.advance(1_000)
  const { length } = rig.sink.writes
  rig.clock.advance(60_000)
  t.ok(rig.sink.writes.length - length <= 600, `${rig.sink.writes.length - length} writes in a minute`)
})

t.test('few lines while nobody reads: they share a block, however many seconds pass', async t => {
  const rig = new Rig()
  rig.sink.mood = 'full'
  for (let second = 0; second < 200; second++) {
    rig.lines(1)
    rig.clock.advance(1_000)
  }
  t.equal(rig.log.droppedLines, 0)
  rig.sink.mood = 'takes'
  rig.clock.advance(2_000)
  t.same(rig.out, numbers(0, 200))
})

t.test('a full disk: said at once, kept and tried again, written once there is room', async t => {
  const rig = new Rig()
  rig.sink.mood = 'broken'
  rig.lines(1)
  rig.clock.advance(1_000)
  t.same(rig.troubles, ['ENOSPC: so it is, write'])
  rig.lines(30)
  rig.clock.advance(3_600_000)
  t.ok(rig.sink.writes.length < 800, `${rig.sink.writes.length} tries in an hour`)
  rig.sink.mood = 'takes'
  rig.clock.advance(6_000)
  t.same(rig.out, numbers(0, 31))
  t.equal(rig.log.droppedLines, 0)
  t.equal(rig.troubles.length, 1)
})

t.test('a sink that takes nothing and says nothing is one that is full', async t => {
  const rig = new Rig()
  rig.sink.mood = 0
  rig.lines(20)
  rig.log.flush()
  rig.log.flushSync()
  t.same(rig.out, [])
  rig.sink.mood = 'takes'
  rig.clock.advance(100)
  t.same(rig.out, numbers(0, 20))
})

t.test('at the end one try is made, whatever comes of it; what is lost is counted', async t => {
  for (const mood of ['full', 'broken', 0] as const) {
    const rig = new Rig()
    rig.sink.mood = mood
    rig.lines(20)
    t.equal(rig.log.finish(), 20, String(mood))
    t.equal(rig.log.droppedLines, 20)
  }
  const rig = new Rig()
  rig.lines(20)
  t.equal(rig.log.finish(), 0)
  t.same(rig.out, numbers(0, 20))
})

t.test('at the end what a thread is writing is not written twice', async t => {
  const rig = new Rig()
  rig.sink.mood = 'later'
  rig.lines(20)
  rig.sink.mood = 'takes'
  t.equal(rig.log.finish(), 0)
  t.same(rig.out, numbers(15, 20))
  rig.sink.answer()
  t.same(rig.out, [...numbers(15, 20), ...numbers(0, 15)])
})

t.test('at the end what a thread tries again in vain counts as lost', async t => {
  const rig = new Rig()
  rig.sink.mood = 'later'
  rig.lines(20)
  rig.sink.answer(systemError('ENOSPC'))
  rig.clock.advance(5_000)
  t.ok(rig.sink.pending)
  rig.sink.mood = 'broken'
  t.equal(rig.log.finish(), 20)
})

t.test('a line that is longer than a block, and one that is longer than all of the buffer', async t => {
  const rig = new Rig()
  const long = `${'l'.repeat(10_000)}\n`
  rig.lines(1)
  rig.log.write(long)
  rig.log.write(`${'x'.repeat(1_000_000)}\n`)
  rig.lines(1)
  rig.log.flush()
  t.same(rig.out, [0, long.trimEnd(), 'gap 1', 1])
})

t.test('control characters beyond those of ASCII, DEL and turns of direction reach no terminal', async t => {
  const rig = new Rig()
  const raw = Array.from({ length: 0x21 }, (_, i) => String.fromCharCode(0x7f + i)).join('')
  rig.log.write(`{"a":"${raw}"}\n`)
  rig.log.write('{"a":"\x7f"}\n')
  rig.log.write('{"a":"\u202egpj.exe\u2066\u2028"}\n')
  rig.log.flush()
  const lines = rig.sink.text.split('\n')
  t.notMatch(rig.sink.text, /[\x7f-\x9f\u2028\u202e\u2066]/)
  t.same(
    lines.slice(0, 3).map(line => JSON.parse(line).a),
    [raw, '\x7f', '\u202egpj.exe\u2066\u2028'],
  )
  t.match(lines[1], '\\u007f')
})

t.test('text of all lengths and scripts comes out as it went in, at every place in a block', async t => {
  for (const unit of ['a', 'ü', '日', '🦊']) {
    const rig = new Rig(1_048_576)
    const lines = Array.from({ length: 400 }, (_, i) => unit.repeat(i % 97))
    for (const line of lines) rig.log.write(`${line}\n`)
    rig.log.flush()
    t.equal(rig.sink.text, lines.map(line => `${line}\n`).join(''), unit)
  }
})
