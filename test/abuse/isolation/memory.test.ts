/**
 * The proxy's memory under attack: with a heap much smaller than what clients try to make it keep, the process lives,
 * others are served, and it takes no more than docs/memory-and-fairness.md says.
 */
import t from 'tap'
import { treeUsage } from '../../../bench/measure/process-tree.ts'
import { WHOLE } from '../../support/whole.ts'
import { ATTACKS } from './attacks.ts'
import { Field } from './field.ts'
import { PATIENCE, withstandAll } from './withstood.ts'

const MEBIBYTE = 2 ** 20

/** `heap`: V8's, in MiB. */
const SCENES = [
  { heap: 96, buffered: 32, connections: 3 },
  ...(WHOLE ? [{ heap: 256, buffered: 256, connections: 20 }] : []),
]

/** Node, its code, stacks and what the allocator has not given back. */
const BASE = 150 * MEBIBYTE
/** What each connection may hold that is counted nowhere: its first window, a read, its tables. */
const CONNECTION_BYTES = 65_535 + 65_536
/** The most connections that an attack has for each of ours. */
const CONNECTIONS_FOR_EACH = 100

t.setTimeout(PATIENCE.timeout)

for (const { heap, buffered, connections } of SCENES) {
  t.test(`a heap of ${heap} MiB, and ${buffered} MiB of buffers`, PATIENCE, async t => {
    const flags = [`--max-old-space-size=${heap}`]
    const field = await Field.start({ flags, limits: { maxBufferedBytes: buffered * MEBIBYTE } })
    t.teardown(() => field.end())
    const attacks = ATTACKS.filter(attack => attack.field === 'memory')
    await withstandAll(t, field, attacks, connections)
    if (process.platform !== 'linux') return t.comment('only Linux tells what the process took at most')
    const bound = (heap + buffered) * MEBIBYTE + BASE + connections * CONNECTIONS_FOR_EACH * CONNECTION_BYTES
    const { peakBytes } = treeUsage(field.proxy.pid)
    t.ok(peakBytes <= bound, `${Math.round(peakBytes / MEBIBYTE)} MiB at most, of ${Math.round(bound / MEBIBYTE)}`)
  })
}
