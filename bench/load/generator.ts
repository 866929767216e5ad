/** Runs `generate.ts` on the load's core. */
import { fileURLToPath } from 'node:url'
import { Child } from '../measure/child.ts'
import { NODE } from '../subjects/verbatim.ts'
import type { GenerateOptions, GenerateResult } from './generate.ts'

const PROGRAM = fileURLToPath(new URL('generate.ts', import.meta.url))

/** @throws Error when a single call failed */
export async function generate(options: GenerateOptions): Promise<GenerateResult> {
  const child = new Child({ command: NODE, args: [PROGRAM, JSON.stringify(options)], core: 1 })
  return JSON.parse(await child.output(120_000)) as GenerateResult
}
