/** All certificates and keys of a configuration: what was read of its files, and what is wrong with them. */
import type { CertificateTerm } from '../proxy/certificate-term.ts'
import { nodeCrypto } from '../transport/node-tls.ts'
import { type PemFiles, type PemSection, readPemFiles } from './pem.ts'
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
      sections.set(place, readPemFiles(section, path, caOption, reading))
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
