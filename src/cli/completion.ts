/**
 * `grpc-verbatim completion`: what a shell needs to complete the command line, made from the commands themselves.
 *
 * All that can be said is in the script. A shell that asked this program at each Tab would wait for Node to start.
 */
import type { Argument, Command, Option } from 'commander'

export type Shell = 'bash' | 'zsh' | 'fish'

/** What may follow: one of these words, a path, or what nobody can guess. */
type Value = readonly string[] | 'path' | 'any'

interface Flag {
  /** As they are typed: `-c`, `--config`. */
  readonly names: readonly string[]
  readonly text: string
  /** Undefined: it takes no value. */
  readonly value: Value | undefined
  readonly mayRepeat: boolean
}

interface Described {
  readonly name: string
  readonly text: string
  readonly flags: readonly Flag[]
  /** What it takes without a flag. */
  readonly argument: Value | undefined
}

export function completionOf(program: Command, shell: Shell): string {
  const help = program.createHelp()
  const subcommands = help.visibleCommands(program)
  const names = subcommands.map(command => command.name())
  const describe = (command: Command): Described => ({
    name: command.name(),
    text: textOf(command.description()),
    flags: help.visibleOptions(command).map(flagOf),
    argument: argumentOf(command.registeredArguments[0], names),
  })
  const own: Described = { ...describe(program), argument: names }
  return WRITERS[shell](own, subcommands.map(describe))
}

function flagOf(option: Option): Flag {
  const names = [option.short, option.long].filter(name => name !== undefined)
  const takesValue = option.required || option.optional
  const value = option.argChoices ?? (/<(?:file|dir)>/.test(option.flags) ? 'path' : 'any')
  // What collects values and what checks one look alike from here: both may repeat.
  const mayRepeat = takesValue && option.parseArg !== undefined && option.argChoices === undefined
  return { names, text: textOf(option.description), value: takesValue ? value : undefined, mayRepeat }
}

/** That of `help` is a command. */
function argumentOf(argument: Argument | undefined, commands: readonly string[]): Value | undefined {
  if (argument === undefined) return undefined
  return argument.argChoices ?? (argument.name() === 'command' ? commands : 'any')
}

/** The beginning is enough in a list, and it has no mark that a shell would read as its own. */
function textOf(description: string): string {
  const [first = ''] = description.split('; ')
  return first.replaceAll(': ', ', ').replace(/[^\w .,()/-]/g, '')
}

type Writer = (own: Described, commands: readonly Described[]) => string

const WRITERS: Record<Shell, Writer> = { bash, zsh, fish }

function bash(own: Described, commands: readonly Described[]): string {
  const values = [own, ...commands].flatMap(({ name, flags }) =>
    flags.flatMap(({ names, value }) => {
      if (value === undefined) return []
      const command = name === own.name ? '' : name
      return [`    ${names.map(flag => `'${command} ${flag}'`).join('|')}) ${bashAnswer(value)} ;;`]
    }),
  )
  const words = [own, ...commands].map(({ name, flags, argument }) => {
    const after = Array.isArray(argument) ? argument : []
    const all = [...after, ...flags.flatMap(({ names }) => names)]
    return `    '${name === own.name ? '' : name}') _grpc_verbatim_words '${all.join(' ')}' ;;`
  })
  return `# Completion for bash: eval "$(grpc-verbatim completion bash)"
_grpc_verbatim_words() {
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

# Bash itself knows best about ~, quotes and blanks, from version 4 on.
_grpc_verbatim_paths() {
  compopt -o default 2>/dev/null && return
  local path
  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen -f -- "$cur")
}

_grpc_verbatim() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= i
  COMPREPLY=()
  # --flag=value is three words.
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${commands.map(({ name }) => name).join('|')}) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  case "$command $prev" in
${values.join('\n')}
    *)
      case $command in
${words.map(line => `    ${line}`).join('\n')}
      esac ;;
  esac
}

complete -F _grpc_verbatim grpc-verbatim
`
}

function bashAnswer(value: Value): string {
  if (value === 'any') return ':'
  return value === 'path' ? '_grpc_verbatim_paths' : `_grpc_verbatim_words '${value.join(' ')}'`
}

function zsh(own: Described, commands: readonly Described[]): string {
  const cases = commands.map(({ name, flags, argument }) => {
    const specs = [...flags.map(zshFlag), ...(argument === undefined ? [] : [`'1:value:${zshAnswer(argument)}'`])]
    return `        ${name})\n          _arguments -s \\\n            ${specs.join(' \\\n            ')} ;;`
  })
  return `#compdef grpc-verbatim
# Completion for zsh: eval "$(grpc-verbatim completion zsh)" after compinit, or this as _grpc-verbatim in a folder of $fpath.
_grpc_verbatim() {
  local curcontext=$curcontext state line
  local -a commands
  _arguments -C \\
    ${own.flags.map(zshFlag).join(' \\\n    ')} \\
    '1:command:->command' \\
    '*::argument:->argument' && return
  case $state in
    command)
      commands=(
${commands.map(({ name, text }) => `        '${name}:${text}'`).join('\n')}
      )
      _describe command commands ;;
    argument)
      case $words[1] in
${cases.join('\n')}
      esac ;;
  esac
}

if [[ $funcstack[1] == _grpc-verbatim ]]; then _grpc_verbatim "$@"; else compdef _grpc_verbatim grpc-verbatim; fi
`
}

function zshFlag({ names, text, value, mayRepeat }: Flag): string {
  const after = value === undefined ? '' : `:value:${zshAnswer(value)}`
  const long = names.map(name => (value !== undefined && name.startsWith('--') ? `${name}=` : name))
  if (mayRepeat) return long.map(name => `'*${name}[${text}]${after}'`).join(' ')
  return long.length === 1
    ? `'${long[0]}[${text}]${after}'`
    : `'(${names.join(' ')})'{${long.join(',')}}'[${text}]${after}'`
}

function zshAnswer(value: Value): string {
  if (value === 'any') return ' '
  return value === 'path' ? '_files' : `(${value.join(' ')})`
}

function fish(own: Described, commands: readonly Described[]): string {
  const begin = 'complete -c grpc-verbatim'
  const flagsOf = ({ flags }: Described, condition: string) =>
    flags.map(({ names, text, value }) => {
      const typed = names.map(name => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
      const after = value === undefined ? '' : ` ${fishAnswer(value)}`
      return `${begin} -n '${condition}' ${typed.join(' ')}${after} -d '${text}'`
    })
  return [
    '# Completion for fish: grpc-verbatim completion fish > ~/.config/fish/completions/grpc-verbatim.fish',
    `${begin} -f`,
    ...commands.map(({ name, text }) => `${begin} -n __fish_use_subcommand -a ${name} -d '${text}'`),
    ...flagsOf(own, '__fish_use_subcommand'),
    ...commands.flatMap(command => {
      const { name, argument } = command
      const condition = `__fish_seen_subcommand_from ${name}`
      const words = Array.isArray(argument) ? [`${begin} -n '${condition}' -a '${argument.join(' ')}'`] : []
      return [...words, ...flagsOf(command, condition)]
    }),
    '',
  ].join('\n')
}

function fishAnswer(value: Value): string {
  if (value === 'any') return '-x'
  return value === 'path' ? '-r -F' : `-x -a '${value.join(' ')}'`
}

export function printCompletion(program: Command, shell: Shell): void {
  process.stdout.write(completionOf(program, shell))
}
