/**
 * The suite's own load as a process: `generate.ts '{"port":…}'` (LoadOptions) prints a LoadReport. It ends with 1 and
 * a reason on stderr when a single call failed, because a proxy that drops calls is not fast.
 */
import { load } from './load.ts'
import type { LoadOptions } from './shape.ts'

const [text] = process.argv.slice(2)
if (text === undefined) {
  console.error(`usage: generate.ts '{"port":…,"connections":…,"shape":{…},"mode":{…}}' (LoadOptions, see shape.ts)`)
  process.exit(2)
}
try {
  console.log(JSON.stringify(await load(JSON.parse(text) as LoadOptions)))
  process.exit(0)
} catch (error) {
  console.error(`the load failed: ${(error as Error).message}`)
  process.exit(1)
}
