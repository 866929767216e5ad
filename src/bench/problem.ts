/** Why `bench` does not measure, in a sentence for who called it. */

/** Called wrongly: says which option, what of it is wrong, and what to write instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Called rightly, and yet it cannot be measured: an address that does not answer, a method that is not there. */
export class BenchFailure extends Error {
  override readonly name = 'BenchFailure'
}
