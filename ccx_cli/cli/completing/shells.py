"""The shells' scripts; they say the words of a line, and hear what is offered for its end.

The answer's first line is a ``Kind``; then comes a line for each word that is offered. Bash gets
what it inserts as it is; zsh and fish, which quote by themselves, get the word, a tab, its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ccx_cli.cli.completing.line import offers

# Stands for a command in the scripts' calls.
ANSWER = "__complete"

# What bash must not read as its own, between quotes and without them.
_SPECIAL_QUOTED = frozenset('"$`\\')
_SPECIAL = frozenset("|&;()<>!#$`\\\"'*?[]{}~^ \t=")


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_BASH = r"""# bash completion for ccx; made by `ccx completion bash`.

_ccx() {
    local kind word
    COMPREPLY=()
    {
        IFS= read -r kind
        while IFS= read -r word; do
            COMPREPLY+=("$word")
        done
    } < <("${1/#\~/$HOME}" @ANSWER@ bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    case $kind in
        files) compopt -o default ;;
        directories) compopt -o dirnames ;;
        open) compopt -o nospace -o nosort ;;
        words)
            compopt -o nosort
            if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[.=:] ]]; then
                compopt -o nospace
            fi
            ;;
    esac 2>/dev/null
}

complete -F _ccx ccx
"""

_ZSH = r"""#compdef ccx
# zsh completion for ccx; made by `ccx completion zsh`.

_ccx() {
    local -a answer offered open
    local kind line word meaning
    answer=("${(@f)$("${(Q)words[1]/#\~/$HOME}" @ANSWER@ zsh "${(@Q)words[1,CURRENT-1]}" \
        "${(Q)PREFIX}" 2>/dev/null)}")
    kind=$answer[1]
    for line in "${(@)answer[2,-1]}"; do
        word=${line%%$'\t'*} meaning=${line#*$'\t'}
        line=${word//:/\\:}${meaning:+:$meaning}
        if [[ $kind == open || $word == *[.=:] ]]; then
            open+=("$line")
        else
            offered+=("$line")
        fi
    done
    case $kind in
        files) [[ $PREFIX == --*=* ]] && compset -P '*='; _files ;;
        directories) [[ $PREFIX == --*=* ]] && compset -P '*='; _files -/ ;;
        *)
            (( $#offered )) && _describe -V -t values ccx offered
            (( $#open )) && _describe -V -t values ccx open -S ''
            ;;
    esac
}

if [[ $funcstack[1] == _ccx ]]; then
    _ccx "$@"
else
    compdef _ccx ccx
fi
"""

_FISH = r"""# fish completion for ccx; made by `ccx completion fish`.

function __ccx_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l answer (command $words[1] @ANSWER@ fish $words "$typed" 2>/dev/null)
    set -l option (string match -r -- '^--[^=]*=' $typed)
    set -l value (string replace -r -- '^--[^=]*=' '' $typed)
    switch "$answer[1]"
        case files
            printf "$option%s\n" (__fish_complete_path $value)
        case directories
            printf "$option%s\n" (__fish_complete_directories $value '')
        case '*'
            printf '%s\n' $answer[2..]
    end
end

complete -c ccx -f -k -a '(__ccx_complete)'
"""

FILES = {Shell.BASH: "ccx.bash", Shell.ZSH: "_ccx", Shell.FISH: "ccx.fish"}
_SCRIPTS = {Shell.BASH: _BASH, Shell.ZSH: _ZSH, Shell.FISH: _FISH}


def script(shell: Shell) -> str:
    """Return a shell's script."""
    return _SCRIPTS[shell].replace("@ANSWER@", ANSWER)


@dataclass(slots=True)
class Word:
    """A word without its quotes, but for an open one; readline takes it from ``begins`` on."""

    text: str = ""
    quote: str = ""
    begins: int = 0


def read_line(line: str, breaks: str = "") -> list[Word]:
    """Part a line to the cursor at its blanks; the last word is at the cursor, perhaps empty.

    ``breaks`` are the characters that end a word for readline, though not for the shell.
    """
    words = [Word()]
    is_begun = False
    characters = iter(line)
    for character in characters:
        word = words[-1]
        if word.quote:
            if character == word.quote:
                word.quote = ""
            elif character == "\\" and word.quote == '"':
                following = next(characters, "")
                word.text += following if following in _SPECIAL_QUOTED else character + following
            else:
                word.text += character
        elif character.isspace():
            if is_begun:
                words.append(Word())
            is_begun = False
            continue
        elif character in "\"'":
            word.quote = character
            word.begins = len(word.text)
        elif character == "\\":
            word.text += next(characters, "")
        else:
            word.text += character
            if character in breaks:
                word.begins = len(word.text)
        is_begun = True
    return words


def answer(command: object, arguments: Sequence[str]) -> str:
    """Answer a shell's script; the answer is without a line's end.

    The arguments are the shell's name; then, of bash, ``COMP_WORDBREAKS`` and the line to the
    cursor; of the others, the words without quotes, but fish's last one as it is typed.
    """
    shell, *said = arguments
    if shell == Shell.BASH:
        breaks, line = said
        words = read_line(line, breaks)
        kind, found = offers(command, [word.text for word in words[1:-1]], words[-1].text)
        return "\n".join([kind, *(_for_bash(word, words[-1]) for word, _ in found)])
    # Fish has no way to part a word that is being typed from its quotes.
    last = read_line(said[-1])[-1].text if shell == Shell.FISH else said[-1]
    kind, found = offers(command, said[1:-1], last)
    return "\n".join([kind, *(f"{word}\t{meaning}" for word, meaning in found)])


def _for_bash(word: str, typed: Word) -> str:
    """Write a word as bash is to insert it in place of what readline takes for the typed one."""
    rest = word[typed.begins :]
    if typed.quote == "'":
        return rest.replace("'", "'\\''")
    special = _SPECIAL_QUOTED if typed.quote else _SPECIAL
    return "".join(f"\\{character}" if character in special else character for character in rest)
