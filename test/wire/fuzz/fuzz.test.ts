/** A short part of the long run (run.ts): inputs that are always the same, and others each time. */
import t from 'tap'
import { WHOLE } from '../../support/whole.ts'
import { Fuzzer } from './fuzzer.ts'

const INPUTS = Number(process.env.FUZZ_INPUTS ?? (WHOLE ? 6_000 : 2_500))
/** Of the second part; a failure names `seed:index`, and `npm run fuzz -- --seed SEED --only INDEX` repeats it. */
const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))

for (const seed of [1, SEED]) {
  t.test(`${INPUTS} inputs of seed ${seed}`, async t => {
    const fuzzer = new Fuzzer(seed)
    for (let i = 0; i < INPUTS && fuzzer.failures.length === 0; i++) fuzzer.input(i)
    for (const { where, error, frames } of fuzzer.failures) t.fail(`${where}: ${error.stack}`, { frames })
    t.ok(fuzzer.tokens.size >= 50, `${fuzzer.tokens.size} kinds of rejection`)
    const { connection, reader, decoder } = fuzzer.kinds
    t.ok(Math.min(connection, reader, decoder) > INPUTS / 10, 'connections, readers and decoders had theirs')
    t.ok(fuzzer.finished > INPUTS / 20, `${fuzzer.finished} connections took all of theirs`)
    t.comment(`slowest ${fuzzer.slowestMs.toFixed(1)} ms`)
  })
}
