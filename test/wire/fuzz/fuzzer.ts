/**
 * The fuzzer of the wire layer: input `index` of `seed` is always the same, from the session that it mutates to
 * what the local owners do, so that `seed:index` is all that a report needs.
 *
 * | of 20 inputs | go to |
 * |---|---|
 * | 14 | a whole `Connection`, each role as often (play.ts) |
 * | 3 | the frame reader: whole and in pieces (parts.ts) |
 * | 3 | the HPACK decoder: against another one (parts.ts) |
 */
import type { FrameReaderOptions } from '../../../src/wire/frame-reader-options.ts'
import { LIMITS } from './connection-input.ts'
import { disturb, mutate } from './mutate.ts'
import { type BlockSession, blockSession, decoderInput, playDecoder, playReader } from './parts.ts'
import { Play } from './play.ts'
import { chance, pick, randomOf, seedOf } from './random.ts'
import { CORPUS_SESSIONS, type Corpus, corpusOf, type Side } from './sessions.ts'

/**
 * Milliseconds that one input may take, the longest some 6,000 frames. Most take a tenth of one; what is quadratic
 * in the length of a flood, or hangs, takes more.
 */
export const INPUT_MS = 2_000

export type Kind = 'connection' | 'reader' | 'decoder'

/** One input that broke something: why, and where to look. */
export interface Failure {
  readonly where: string
  readonly error: Error
  /** The frames that are left after those were taken out that make no difference. */
  readonly frames: readonly string[]
}

const READER_LIMITS: readonly Omit<FrameReaderOptions, 'role'>[] = [
  {},
  { maxHeaderBlockBytes: 100, maxContinuations: 2, maxSettingsEntries: 2 },
  { maxFrameSize: 100_000, maxEmptyContinuations: 0 },
]

export class Fuzzer {
  readonly seed: number
  readonly kinds: Record<Kind, number> = { connection: 0, reader: 0, decoder: 0 }
  /** Inputs by each token that they were rejected with. */
  readonly tokens = new Map<string, number>()
  /** Inputs of which something was rejected. */
  rejected = 0
  /** Inputs whose connection took all of it and went on. */
  finished = 0
  slowestMs = 0
  /** What was found. */
  readonly failures: Failure[] = []
  readonly #corpus: Corpus
  readonly #blocks: readonly BlockSession[]

  constructor(seed: number) {
    this.seed = seed
    this.#corpus = corpusOf(randomOf(seed))
    const random = randomOf(seed + 1)
    this.#blocks = Array.from({ length: CORPUS_SESSIONS }, () => blockSession(random))
  }

  /** Runs input `index`. What it finds is in `failures`. */
  input(index: number): void {
    const start = performance.now()
    const [kind, frames, play] = this.#made(index)
    try {
      const tokens = play(frames)
      this.kinds[kind]++
      if (tokens.length > 0) this.rejected++
      for (const token of new Set(tokens)) this.tokens.set(token, (this.tokens.get(token) ?? 0) + 1)
    } catch (error) {
      this.#failed(index, error as Error, frames, play)
    }
    const ms = performance.now() - start
    if (ms > this.slowestMs) this.#slow(index, ms)
  }

  /** A clock that stood still, or a process that was stopped, is slow once; what is slow is slow twice. */
  #slow(index: number, ms: number): void {
    if (ms > INPUT_MS) {
      const [, frames, play] = this.#made(index)
      const start = performance.now()
      attempt(() => play(frames))
      ms = Math.min(ms, performance.now() - start)
      if (ms > INPUT_MS) {
        const error = new Error(`it took ${ms.toFixed()} ms`)
        this.failures.push({ where: `${this.seed}:${index}`, error, frames: [] })
      }
    }
    this.slowestMs = Math.max(this.slowestMs, ms)
  }

  /** Its frames, and what is done with them. */
  #made(index: number): [Kind, Buffer[], (frames: readonly Buffer[]) => readonly string[]] {
    const random = randomOf(seedOf(this.seed, index))
    const dice = random(20)
    const acts = seedOf(this.seed + 7, index)
    if (dice < 3) {
      const input = decoderInput(random, pick(random, this.#blocks))
      return ['decoder', [...input.blocks], blocks => playDecoder({ ...input, blocks })]
    }
    const role: Side = chance(random, 2) ? 'server' : 'client'
    const sessions = this.#corpus[role]
    const { frames: honest, streams } = pick(random, sessions)
    const frames = [...honest]
    const mutations = chance(random, 12) ? 0 : 1 + random(chance(random, 4) ? 8 : 3)
    const gently = chance(random, 3)
    for (let n = mutations; n > 0; n--)
      if (gently) for (let i = 0; i < 3; i++) disturb(frames, random, streams)
      else mutate(frames, random, sessions)
    const pieces = pick(random, PIECES)
    if (dice < 6) {
      const options = { role, ...pick(random, READER_LIMITS) }
      const pushEnabled = chance(random, 2)
      return [
        'reader',
        frames,
        left => playReader({ options, pushEnabled, input: Buffer.concat(left), pieces }, randomOf(acts)),
      ]
    }
    const which = chance(random, 2) ? 0 : random(LIMITS.length)
    const input = { role, limits: LIMITS[which]!, streams, pieces, honest: mutations === 0 && which === 0 }
    const play = (left: readonly Buffer[]) => {
      const play = new Play({ ...input, frames: left }, randomOf(acts))
      const tokens = play.run()
      if (play.finished) this.finished++
      return tokens
    }
    return ['connection', frames, play]
  }

  #failed(index: number, error: Error, frames: Buffer[], play: (frames: readonly Buffer[]) => unknown): void {
    const left = reduced(frames, error.message, play)
    this.failures.push({ where: `${this.seed}:${index}`, error, frames: left.map(bytes => bytes.toString('hex')) })
  }
}

/** Bytes of a piece on average. */
const PIECES = [1, 7, 60, 300, 300, 3_000, 100_000] as const

/** Takes out frames, one after the other, as long as the same happens. */
function reduced(frames: readonly Buffer[], message: string, play: (frames: readonly Buffer[]) => unknown): Buffer[] {
  const left = [...frames]
  // The numbers in a message may change.
  const kind = (text: string | undefined) => text?.replace(/\d+/g, '#').slice(0, 60)
  for (let i = left.length - 1; i >= 0 && left.length < 600; i--) {
    const without = left.toSpliced(i, 1)
    if (kind(attempt(() => play(without))?.message) === kind(message)) left.splice(i, 1)
  }
  return left
}

function attempt(run: () => unknown): Error | undefined {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  return undefined
}
