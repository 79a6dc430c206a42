# fish completion for ccx; made by `ccx completion fish`.

function __ccx_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l answer (command $words[1] __complete fish $words "$typed" 2>/dev/null)
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
