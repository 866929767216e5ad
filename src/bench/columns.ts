/** Text in columns and lines of some width. */

export const GAP = '  '

/** Each column is as wide as its widest cell. @param isText by column: text begins at its left, numbers end at its right */
export function alignedLines(
  rows: readonly (readonly string[])[],
  isText: (column: number) => boolean = column => column === 0,
): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(cells => cells[column]!.length)))
  return rows.map(cells =>
    cells
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join(GAP)
      .trimEnd(),
  )
}

/** Breaks at spaces. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
