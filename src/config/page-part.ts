/** A part of a document that is made from the code, between two marks: the tables of `docs/`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

export interface Marks {
  readonly begin: string
  readonly end: string
}

/** One row of a Markdown table. */
export function tableRow(cells: readonly string[]): string {
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

/**
 * The page with this text between its marks.
 * @returns undefined when it has no marks
 */
export function withPart(page: string, marks: Marks, text: string): string | undefined {
  const begin = page.indexOf(marks.begin)
  const end = page.indexOf(marks.end, begin)
  if (begin === -1 || end === -1) return undefined
  return `${page.slice(0, begin + marks.begin.length)}${text}${page.slice(end)}`
}

/**
 * The command `node FILE --page PAGE`, where the file is started by itself: writes the part of the page again.
 * @param module `import.meta.url` of the file
 * @param usual what to write as FILE and PAGE
 * @param updated undefined where the page has no marks
 */
export async function pageCommand(
  module: string,
  usual: string,
  marks: Marks,
  updated: (page: string) => string | undefined | Promise<string | undefined>,
): Promise<void> {
  const [, started, option, file] = process.argv
  if (started === undefined || module !== pathToFileURL(started).href) return
  if (option !== '--page' || file === undefined) {
    console.error(`usage: node ${usual}`)
    process.exitCode = 2
    return
  }
  const page = await updated(readFileSync(file, 'utf8'))
  if (page === undefined) {
    console.error(`${file} has no ${marks.begin} … ${marks.end}`)
    process.exitCode = 1
    return
  }
  writeFileSync(file, page)
}
