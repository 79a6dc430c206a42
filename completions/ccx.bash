# bash completion for ccx; made by `ccx completion bash`.

_ccx() {
    local kind word
    COMPREPLY=()
    {
        IFS= read -r kind
        while IFS= read -r word; do
            COMPREPLY+=("$word")
        done
    } < <("${1/#\~/$HOME}" __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
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
