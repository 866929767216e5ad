/**
 * A unix socket's file. It outlives a process that was killed, and then nobody can listen there; so a socket on which
 * nobody listens is removed. A file that is not a socket stays, and so does a socket on which somebody listens.
 */
import { type BigIntStats, linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import { link, lstat, rename, unlink } from 'node:fs/promises'
import net from 'node:net'
import { dirname, join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

/**
 * A socket refuses connections for a moment between `bind` and `listen`: after a refusal we ask again after this time.
 */
const ASK_AGAIN_MS = 50

/** Sockets of this process that are being taken over, by path: when the last of those that want it is done. */
const takeOvers = new Map<string, Promise<unknown>>()

/**
 * Listens, and takes over a unix socket on which nobody listens any more. Those of one process that want the same socket
 * do so one after the other: one of them could otherwise move away what another has just put there.
 * @param path of the socket; undefined: it is none, and `listen` is called once
 * @throws what `listen` does, or `removeStaleSocket`
 */
export async function listenOver<T>(path: string | undefined, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen()
  } catch (error) {
    if (path === undefined || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
  }
  const takeOver = async () => {
    await removeStaleSocket(path)
    return listen()
  }
  const before = takeOvers.get(path) ?? Promise.resolve()
  const mine = before.then(takeOver, takeOver)
  takeOvers.set(path, mine)
  try {
    return await mine
  } finally {
    if (takeOvers.get(path) === mine) takeOvers.delete(path)
  }
}

/** What `sockaddr_un` holds on Linux, without the final NUL. */
const MOST_PATH_BYTES = 107
/** File systems without hard links. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']
/** So that two sockets of a process never have the same name at once. */
let asides = 0

/**
 * A name in the same folder, under which a socket is bound before it gets its own. libuv removes the file of the name
 * that it has bound when it closes the socket, and that must not be the name at which a successor listens by then.
 * @returns `path` itself where there is no room for another name: such a socket cannot be handed over
 */
export function asideOf(path: string): string {
  const name = (process.pid * 1_000 + (asides++ % 1_000)).toString(36)
  const aside = join(dirname(path), `.${name}`)
  return Buffer.byteLength(aside) > MOST_PATH_BYTES ? path : aside
}

/** Gives the socket at `aside` its name. @throws Error with code `EADDRINUSE` where there is something of that name */
export function placeSocket(aside: string, path: string): void {
  try {
    // Unlike `rename` it does not replace what is there.
    linkSync(aside, path)
    unlinkSync(aside)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw taken(path)
    if (!NO_LINKS.includes(codeOf(error) ?? '')) throw error
    checkFree(path)
    renameSync(aside, path)
  }
}

/** @throws Error with code `EADDRINUSE` where there is something, whatever it is */
export function checkFree(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw taken(path)
}

function taken(path: string): Error {
  return failure('EADDRINUSE', path, 'address already in use')
}

/** Which file it is: not only by its name. */
export function identityOf(path: string): string | undefined {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return stats && `${stats.dev}:${stats.ino}`
}

/** Removes the file of a socket of ours, unless somebody has put another one there. @param identity of ours */
export function removeOwn(path: string, identity: string | undefined): void {
  try {
    if (identity !== undefined && identityOf(path) === identity) unlinkSync(path)
  } catch {
    // The folder may be gone, or not ours any more. What is left there is found to be stale.
  }
}

/**
 * Makes room for a socket that is to listen at `path`, if what is there is the file of one on which nobody listens.
 * @throws Error with code `EADDRINUSE` when somebody listens, `ENOTSOCK` when it is something else; or the system's
 * error
 */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await stats(path)
  if (found === undefined) return
  if (!found.isSocket()) throw failure('ENOTSOCK', path, 'there is a file that is not a socket, and it stays as it is')
  for (const pauseMs of [0, ASK_AGAIN_MS]) {
    await new Promise(resolve => setTimeout(resolve, pauseMs))
    if (await answers(path)) throw failure('EADDRINUSE', path, 'somebody listens there')
  }
  await takeAway(path, found)
}

/**
 * Two processes may find the same stale socket at once, and one may have put its own there before the other removes it.
 * So the file is moved first, and removed only if it is the one that was found. Any other is put back, unless its place
 * was taken.
 */
async function takeAway(path: string, found: BigIntStats): Promise<void> {
  const aside = `${path}.stale-${process.pid}-${process.hrtime.bigint()}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  const moved = await stats(aside)
  const same = moved?.dev === found.dev && moved.ino === found.ino && moved.mtimeNs === found.mtimeNs
  if (!same) await putBack(aside, path)
  await unlink(aside)
}

async function putBack(aside: string, path: string): Promise<void> {
  try {
    // Unlike `rename` it does not replace what is there.
    await link(aside, path)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    // A third process was quicker. The second has lost its address; its socket can still be reached here.
    throw failure('EADDRINUSE', path, `another process took the address of a socket that is now ${aside}`)
  }
}

/** Inode numbers are used again at once, so the time in nanoseconds tells two sockets apart. */
async function stats(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Whether somebody listens there. Only a refusal means no: a full backlog or a lack of permission does not. */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', error => resolve(!['ECONNREFUSED', 'ENOENT'].includes(codeOf(error) ?? '')))
  })
}

/**
 * Runs `bind`, such that a socket's file that it makes is never open to anybody to whom `mode` does not open it, not
 * even until the mode is set. A process has one umask: it is made narrower while `bind` runs, and nothing else does.
 */
export function bindNarrowly(mode: number, bind: () => void): void {
  // A worker thread cannot set the umask.
  if (!isMainThread) return bind()
  const narrow = ~mode & 0o777
  const before = process.umask(narrow)
  process.umask(before | narrow)
  try {
    bind()
  } finally {
    process.umask(before)
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

function failure(code: string, path: string, message: string): Error {
  return Object.assign(new Error(`listen ${code}: ${message}: ${path}`), { code, address: path })
}
