"""The TAB key in the real bash, zsh and fish, with the scripts that ``ngc completion`` prints."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from support.artifacts import Wire
from support.program import Ngc
from support.registry import RunningRegistry
from support.terminal import Terminal

pytestmark = pytest.mark.interop


@pytest.fixture
def typist(registry: RunningRegistry, make_ngc: Callable[..., Ngc]) -> Ngc:
    """Somebody with two models, whose names are in the cache already: a TAB under load may be too early."""
    org = registry.org("tabs")
    key = registry.key(org=org, role="REGISTRY_ADMIN")
    wire = Wire(registry.session(key), org)
    for name in ("bert", "unet"):
        if registry.session(key).get(wire.at(name)).status_code == 404:
            wire.publish_version(name, "1.0", {"a.txt": b"a"})
    ngc = make_ngc(registry, key, NGC_CLI_ORG=org, TERM="xterm", LC_ALL="C.UTF-8")
    for kind, of in (("models", "tabs/*"), ("model versions", "tabs/bert"), ("orgs", "")):
        ngc.run(["__suggest", "--", kind, of])
    return ngc


LINES = {
    "ngc registry model download-version tabs/": ["tabs/bert", "tabs/unet"],
    "ngc registry model download-version tabs/b": ["tabs/bert"],
    "ngc registry model info tabs/bert:": ["1.0"],
    "ngc user who --org ": ["tabs"],
    "ngc user who --format_type ": ["ascii", "csv", "json"],
    "ngc --": ["--format_type", "--profile", "--retries"],
    "ngc registry model list --f": ["--format_type"],
    "ngc registry model upload-version --source fold": ["folder"],
    "ngc-registry serve --data": ["--data-dir"],
}
"""What is typed before the TAB, and what has to appear."""


def _shell(shell: str, folder: Path, variables: Mapping[str, str]) -> Terminal:
    """A shell that knows the script and nothing else of this machine, at its first prompt."""
    script = folder / f"completion.{shell}"
    if shell == "bash":
        words = ["bash", "--noprofile", "--norc", "-i"]
        start = f"bind 'set show-all-if-ambiguous on'; bind 'set enable-bracketed-paste off'; source {script}"
    else:
        words = ["zsh", "-f", "-i"]
        start = f"fpath=({folder}/functions $fpath); autoload -Uz compinit; compinit -u; unset zle_bracketed_paste"
    terminal = Terminal(words, variables)
    terminal.type(f"cd {folder}; {start}; PS1='rea''dy> '")
    terminal.expect("ready> ")
    return terminal


@pytest.fixture
def shells(typist: Ngc) -> Iterator[Callable[[str], Terminal]]:
    """Starts shells; they are closed at the end."""
    started: list[Terminal] = []
    folder = typist.folder
    (folder / "folder").mkdir()
    for shell in ("bash", "zsh", "fish"):
        (folder / f"completion.{shell}").write_text(typist.run(f"completion {shell}").stdout)
    (folder / "functions").mkdir()
    (folder / "functions" / "_ngc").write_text(typist.run("completion zsh").stdout)

    def start(shell: str) -> Terminal:
        started.append(_shell(shell, folder, typist.variables()))
        return started[-1]

    yield start
    for terminal in started:
        terminal.press("\x15exit\n")
        terminal.finish()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_tab_key(shell: str, shells: Callable[[str], Terminal]) -> None:
    for line, expected in LINES.items():
        terminal = shells(shell)  # a new one: zsh loads the function at the first TAB
        terminal.press(f"{line}\t")
        for text in expected:
            terminal.expect_plain(text)


def test_the_tab_key_in_fish(typist: Ngc, shells: Callable[[str], Terminal]) -> None:
    for line, expected in LINES.items():
        done = subprocess.run(
            [
                "fish",
                "--no-config",
                "-c",
                f"cd {typist.folder}; source completion.fish; complete -C '{line}'",
            ],
            env=typist.variables(),
            capture_output=True,
            text=True,
            check=True,
        )
        offered = [item.partition("\t")[0].rstrip("/") for item in done.stdout.splitlines()]
        assert [text for text in expected if not any(item.endswith(text) for item in offered)] == [], (
            line,
            offered,
        )
