/**
 * Runs before each test file (.taprc). Node keeps what it compiled, types stripped, in a folder: a file that imports
 * all of the proxy starts in half the time, and so does each process that a test starts. The path of .taprc is
 * relative; a process that starts in another folder needs it whole.
 */
import { resolve } from 'node:path'

if (process.env.NODE_COMPILE_CACHE) process.env.NODE_COMPILE_CACHE = resolve(process.env.NODE_COMPILE_CACHE)
