/**
 * What a proxy is made of, as data that can go to another process. All of it is data but the sources of endpoints, whose
 * objects are made again there; a worker loads neither the schema nor YAML.
 */
import type { Dialling } from '../config/dialling.ts'
import type { DnsSetup, FileSetup, SrvSetup } from '../config/source.ts'
import type { ProxySetup } from '../proxy/setup.ts'

type BackendSetup = ProxySetup['backends'][string]
type BackendData = Omit<BackendSetup, 'source'> & { readonly source?: unknown }

/** `acme`, `admin`, `workers` and `metricsExport` are the primary's. */
export type SetupData = Omit<
  ProxySetup,
  'backends' | 'acme' | 'admin' | 'workers' | 'metricsExport' | 'logger' | 'director'
> & {
  readonly backends: Readonly<Record<string, BackendData>>
}

/** The copying is done by whoever sends it. */
export function dataOf({
  acme: _acme,
  admin: _,
  workers: _workers,
  metricsExport: _metricsExport,
  logger: _logger,
  director: _director,
  ...setup
}: ProxySetup): SetupData {
  return setup
}

export async function setupOf(data: SetupData): Promise<ProxySetup> {
  const backends: Record<string, BackendSetup> = {}
  for (const [name, { source, ...backend }] of Object.entries(data.backends)) {
    backends[name] = source === undefined ? backend : { ...backend, source: await sourceOf(source as SourceData) }
  }
  return { ...data, backends }
}

/** The fields of a source's object, as they arrive. */
type SourceData = (
  | Pick<FileSetup, 'path'>
  | Pick<DnsSetup, 'address' | 'questions'>
  | Pick<SrvSetup, 'service' | 'questions'>
) & { readonly dialling: Pick<Dialling, 'folder' | 'tls' | 'proxyHeader'> }

async function sourceOf(data: SourceData): Promise<NonNullable<BackendSetup['source']>> {
  const { FileSetup, DnsSetup, SrvSetup } = await import('../config/source.ts')
  const { Dialling } = await import('../config/dialling.ts')
  const dialling = new Dialling(data.dialling.folder, data.dialling.tls, data.dialling.proxyHeader)
  if ('path' in data) return new FileSetup(data.path, dialling)
  if ('address' in data) return new DnsSetup({ dns: data.address, ...data.questions }, dialling)
  return new SrvSetup({ srv: data.service, ...data.questions }, dialling)
}
