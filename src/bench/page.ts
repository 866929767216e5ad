/** A report as one page. */
import { escapeText, htmlPage, htmlTable } from './html.ts'
import type { Report } from './report.ts'
import { headOf, tableOf } from './table.ts'

/** @param svg what `curves` was drawn to */
export function pageOf(report: Report, svg: string): string {
  const { head, rows, notes } = tableOf(report)
  const [title = '', ...about] = headOf(report)
  // The first column names the row; what comes after the ways is a sentence.
  const line = (cells: readonly string[], rest: 'td' | 'th'): string[] =>
    cells.map((cell, i) => {
      const tag = i === 0 ? 'th' : rest
      return `<${tag}${i > report.ways.length ? ' class="text"' : ''}>${escapeText(cell)}</${tag}>`
    })
  const { cpu, cores, system, node } = report.machine
  return htmlPage(
    `${title}: what a proxy adds`,
    `<h1>${escapeText(title)}</h1>
<p>${about.map(escapeText).join('<br>\n')}</p>
<figure>${svg}</figure>
${htmlTable(
  line(head, 'th'),
  rows.map(cells => `<tr>${line(cells, 'td').join('')}</tr>`),
)}
${notes.map(note => `<p>${escapeText(note)}</p>`).join('\n')}
<p>Repeat it: <code>${escapeText(report.command)}</code></p>
<p><small>${escapeText(`${report.date}; ${cpu}, ${cores} cores, ${system}, Node ${node}`)}</small></p>`,
  )
}
