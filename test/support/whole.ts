/**
 * What is slow by nature (a minute's soak, a whole benchmark, every combination) runs only where all of the suite is
 * asked for: `npm run test:whole`, and `.ci/run`.
 */
export const WHOLE = process.env.TEST_WHOLE === '1'

/** For a test's options: left out of the quick suite, with the reason in its output. */
export function wholeOnly(why: string): { readonly skip: string | false } {
  return { skip: !WHOLE && `${why}; npm run test:whole has it` }
}
