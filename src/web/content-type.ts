/** What kind of file it is, by the end of its name. Browsers are told not to guess otherwise (`nosniff`). */
import { extname } from 'node:path'

const TEXT = '; charset=utf-8'

const TYPES: Readonly<Record<string, string>> = {
  ...{
    '.html': `text/html${TEXT}`,
    '.htm': `text/html${TEXT}`,
    '.css': `text/css${TEXT}`,
    '.txt': `text/plain${TEXT}`,
  },
  ...{ '.js': `text/javascript${TEXT}`, '.mjs': `text/javascript${TEXT}`, '.json': 'application/json' },
  ...{ '.map': 'application/json', '.webmanifest': 'application/manifest+json', '.wasm': 'application/wasm' },
  ...{ '.md': `text/markdown${TEXT}`, '.csv': `text/csv${TEXT}`, '.xml': 'application/xml', '.pdf': 'application/pdf' },
  ...{ '.svg': 'image/svg+xml', '.png': 'image/png', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg' },
  ...{ '.gif': 'image/gif', '.webp': 'image/webp', '.avif': 'image/avif', '.ico': 'image/x-icon' },
  ...{ '.woff': 'font/woff', '.woff2': 'font/woff2', '.ttf': 'font/ttf', '.otf': 'font/otf' },
  ...{ '.mp4': 'video/mp4', '.webm': 'video/webm', '.mp3': 'audio/mpeg', '.ogg': 'audio/ogg', '.wav': 'audio/wav' },
}

/** A browser saves what it is told nothing of, and shows or runs none of it. */
const UNKNOWN = 'application/octet-stream'

export function contentType(path: string): string {
  return TYPES[extname(path).toLowerCase()] ?? UNKNOWN
}
