/**
 * The commands and options in the words of each shell. Every script is data for what the shell brings itself: nothing is asked
 * of `virtwl` while a user types.
 */
import type { CompletedCommand, CompletedOption, Words } from './table.js';

export type Shell = 'bash' | 'zsh' | 'fish';

type Table = readonly CompletedCommand[];

export const SHELLS: Readonly<Record<Shell, (table: Table) => string>> = { bash, zsh, fish };

/** A word of a shell's, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** As a pattern of `case`: the names of a command's options, each behind its command. */
function bash(table: Table): string {
  const cases = table.flatMap(({ path, options }) =>
    options.flatMap(({ names, words }) => {
      if (words === undefined) return [];
      const pattern = names.map(name => quoted([...path, name].join(' '))).join(' | ');
      return [`    ${pattern}) ${words === 'files' ? 'files=1' : `words=${quoted(words.join(' '))}`} ; value=1 ;;`];
    }),
  );
  const commands = table.map(({ path, options, words, runs }) => {
    const names = options.flatMap(option => option.names).join(' ');
    const behind = words === 'files' ? '' : words.join(' ');
    return `    ${quoted(path.join(' '))}) options=${quoted(names)} ; words=${quoted(behind)} ; runs=${runs ? 1 : ''} ;;`;
  });
  const paths = table
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => quoted(path.join(' ')))
    .join(' | ');
  return `# bash completion of virtwl: made by "virtwl completion bash".
_virtwl() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous= path= word files= words= options= runs= value= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [ "$word" = -- ]; then
      # A command line of another program: its name, and then files.
      if ((i < COMP_CWORD - 1)); then files=1; else mapfile -t COMPREPLY < <(compgen -c -- "$current"); return; fi
      break
    fi
    previous=$word
    case "\${path:+$path }$word" in ${paths}) path="\${path:+$path }$word" ;; esac
  done
  if [ "$current" = = ]; then current=; elif [ "$previous" = = ]; then previous=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  [ -n "$files" ] || case "\${path:+$path }$previous" in
${cases.join('\n')}
  esac
  if [ -z "$value$files" ]; then
    case "$path" in
${commands.join('\n')}
    esac
    case "$current" in -*) words="$options" ;; *) [ -z "$runs" ] || words="--" ;; esac
  fi
  if [ -n "$files" ]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -o bashdefault -F _virtwl virtwl
`;
}

/** A description, without what `_arguments` and `_describe` read as their own. */
function plain(help: string): string {
  return help.replace(/[[\]:\\]/g, '').replace(/\s+/g, ' ');
}

function zsh(table: Table): string {
  const action = (words: Words): string =>
    words === 'files' ? '_files' : words.length > 0 ? `(${words.join(' ')})` : ' ';
  const spec = ({ names, help, words }: CompletedOption): string[] =>
    names.map(name =>
      quoted(
        `*${name}${words !== undefined && name.startsWith('--') ? '=' : ''}[${plain(help)}]${words === undefined ? '' : `:value:${action(words)}`}`,
      ),
    );
  const nameOf = (path: readonly string[]): string => ['_virtwl', ...path].join('_');
  const functions = table.map(row => {
    const { path, options, words, runs } = row;
    const specs = options.flatMap(spec);
    const below = table.filter(
      each => each.path.length === path.length + 1 && path.every((word, i) => each.path[i] === word),
    );
    if (below.length > 0) {
      const listed = below.map(each => quoted(`${each.path.at(-1)!}:${plain(each.help)}`)).join(' ');
      return `${nameOf(path)}() {
  local -a commands=(${listed})
  _arguments -C ${[...specs, "'1: :->command'", "'*:: :->rest'"].join(' \\\n    ')}
  case $state in
    command) _describe command commands ;;
    rest) (( $+functions[${nameOf(path)}_$words[1]] )) && ${nameOf(path)}_$words[1] ;;
  esac
}`;
    }
    const rest = runs ? ["'*:: :_normal'"] : words.length > 0 ? [quoted(`*: :${action(words)}`)] : [];
    return `${nameOf(path)}() {\n  _arguments ${[...specs, ...rest].join(' \\\n    ')}\n}`;
  });
  return `#compdef virtwl
# zsh completion of virtwl: made by "virtwl completion zsh".
${functions.join('\n')}
if [ "$funcstack[1]" = _virtwl ]; then _virtwl "$@"; else compdef _virtwl virtwl; fi
`;
}

function fish(table: Table): string {
  const lines = table.flatMap(({ path, options, words }) => {
    const below = table.filter(
      each => each.path.length === path.length + 1 && path.every((word, i) => each.path[i] === word),
    );
    const seen = path.map(word => `__fish_seen_subcommand_from ${word}`);
    const none =
      below.length > 0 ? [`not __fish_seen_subcommand_from ${below.map(each => each.path.at(-1)!).join(' ')}`] : [];
    const when = [...seen, ...none].join('; and ');
    const head = `complete -c virtwl${when === '' ? '' : ` -n ${quoted(when)}`}`;
    const commands = below.map(each => `${head} -f -a ${each.path.at(-1)!} -d ${quoted(plain(each.help))}`);
    const others =
      below.length === 0 && words !== 'files' && words.length > 0 ? [`${head} -f -a ${quoted(words.join(' '))}`] : [];
    return [
      ...commands,
      ...others,
      ...options.map(({ names, help, words }) => {
        const flags = names
          .map(name => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
          .join(' ');
        const value =
          words === undefined
            ? ''
            : words === 'files'
              ? ' -r -F'
              : ` -x${words.length > 0 ? ` -a ${quoted(words.join(' '))}` : ''}`;
        return `${head} ${flags}${value} -d ${quoted(plain(help))}`;
      }),
    ];
  });
  return `# fish completion of virtwl: made by "virtwl completion fish".\n${lines.join('\n')}\n`;
}
