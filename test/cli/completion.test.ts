/** What shells make of `grpc-verbatim completion`: each of them completes, where it is on this machine. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test as Tap } from 'tap'
import { commandLine } from '../../src/cli/commands.ts'
import { completionOf, type Shell } from '../../src/cli/completion.ts'
import { run } from './run.ts'

/** Gives a shell a terminal, types the lines of the first argument, and prints what comes back. */
const TYPE = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
os.write(terminal, sys.argv[1].encode())
while True:
    try: data = os.read(terminal, 4096)
    except OSError: break
    if not data: break
    os.write(1, data)
os.waitpid(pid, 0)
`

/** @returns why not, where a program is not on this machine */
function without(...programs: string[]): string | false {
  const missing = programs.find(program => spawnSync(program, ['--version']).status !== 0)
  return missing !== undefined && `there is no ${missing} here`
}

/** A folder that is also the home. */
function home(t: Pick<Tap, 'testdir'>): string {
  const files = { 'proxy one.yaml': '', 'other.yaml': '' }
  const scripts = ['bash', 'zsh', 'fish'].map(shell => [shell, completionOf(commandLine(), shell as Shell)])
  return t.testdir({ ...files, ...Object.fromEntries(scripts) })
}

function output(folder: string, program: string, ...args: string[]): string {
  const env = { PATH: process.env.PATH, HOME: folder, TERM: 'dumb' }
  const { stdout, stderr } = spawnSync(program, args, { cwd: folder, env, encoding: 'utf8', timeout: 20_000 })
  return stdout + stderr
}

t.test('the scripts name each command and each option', async t => {
  const program = commandLine()
  const flags = program.commands.flatMap(({ options }) => options.map(({ long }) => long!.slice(2)))
  t.ok(flags.length > 20)
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = completionOf(program, shell)
    const words = [...program.commands.map(command => command.name()), ...flags]
    t.same(
      words.filter(word => !script.includes(word)),
      [],
      shell,
    )
  }
  const { code, stdout } = await run(t, 'completion', 'bash')
  t.equal(code, 0)
  t.equal(stdout, completionOf(program, 'bash'))
  t.match(await run(t, 'completion', 'tcsh'), { code: 2, stderr: /Allowed choices are bash, zsh, fish/ })
})

t.test('bash completes commands, options, values, and paths after = too', { skip: without('bash') }, async t => {
  const folder = home(t)
  /** The last word is completed. */
  const complete = (...words: string[]) => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is an array of bash
    const set = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _grpc_verbatim; printf "%s\\n" "${COMPREPLY[@]}"'
    const lines = output(folder, 'bash', '-c', `. ./bash; ${set}`, 'bash', 'grpc-verbatim', ...words)
    return lines.split('\n').filter(line => line !== '')
  }
  t.same(complete('s'), ['serve', 'schema'])
  t.same(complete('serve', '--p'), ['--pid-file'])
  t.same(complete('serve', '--watch', '--c'), ['--config'])
  t.same(complete('serve', '--transport', ''), ['native', 'frames'])
  t.same(complete('serve', '--transport', '=', 'n'), ['native'])
  t.same(complete('serve', '--transport', '='), ['native', 'frames'])
  t.same(complete('serve', '--listen', ''), [], 'nobody can guess it')
  t.same(complete('check', '-c', 'pro'), ['proxy one.yaml'])
  t.same(complete('bench', '--message', 'serve', '--vi'), ['--via'])
  t.same(complete('completion', ''), ['bash', 'zsh', 'fish', '-h', '--help'])
  t.same(complete('help', 'ch'), ['check'])
})

for (const [shell, ...args] of [
  ['bash', '--norc', '--noprofile', '-i'],
  ['zsh', '-f', '-i'],
] as const) {
  t.test(`${shell}, where somebody types`, { skip: without(shell, 'python3') }, async t => {
    const prepare = shell === 'zsh' ? 'autoload -Uz compinit; compinit -u -D; ' : ''
    const typed = [
      `${prepare}. ./${shell}; grpc-verbatim() { printf '<%s>' "$@"; }`,
      'grpc-verbatim ser\t--conf\t~/pro\t',
      'grpc-verbatim serve --transport nat\t',
      'grpc-verbatim check -c oth\t',
      'exit\n',
    ]
    const shown = output(home(t), 'python3', '-c', TYPE, typed.join('\n'), shell, ...args)
    t.match(shown, /<serve><--config(><|=).*\/proxy one\.yaml>/)
    t.match(shown, '<serve><--transport><native>')
    t.match(shown, '<check><-c><other.yaml>')
  })
}

t.test('fish completes commands, options, values and paths', { skip: without('fish') }, async t => {
  const folder = home(t)
  const complete = (line: string) => {
    const lines = output(folder, 'fish', '--no-config', '-c', `source ${join(folder, 'fish')}; complete -C '${line}'`)
    return lines.split('\n').flatMap(line => (line === '' ? [] : [line.split('\t')[0]!]))
  }
  t.same(complete('grpc-verbatim s'), ['schema', 'serve'])
  t.same(complete('grpc-verbatim serve --pid'), ['--pid-file'])
  t.same(complete('grpc-verbatim serve --transport '), ['frames', 'native'])
  t.same(complete('grpc-verbatim check --config oth'), ['other.yaml'])
  t.same(complete('grpc-verbatim serve oth'), [], 'no file where none is meant')
})
