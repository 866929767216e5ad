/** What h2spec found, case by case, and what of it counts. */

export interface CaseResult {
  /** As h2spec's command line takes it: `http2/5.1.1`. */
  readonly section: string
  readonly title: string
  readonly outcome: 'passed' | 'skipped' | 'failed'
  /** What was expected, and last what came instead; empty when it passed. */
  readonly detail: readonly string[]
}

/** A case that may fail. */
export interface Exclusion {
  readonly section: string
  readonly title: string
  readonly reason: string
}

export interface Verdict {
  readonly failures: readonly CaseResult[]
  readonly excluded: readonly Exclusion[]
  /** Exclusions that are not needed: their case passed, or h2spec has none of that name. */
  readonly needless: readonly string[]
}

const CASE = /<testcase package="([^"]*)" classname="([^"]*)" time="[^"]*">(.*?)<\/testcase>/gs
/** h2spec does not escape what is in these two. */
const FAILURE = /<(failure|error)>(.*)<\/\1>/s
const SKIPPED = '<skipped>'

/** @param xml h2spec's JUnit report */
export function readReport(xml: string): CaseResult[] {
  return [...xml.matchAll(CASE)].map(([, section = '', title = '', body = '']) => {
    const failure = FAILURE.exec(body)
    const detail = failure === null ? [] : printable(failure[2]!).split('\n')
    const outcome = failure !== null ? 'failed' : body.includes(SKIPPED) ? 'skipped' : 'passed'
    return { section, title: title.replaceAll('&#34;', '"').replaceAll('&amp;', '&'), outcome, detail }
  })
}

/** Bytes of a frame are told as they came. */
function printable(text: string): string {
  return text.replace(/[^\n\x20-\x7e]/g, '·')
}

/** @param whole the whole of h2spec was run, so that each exclusion has its case */
export function judge(results: readonly CaseResult[], exclusions: readonly Exclusion[], whole: boolean): Verdict {
  const exclusionOf = (result: CaseResult) => exclusions.find(exclusion => isOf(exclusion, result))
  const failed = results.filter(({ outcome }) => outcome === 'failed')
  const needless: string[] = []
  for (const exclusion of exclusions) {
    const result = results.find(result => isOf(exclusion, result))
    if (result?.outcome === 'passed') needless.push(`${exclusion.section} "${exclusion.title}" passes`)
    if (result === undefined && whole) needless.push(`${exclusion.section} "${exclusion.title}" is no case of h2spec`)
  }
  return {
    failures: failed.filter(result => exclusionOf(result) === undefined),
    excluded: failed.flatMap(result => exclusionOf(result) ?? []),
    needless,
  }
}

function isOf(exclusion: Exclusion, result: CaseResult): boolean {
  return exclusion.section === result.section && exclusion.title === result.title
}
