/** A real Prometheus that scrapes one address, for tests; it is Debian's package `prometheus`. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** For a test's options. */
export const NO_PROMETHEUS: string | false =
  spawnSync('prometheus', ['--version']).status === 0 ? false : 'prometheus (Debian: prometheus) is not on this machine'

export interface Prometheus {
  /** Values of an instant query, by their labels as JSON, without those that scraping adds. */
  query(expression: string): Promise<Map<string, number>>
  /** Why the last scrape failed, or `''`. */
  lastError(): Promise<string>
}

/** @param target `127.0.0.1:9901`, where `/metrics` is */
export async function startPrometheus(t: Test, target: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
  const file = join(folder, 'prometheus.json')
  const scrape = { job_name: 'proxy', scrape_interval: '500ms', scrape_timeout: '500ms' }
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ scrape_configs: [{ ...scrape, static_configs: [{ targets: [target] }] }] }))
  const child = spawn(
    'prometheus',
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
      '--log.format=json',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  t.teardown(async () => {
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    rmSync(folder, { recursive: true, force: true })
  })
  const address = await new Promise<string>((resolve, reject) => {
    let output = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text
      const address = /"address":"([^"]+:[1-9]\d*)"/.exec(output)?.[1]
      if (address !== undefined && output.includes('"Server is ready')) resolve(address)
    })
    child.once('exit', code => reject(new Error(`prometheus ended with ${code}: ${output.slice(-2_000)}`)))
  })
  const ask = async (path: string) => (await (await fetch(`http://${address}/api/v1/${path}`)).json()) as Answer
  return {
    async query(expression) {
      const { data } = await ask(`query?query=${encodeURIComponent(expression)}`)
      return new Map(data.result!.map(({ metric, value }) => [labelsOf(metric), Number(value[1])]))
    },
    async lastError() {
      const { data } = await ask('targets')
      return data.activeTargets![0]!.lastError
    },
  }
}

interface Answer {
  readonly data: {
    readonly result?: readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[]
    readonly activeTargets?: readonly { readonly lastError: string }[]
  }
}

function labelsOf({ instance: _, job: __, __name__: ___, ...labels }: Record<string, string>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(labels).sort()))
}
