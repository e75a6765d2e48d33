# Completion of ngc and ngc-registry for fish.
function __ngc_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l answer ($words[1] __complete fish $words[2..-1] "$last" 2>/dev/null)
    switch "$answer[1]"
        case files
            __fish_complete_path (commandline -ct)
        case folders
            __fish_complete_directories (commandline -ct)
        case '*'
            for line in $answer[2..-1]
                echo $line
            end
    end
end
for program in ngc ngc-cli ngc-registry
    complete --command $program --no-files --arguments '(__ngc_complete)'
end
