/**
 * Sockets that listen already when the process begins: those of systemd's socket activation, and those of the process
 * that this one succeeds. Descriptors belong to the process, so there is one list of them. Each is taken once, by its
 * name: `fd:web` for what systemd calls `web`, the address as it is configured for the others.
 */

/** The first descriptor that systemd passes: `SD_LISTEN_FDS_START` of sd_listen_fds(3). */
export const FIRST_FD = 3

const inherited = new Map<string, number[]>()

export function inheritSocket(name: string, fd: number): void {
  const of = inherited.get(name)
  if (of === undefined) inherited.set(name, [fd])
  else of.push(fd)
}

export function isInherited(name: string): boolean {
  return (inherited.get(name)?.length ?? 0) > 0
}

/** @returns its descriptor; undefined where none of that name is left */
export function takeInherited(name: string): number | undefined {
  return inherited.get(name)?.shift()
}

/** What nobody has taken. @returns name and descriptor of each; they are not in the list any more */
export function takeOtherInherited(): [name: string, fd: number][] {
  const all = [...inherited].flatMap(([name, fds]) => fds.map((fd): [string, number] => [name, fd]))
  inherited.clear()
  return all
}
