/** Shows a course in a terminal, and keeps what was measured so far. */
import { writeRecord } from '../report/files.ts'
import type { Progress } from '../report/progress.ts'
import { tableOf } from '../report/table.ts'
import type { Audience } from './course.ts'

/** @param json the file that gets the record after each scenario, if any */
export function audienceOf(progress: Progress, base: string, json: string | undefined): Audience {
  return {
    step: text => progress.step(text),
    scenario(record, soFar) {
      progress.print(`\n${tableOf(record, base)}`)
      if (json !== undefined) writeRecord(soFar, json)
    },
  }
}
