/** A run in files: its record as JSON, the page, and its charts; and the record back from its file. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { figuresOf } from './figures.ts'
import { pageOf } from './page.ts'
import type { RunRecord } from './record.ts'

export interface ReportFiles {
  readonly json?: string
  readonly html?: string
  /** A chart a file, by its id: `cpu-a-call.svg`. It is made where it is not there; files of other names stay. */
  readonly svgFolder?: string
}

/** The format that this version writes and reads. */
const FORMAT = 1

/** @returns the files that were written */
export async function writeReport(run: RunRecord, { json, html, svgFolder }: ReportFiles): Promise<string[]> {
  const written: string[] = []
  const write = (file: string, text: string): void => {
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text)
    written.push(file)
  }
  // First: what was measured is not lost when a chart cannot be drawn.
  if (json !== undefined) write(json, `${JSON.stringify(run, null, 2)}\n`)
  if (html === undefined && svgFolder === undefined) return written
  const figures = await figuresOf(run)
  if (html !== undefined) write(html, pageOf(run, figures))
  if (svgFolder !== undefined) {
    for (const { id, svg } of figures) write(path.join(svgFolder, `${id}.svg`), `${svg}\n`)
  }
  return written
}

const named = z.record(z.string(), z.string())
const METRIC = z.object({
  name: z.string(),
  unit: z.string(),
  digits: z.int().min(0).max(20),
  better: z.enum(['less', 'more']).optional(),
  base: z.string().optional(),
})
const ENTRY = z.object({
  subject: z.string(),
  samples: z.array(z.record(z.string(), z.number())),
  failure: z.string().optional(),
  histogram: z.string().optional(),
})
const SCENARIO = z.object({
  name: z.string(),
  title: z.string(),
  curve: z.object({ name: z.string(), unit: z.string(), at: z.number() }).optional(),
  load: z.enum(['own', 'h2load']).optional(),
  backend: z.enum(['own', 'nghttpd']).optional(),
  metrics: z.array(METRIC),
  entries: z.array(ENTRY),
})
const RUN = z.object({
  format: z.literal(FORMAT),
  date: z.iso.datetime(),
  command: z.string(),
  machine: z.object({
    cpu: z.string(),
    cores: z.int().positive(),
    memoryBytes: z.number().nonnegative(),
    system: z.string(),
    pinned: z.boolean(),
  }),
  versions: named,
  revision: z.string().optional(),
  missing: z.array(z.object({ name: z.string(), install: z.string() })),
  leftOut: z.array(z.object({ what: z.string(), why: z.string() })),
  rounds: z.int().positive(),
  seconds: z.number().positive(),
  base: z.string(),
  subjects: z
    .array(z.object({ name: z.string(), title: z.string(), kind: z.enum(['floor', 'ours', 'peer']) }))
    .optional(),
  scenarios: z.array(SCENARIO),
})

/** What other versions may have added is dropped. @throws Error that says what is wrong with which file */
export function readRun(file: string): RunRecord {
  return parseRun(readFileSync(file, 'utf8'), file)
}

/** @param source for the error's text */
export function parseRun(text: string, source: string): RunRecord {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`${source}: not JSON: ${(error as Error).message}`)
  }
  const format = z.object({ format: z.unknown() }).safeParse(value).data?.format
  if (format !== FORMAT) {
    const what = format === undefined ? 'no record of a run' : `a record of format ${JSON.stringify(format)}`
    throw new Error(
      `${source}: ${what}; this version reads format ${FORMAT}, as \`npm run bench -- --json FILE\` writes`,
    )
  }
  const { data, error } = RUN.safeParse(value)
  if (error !== undefined) {
    const issues = error.issues.map(({ path: keys, message }) => `${keys.join('.') || 'all of it'}: ${message}`)
    throw new Error(`${source}: not a record of a run: ${issues.join('; ')}`)
  }
  return { ...data, revision: data.revision }
}
