"""The scripts with which shells complete our programs: their text, and where ``ngc completion --install`` puts it.

``completions/`` holds the same texts for packages (``python completions/generate.py``). The protocol is in
``ngc_cli.completion``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ngc_cli.completion import COMMAND
from ngc_cli.config.store import require_config_path
from ngc_cli.errors import UsageError
from ngc_cli.similar import did_you_mean

PROGRAMS = ("ngc", "ngc-cli", "ngc-registry")
_NAMES = " ".join(PROGRAMS)

_BASH = f"""\
# Completion of ngc and ngc-registry for bash.
_ngc() {{
    local IFS=$'\\n' kind line
    COMPREPLY=()
    while read -r line; do
        if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("${{line%%$'\\t'*}}"); fi
    done < <("$1" {COMMAND} bash "${{COMP_LINE:0:COMP_POINT}}" "$COMP_WORDBREAKS" 2>/dev/null)
    case $kind in
        open) compopt -o nospace ;;
        files) compopt -o default ;;
        folders) compopt -o dirnames ;;
    esac
}}
complete -F _ngc {_NAMES}
"""

_ZSH = f"""\
#compdef {_NAMES}
# Completion of ngc and ngc-registry for zsh.
_ngc() {{
    local -a answer values shown
    local line suffix=' '
    answer=("${{(@f)$("${{(Q)words[1]}}" {COMMAND} zsh "${{(@Q)words[2,CURRENT-1]}}" "${{(Q)PREFIX}}" 2>/dev/null)}}")
    case $answer[1] in
        files) _files; return ;;
        folders) _files -/; return ;;
        open) suffix='' ;;
    esac
    for line in "${{(@)answer[2,-1]}}"; do
        values+=("${{line%%$'\\t'*}}")
        shown+=("${{line%%$'\\t'*}}${{${{line#*$'\\t'}}:+  -- ${{line#*$'\\t'}}}}")
    done
    (( $#values )) && compadd -S "$suffix" -l -d shown -a values
}}
if [[ $funcstack[1] == _ngc ]]; then
    _ngc "$@"
else
    (( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
    compdef _ngc {_NAMES}
fi
"""

_FISH = f"""\
# Completion of ngc and ngc-registry for fish.
function __ngc_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l answer ($words[1] {COMMAND} fish $words[2..-1] "$last" 2>/dev/null)
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
for program in {_NAMES}
    complete --command $program --no-files --arguments '(__ngc_complete)'
end
"""

_POWERSHELL = f"""\
# Completion of ngc and ngc-registry for PowerShell.
Register-ArgumentCompleter -Native -CommandName {", ".join(PROGRAMS)} -ScriptBlock {{
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object {{ $_.Extent.EndOffset -lt $cursorPosition }} |
        ForEach-Object {{ $_.ToString() }})
    $program, $words = $words
    $last = if ($wordToComplete) {{ $wordToComplete }} else {{ '""' }}
    $answer = @(& $program {COMMAND} powershell @words $last 2>$null)
    $answer | Select-Object -Skip 1 | ForEach-Object {{
        $value, $help = $_ -split "`t", 2
        $text = if ($help) {{ $help }} else {{ $value }}
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $text)
    }}
}}
"""

SCRIPTS: Mapping[str, str] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH, "powershell": _POWERSHELL}


def script(shell: str) -> str:
    """The script of a shell; raises UsageError for one that is not known."""
    if shell not in SCRIPTS:
        hint = did_you_mean(shell, SCRIPTS) or f"Use one of: {', '.join(SCRIPTS)}."
        raise UsageError(f"there is no completion for '{shell}'", hint=hint)
    return SCRIPTS[shell]


# How a file for another program loads the script that lies beside it.
_BESIDE = {"bash": 'source "${BASH_SOURCE[0]%/*}/ngc.bash"\n', "fish": "source (status dirname)/ngc.fish\n"}


def packaged_files() -> dict[str, str]:
    """The files of ``completions/``, by the names under which each shell looks for them."""
    beside = {f"{program}.{shell}": text for shell, text in _BESIDE.items() for program in PROGRAMS[1:]}
    whole = {"ngc.bash": "bash", "ngc.fish": "fish", "ngc.ps1": "powershell", "_ngc": "zsh"}
    return {**{name: SCRIPTS[shell] for name, shell in whole.items()}, **beside}


def install(shell: str, environ: Mapping[str, str]) -> list[Path]:
    """Make a shell load its script from now on; the files that were written.

    fish looks for files by itself. bash and zsh get the script beside our data and one line in their start file,
    which is written once. Raises UsageError for PowerShell, whose start file only PowerShell knows.
    """
    from ngc_cli.files import write_atomically

    text = script(shell)
    home = require_config_path(environ).parent.parent
    if shell == "powershell":
        raise UsageError(
            "only PowerShell knows where its start file is",
            hint="Add this line to it ($PROFILE): ngc completion powershell | Out-String | Invoke-Expression",
        )
    if shell == "fish":
        folder = Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "fish", "completions")
        scripts = [folder / f"{program}.fish" for program in PROGRAMS]
        start_file = None
    else:
        folder = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share", "ngc")
        scripts = [folder / f"completion.{shell}"]
        start_file = Path((environ.get("ZDOTDIR") if shell == "zsh" else "") or home, f".{shell}rc")
    folder.mkdir(parents=True, exist_ok=True)
    for path in scripts:
        write_atomically(path, text if path is scripts[0] else _BESIDE[shell], mode=0o644)
    if start_file is None or not _add_line(start_file, scripts[0]):
        return scripts
    return [*scripts, start_file]


def _add_line(start_file: Path, script: Path) -> bool:
    """Let the start file load the script, unless it does so already."""
    import shlex

    line = f"source {shlex.quote(str(script))}"
    text = start_file.read_text(encoding="utf-8") if start_file.exists() else ""
    if line in text.splitlines():
        return False
    with start_file.open("a", encoding="utf-8") as file:
        file.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n")
    return True
