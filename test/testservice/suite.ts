/**
 * The suite of the test service: checks a server of fixtures/proto through any client address, be
 * it the server itself or whatever stands before it. It relies on nothing but the .proto files, so
 * it also checks somebody else's implementation.
 */
import type { ChannelCredentials, ChannelOptions } from '@grpc/grpc-js'
import type { Test } from 'tap'
import { endCases } from './cases/ends.ts'
import { healthCases } from './cases/health.ts'
import { metadataCases } from './cases/metadata.ts'
import { statusCases } from './cases/status.ts'
import { streamCases } from './cases/streams.ts'
import { unaryCases } from './cases/unary.ts'
import { TestServiceClient } from './client.ts'

export interface SuiteOptions {
  /** Where the client connects: `127.0.0.1:50051`, `unix:/run/x.sock`. */
  readonly address: string
  /** Plaintext by default. */
  readonly credentials?: ChannelCredentials
  readonly channelOptions?: ChannelOptions
  /** Names that the servers behind the address give themselves; any name when left out. */
  readonly servers?: readonly string[]
}

/** What each case gets. */
export interface CaseContext {
  readonly client: TestServiceClient
  readonly options: SuiteOptions
}

export type Case = (t: Test, context: CaseContext) => Promise<void>
/** By what they show. */
export type Cases = Readonly<Record<string, Case>>

const CASES: Cases = {
  ...unaryCases,
  ...metadataCases,
  ...statusCases,
  ...streamCases,
  ...endCases,
  ...healthCases,
}

/** Runs every case, one after the other, on one client connection. */
export async function testServiceSuite(t: Test, options: SuiteOptions): Promise<void> {
  const client = new TestServiceClient(options.address, options.credentials, options.channelOptions)
  t.teardown(() => client.close())
  for (const [name, run] of Object.entries(CASES)) {
    await t.test(name, async t => {
      await run(t, { client, options })
    })
  }
}
