/**
 * The commands and their options. What a command does is in a file of its own, which is loaded when that command runs:
 * `--help` needs no proxy, `serve` no test service, `bench` no configuration.
 */
import { readFileSync } from 'node:fs'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { describeBench } from '../bench/options.ts'
import { AddressError, parseEndpointAddress, parseListenAddress } from '../config/address.ts'

/** As in the schema, which is not loaded here. */
const MOST_WORKERS = 256
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/** The whole command line. Its `parseAsync` throws what ends a command; `exit.ts` says what becomes of that. */
export function commandLine(): Command {
  const program = new Command('grpc-verbatim')
    .description('A transparent gRPC reverse proxy: forwards calls verbatim, decodes no message.')
    .version(ownVersion())
    .showHelpAfterError('(--help lists the options)')
    .exitOverride()
  describeServe(program.command('serve'))
  program
    .command('check')
    .description('report everything that is wrong with a configuration file')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .action(async ({ config }: { config: string }) => (await import('./check.ts')).check(config))
  program
    .command('schema')
    .description('print the JSON Schema of configuration files, for editors')
    .action(async () => (await import('./schema.ts')).printSchema())
  describeTop(program.command('top')).action(async options => (await import('./top.ts')).top(options))
  program
    .command('completion')
    .description('print what a shell needs to complete this command line')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .action(async shell => (await import('./completion.ts')).printCompletion(program, shell))
  program
    .command('demo')
    .description('start test backends and a proxy, make a few calls through it, then serve until Ctrl-C')
    .action(async () => (await import('./demo.ts')).demo())
  describeBench(program.command('bench')).action(async (options, command) =>
    (await import('./bench.ts')).bench(options, command),
  )
  return program
}

function describeServe(command: Command): void {
  command
    .description(
      'run the proxy until SIGTERM, SIGINT or SIGQUIT, then let calls in flight finish; a second signal ends at once',
    )
    .option('-c, --config <file>', 'configuration file (YAML)')
    .option(
      '-l, --listen <host:port>',
      'listen here; port 0 takes a free one; may repeat',
      repeated(parseListenAddress),
    )
    .option(
      '-b, --backend <url>',
      'endpoint: host:port or http:// (h2c), https:// (TLS), unix:/path; several are taken in turn',
      repeated(parseEndpointAddress),
    )
    .option(
      '-w, --watch',
      'read the configuration again when it, or a file that it names, changes; SIGHUP does so once',
    )
    .option(
      '--workers <number>',
      'so many processes serve, and this one hands them connections; auto: as many as there are cores',
      workerCount,
    )
    .option('--pid-file <file>', 'write the process id there, once it serves')
    .option(
      '--replace',
      'put a proxy with these options in the place of the one that runs by --pid-file: nothing is refused, and calls ' +
        'that it has go on there',
    )
    .addOption(new Option('--transport <name>', 'how HTTP/2 is carried').choices(['native', 'frames']))
    .addOption(new Option('--log-level <level>', 'least level that is logged').choices(LOG_LEVELS))
    .action(async (options, command) => (await import('./serve.ts')).serve(options, command))
}

function workerCount(value: string): number | 'auto' {
  if (value === 'auto') return value
  const number = Number(value)
  if (Number.isInteger(number) && number >= 1 && number <= MOST_WORKERS) return number
  throw new InvalidArgumentError(`It is auto, or a whole number from 1 to ${MOST_WORKERS}.`)
}

function describeTop(command: Command): Command {
  return command
    .description('show in a terminal what goes on in a proxy that has an admin address; q or Ctrl-C ends it')
    .option('-a, --admin <address>', 'its admin address: host:port, https://host:port or unix:/path', '127.0.0.1:9901')
    .option('--token-file <file>', 'file with the token that it needs')
    .option('--ca <file>', 'certificates (PEM) that its own is checked against, where it has TLS')
    .option('--once', 'print it once, and end; so it does where there is no terminal')
}

/** Collects the values of an option that may repeat; each must parse. */
function repeated(parse: (text: string) => unknown) {
  return (value: string, earlier: string[] = []): string[] => {
    try {
      parse(value)
    } catch (error) {
      if (error instanceof AddressError) throw new InvalidArgumentError(`It ${error.message}.`)
      throw error
    }
    return [...earlier, value]
  }
}

function ownVersion(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
