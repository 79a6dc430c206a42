"""The shells' scripts: they hand the line to ``ccx`` and show what it answers."""

from __future__ import annotations

from ccx_cli.cli.completing.shells import ANSWER, Shell

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
