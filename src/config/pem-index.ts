/** All certificates and keys of a configuration: what was read of its files, and what is wrong with them. */
import { existsSync } from 'node:fs'
import type { CertificateTerm } from '../proxy/certificate-term.ts'
import { nodeCrypto } from '../transport/node-tls.ts'
import { keptOf } from './acme.ts'
import { type PemFiles, type PemReading, type PemSection, readPemFiles } from './pem.ts'
import { type Finding, formatPath, type Path } from './problems.ts'
import { listOf, mapOf } from './raw.ts'

/** What is used already: nothing that comes later is worse than this. */
export interface PemsBefore {
  isInForce(bytes: Buffer): boolean
}

export interface PemIndexOptions {
  readonly folder: string
  /** Gets the path of each file that is read, or that cannot be. */
  readonly seen?: Set<string> | undefined
  readonly before?: PemsBefore | undefined
  /** The same configuration, read before. */
  readonly last?: PemIndex | undefined
}

export class PemIndex implements PemsBefore {
  /** By the path of their section. */
  readonly #sections: ReadonlyMap<string, PemSection>
  /** The files that were read, or could not be. */
  readonly paths: ReadonlySet<string>
  readonly findings: readonly Finding[]
  #digests: Set<string> | undefined

  private constructor(sections: ReadonlyMap<string, PemSection>, paths: ReadonlySet<string>) {
    this.#sections = sections
    this.paths = paths
    this.findings = [...sections.values()].flatMap(({ findings }) => findings)
  }

  /** @param input a configuration as the user wrote it */
  static read(input: unknown, { folder, seen, last, before = last }: PemIndexOptions): PemIndex {
    const sections = new Map<string, PemSection>()
    const paths = new Set<string>()
    const isInForce = before && ((bytes: Buffer) => before.isInForce(bytes))
    for (const { section, path, caOption } of sectionsOf(input)) {
      const place = formatPath(path)
      const reading = { folder, seen: paths, isInForce, last: last?.sectionAt(place) }
      const kept = caOption === 'clientCa' ? keptOf(mapOf(section).acme, folder) : undefined
      if (kept === undefined) sections.set(place, readPemFiles(section, path, caOption, reading))
      else sections.set(place, readKept(kept.file, section, path, reading))
    }
    for (const path of paths) seen?.add(path)
    return new PemIndex(sections, paths)
  }

  /** Of a section that is wrong, what the other one has: one bad file keeps no other certificate from being renewed. */
  orElse(other: PemIndex): PemIndex {
    const kept = [...this.#sections].map(([path, section]) => {
      const isGood = section.findings.every(({ warning }) => warning)
      return [path, isGood ? section : (other.#sections.get(path) ?? section)] as const
    })
    return new PemIndex(new Map(kept), this.paths)
  }

  sectionAt(place: string): PemSection | undefined {
    return this.#sections.get(place)
  }

  filesOf(path: Path): PemFiles {
    return this.sectionAt(formatPath(path))?.files ?? {}
  }

  get terms(): CertificateTerm[] {
    return [...this.#sections.values()].flatMap(({ terms }) => terms)
  }

  isInForce(bytes: Buffer): boolean {
    this.#digests ??= new Set(this.#contents().map(digestOf))
    return this.#digests.has(digestOf(bytes))
  }

  /** Private keys are not among them: nobody asks for those. */
  #contents(): Buffer[] {
    const all = [...this.#sections.values()].flatMap(({ files: { cert, ca, crl } }) => [cert, ca, crl])
    return all.filter(bytes => bytes !== undefined)
  }
}

/** What came by ACME may not be there yet; if it cannot be used, there will be another one. */
function readKept(file: string, section: unknown, path: Path, reading: PemReading): PemSection {
  const { clientCa, crl } = mapOf(section)
  const own = { clientCa, crl }
  if (!existsSync(file)) {
    reading.seen?.add(file)
    return readPemFiles(own, path, 'clientCa', reading)
  }
  const whole = readPemFiles({ ...own, cert: file, key: file }, path, 'clientCa', reading)
  const isOfKept = ({ path }: Finding) => path.at(-1) === 'cert' || path.at(-1) === 'key'
  const terms = whole.terms.map(term => ({ ...term, option: term.option.replace(/\.cert$/, '.acme') }))
  if (!whole.findings.some(finding => isOfKept(finding) && !finding.warning)) return { ...whole, terms }
  const findings = whole.findings.map(finding => (isOfKept(finding) ? { ...finding, warning: true } : finding))
  const { cert: _, key: _key, ...files } = whole.files
  return { files, findings, terms: terms.filter(({ option }) => !option.endsWith('.acme')) }
}

function digestOf(bytes: Buffer): string {
  return nodeCrypto().createHash('sha256').update(bytes).digest('base64')
}

interface Section {
  readonly section: unknown
  readonly path: Path
  readonly caOption: 'ca' | 'clientCa'
}

function* sectionsOf(input: unknown): Iterable<Section> {
  const root = mapOf(input)
  for (const [i, listener] of listOf(root.listeners).entries()) {
    const { tls } = mapOf(listener)
    const path = ['listeners', i, 'tls']
    if (tls !== undefined) yield { section: tls, path, caOption: 'clientCa' }
    const { acme } = mapOf(tls)
    if (acme !== undefined) yield { section: acme, path: [...path, 'acme'], caOption: 'ca' }
    for (const [j, section] of listOf(mapOf(tls).certificates).entries())
      yield { section, path: [...path, 'certificates', j], caOption: 'clientCa' }
  }
  const { tls } = mapOf(root.admin)
  if (tls !== undefined) yield { section: tls, path: ['admin', 'tls'], caOption: 'clientCa' }
  for (const signal of ['traces', 'metrics']) {
    const { tls } = mapOf(mapOf(root[signal]).otlp)
    if (tls !== undefined) yield { section: tls, path: [signal, 'otlp', 'tls'], caOption: 'ca' }
  }
  for (const [name, backend] of Object.entries(mapOf(root.backends))) {
    const { tls } = mapOf(backend)
    if (tls !== undefined) yield { section: tls, path: ['backends', name, 'tls'], caOption: 'ca' }
  }
}
