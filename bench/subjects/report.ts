/** How a subject tells the suite where it listens and what it has used. */

/** CPU time and memory of the subject's process. */
export interface Usage {
  /** Microseconds of user and system time since the process began. */
  readonly userUs: number
  readonly systemUs: number
  readonly rssBytes: number
}

/** Sends the port, then answers each message with the usage so far; ends with its parent. */
export function reportToParent(port: number): void {
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send!({
      userUs: user,
      systemUs: system,
      rssBytes: process.memoryUsage.rss(),
    } satisfies Usage)
  })
  process.on('disconnect', () => process.exit(0))
  process.send!({ port })
}
