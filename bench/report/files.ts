/** A run in files: its record as JSON, the page, and its charts. */
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { figuresOf } from './figures.ts'
import { pageOf } from './page.ts'
import type { RunRecord } from './record.ts'

export interface ReportFiles {
  readonly json?: string
  readonly html?: string
  /**
   * The folder gets one file for each chart, named by its id: `cpu-a-call.svg`. It is made if needed; other files stay.
   */
  readonly svgFolder?: string
}

/** @returns the files that were written */
export async function writeReport(run: RunRecord, { json, html, svgFolder }: ReportFiles): Promise<string[]> {
  const written: string[] = []
  const write = (file: string, text: string): void => {
    writeWhole(file, text)
    written.push(file)
  }
  // The record comes first, so that it is not lost when a chart cannot be drawn.
  if (json !== undefined) {
    writeRecord(run, json)
    written.push(json)
  }
  if (html === undefined && svgFolder === undefined) return written
  const figures = await figuresOf(run)
  if (html !== undefined) write(html, pageOf(run, figures))
  if (svgFolder !== undefined) {
    for (const { id, svg } of figures) write(path.join(svgFolder, `${id}.svg`), `${svg}\n`)
  }
  return written
}

/** Writes only the record. It may be written again and again. */
export function writeRecord(run: RunRecord, file: string): void {
  writeWhole(file, `${JSON.stringify(run, null, 2)}\n`)
}

/**
 * Checks this before hours are spent. @throws the system's error for the first that cannot be written; folders are made
 */
export function checkWritable({ json, html, svgFolder }: ReportFiles): void {
  for (const file of [json, html, svgFolder && path.join(svgFolder, 'chart.svg')]) {
    if (file === undefined) continue
    if (isSpecial(file)) {
      writeFileSync(file, '')
      continue
    }
    const probe = besides(file)
    writeFileSync(probe, '')
    rmSync(probe)
  }
}

/**
 * Writes a file in one step: whoever reads it meanwhile, or ends this process, finds the whole old file or the whole
 * new one.
 */
function writeWhole(file: string, text: string): void {
  if (isSpecial(file)) return writeFileSync(file, text)
  const next = besides(file)
  writeFileSync(next, text)
  renameSync(next, file)
}

/**
 * Whether it is `/dev/null`, a pipe or the like, which a file must not replace. (A folder cannot be written anyway.)
 */
function isSpecial(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === false
}

/** A name for this process in the same folder. It makes the folder. */
function besides(file: string): string {
  mkdirSync(path.dirname(file), { recursive: true })
  return `${file}.${process.pid}`
}
