/** The files of the live page, read when somebody asks for the page first, and kept: they are part of the program. */
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { AdminAnswer } from './server.ts'

const FOLDER = join(import.meta.dirname, 'page')
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Only what is there itself runs, and nothing that a text could contain. */
const PAGE_SECURITY = [
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'",
  "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
].join('; ')

const answers = new Map(readdirSync(FOLDER).map(name => [name, answerOf(name)]))

function answerOf(name: string): AdminAnswer {
  const file = { status: 200, type: TYPES[extname(name)] ?? 'text/plain', body: readFileSync(join(FOLDER, name)) }
  return name.endsWith('.html') ? { ...file, contentSecurity: PAGE_SECURITY } : file
}

/** @returns undefined: there is none of this name */
export function pageFile(name: string): AdminAnswer | undefined {
  return answers.get(name)
}
