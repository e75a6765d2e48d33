"""What the TAB key offers: names of the server from a cache, values, options, and silence when something is wrong."""

from __future__ import annotations

import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.artifacts import Wire
from support.program import BIN, Ngc
from support.registry import RunningRegistry, wait_until

ADMIN = "kim@example.com"


@pytest.fixture
def typist(registry: RunningRegistry, make_ngc: Callable[..., Ngc]) -> Ngc:
    """Somebody in an org with a team, two models and a script."""
    org = registry.org()
    team = registry.team(org, "crew")
    key = registry.key(ADMIN, org=org, role="REGISTRY_ADMIN")
    wire = Wire(registry.session(key), org)
    for version in ("1", "2.5"):
        wire.publish_version("bert", version, {"model.onnx": b"m", "labels.txt": b"l", "odd name": b"o"})
    Wire(registry.session(key), org, team).publish_version("unet", "1", {})
    Wire(registry.session(key), org, segment="resources").publish_version("train", "7", {})
    return make_ngc(registry, key, NGC_CLI_ORG=org)


def answer(ngc: Ngc, *words: str, program: str = "ngc") -> tuple[str, list[str]]:
    """The kind of the answer and the values offered, asked again while the first process still fetches them."""
    done = subprocess.run(
        [str(BIN / program), "__complete", "zsh", *words],
        env=ngc.variables(),
        cwd=ngc.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    kind, _, lines = done.stdout.partition("\n")
    return kind, [line.partition("\t")[0] for line in lines.splitlines()]


def offered(ngc: Ngc, *words: str) -> list[str]:
    """The values, once they have been fetched."""
    found: list[str] = []

    def ask() -> bool:
        found[:] = answer(ngc, *words)[1]
        return bool(found)

    wait_until(ask)
    return found


def test_names_of_the_server_are_offered(typist: Ngc) -> None:
    org = typist.environ["NGC_CLI_ORG"]
    assert offered(typist, "registry", "model", "download-version", f"{org}/") == [
        f"{org}/bert",
        f"{org}/crew/unet",
    ]
    assert offered(typist, "registry", "model", "info", "be") == ["bert"]
    assert answer(typist, "registry", "model", "info", "be")[0] == "open"
    versions = [f"{org}/bert:1", f"{org}/bert:2.5"]
    assert sorted(offered(typist, "registry", "model", "info", f"{org}/bert:")) == versions
    assert offered(typist, "registry", "resource", "info", f"{org}/") == [f"{org}/train"]
    assert offered(typist, "--org", "") == [org]
    assert offered(typist, "user", "who", "--team", "") == ["crew"]
    assert offered(typist, "team", "info", "c") == ["crew"]
    assert offered(typist, "org", "remove-user", "k") == [ADMIN]
    files = offered(typist, "registry", "model", "download-version", f"{org}/bert:1", "--file", "")
    assert files == ["labels.txt", "model.onnx"], "a name with a blank is no word in every shell"


def test_values_are_offered_wherever_the_option_stands(make_ngc: Callable[..., Ngc]) -> None:
    ngc = make_ngc()
    ngc.run("config set --profile lab --org acme --no-validate")
    assert answer(ngc, "user", "who", "--format_type", "")[1] == ["ascii", "csv", "json"]
    assert answer(ngc, "--format_type=c")[1] == ["--format_type=csv"]
    assert "lab" in answer(ngc, "--profile", "")[1]
    assert answer(ngc, "config", "get", "api")[1] == ["apikey", "api_url"]
    assert answer(ngc, "config", "set", "--storage", "")[1] == ["auto", "keyring", "file"]
    assert answer(ngc, "org", "add-user", "-r", "REGISTRY_R")[1] == ["REGISTRY_READ"]
    assert answer(ngc, "registry", "model", "list", "--column", "rep")[1] == ["repository"]
    assert answer(ngc, "registry", "image", "pull", "x", "-o", "oci")[1] == ["oci:", "oci-archive:"]
    assert answer(ngc, "help", "registry", "mo")[1] == ["model", "model-script"]
    assert answer(ngc, "registry", "model", "upload-version", "--source", "")[0] == "files"
    assert answer(ngc, "registry", "model", "download-version", "--dest", "")[0] == "folders"
    assert answer(ngc, "--ca-bundle", "x")[0] == "files"


def test_options_are_offered_the_global_ones_everywhere(make_ngc: Callable[..., Ngc]) -> None:
    ngc = make_ngc()
    assert {"--org", "--format_type", "--version", "--help"} <= set(answer(ngc, "--")[1])
    at_leaf = answer(ngc, "registry", "--team", "crew", "model", "list", "--")[1]
    assert {"--org", "--format_type", "--column", "--mine"} <= set(at_leaf)
    assert "--limit" not in answer(ngc, "team", "list", "--limit", "3", "--")[1]
    assert answer(ngc, "registry", "--team", "crew", "model", "l")[1] == ["list"]


def test_the_registry_program_answers_too(make_ngc: Callable[..., Ngc]) -> None:
    assert answer(make_ngc(), "key", "", program="ngc-registry")[1] == ["create", "revoke"]
    assert "--data-dir" in answer(make_ngc(), "serve", "--", program="ngc-registry")[1]
    kinds = answer(make_ngc(), "key", "create", "--kind", "", program="ngc-registry")[1]
    assert kinds == ["personal", "legacy", "service"]


def test_the_cache_is_private_and_holds_no_key(typist: Ngc) -> None:
    offered(typist, "registry", "model", "info", "b")
    folder = typist.folder / "home" / ".cache" / "ngc" / "names"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert typist.environ["NGC_CLI_API_KEY"] not in path.name + path.read_text()
    typist.run("config clear-cache")
    assert not folder.exists()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_is_gone_costs_no_time_and_no_word(
    silent_server: str, make_ngc: Callable[..., Ngc]
) -> None:
    words = ("registry", "model", "info", "nvidia/")
    alone_s = min(
        _seconds(make_ngc(), "--format_type", "") for _ in range(3)
    )  # what a busy machine takes by itself
    for url in ("http://127.0.0.1:1", silent_server):
        ngc = make_ngc(None, "nvapi-x", NGC_CLI_API_URL=url, NGC_CLI_ORG="nvidia")
        assert answer(ngc, *words) == ("values", [])
        assert min(_seconds(ngc, *words) for _ in range(3)) < 0.3 + max(0.1, 2 * alone_s)


def _seconds(ngc: Ngc, *words: str) -> float:
    started = time.monotonic()
    answer(ngc, *words)
    return time.monotonic() - started


def test_whatever_is_wrong_a_shell_sees_nothing(make_ngc: Callable[..., Ngc]) -> None:
    ngc = make_ngc()
    (ngc.folder / "home" / ".ngc").mkdir()
    (ngc.folder / "home" / ".ngc" / "config").write_text("[[[ damaged")
    assert answer(ngc, "--org", "") == ("values", [])
    assert answer(ngc, "registry", "model", "info", "a/b:c:")[1] == []


def test_hostile_names_are_not_offered(registry: RunningRegistry, make_ngc: Callable[..., Ngc]) -> None:
    """Bash takes what it is offered as it stands: ``$(...)`` would run."""
    org = registry.org()
    key = registry.key(org=org, role="REGISTRY_ADMIN")
    files = {"$(touch owned)": b"", "`touch owned`": b"", "a;b": b"", "fine.txt": b""}
    Wire(registry.session(key), org).publish_version("bert", "1", files)
    ngc = make_ngc(registry, key, NGC_CLI_ORG=org)
    assert offered(ngc, "registry", "model", "download-version", f"{org}/bert:1", "--file", "") == [
        "fine.txt"
    ]


@pytest.mark.parametrize(("shell", "start_file"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_install_lets_the_shell_load_the_script_once(
    shell: str, start_file: str, make_ngc: Callable[..., Ngc]
) -> None:
    ngc = make_ngc()
    home = ngc.folder / "home"
    (home / start_file).write_text("alias ll='ls -l'")
    first = ngc.json(f"completion {shell} --install")
    script = home / ".local" / "share" / "ngc" / f"completion.{shell}"
    assert first["files"] == [str(script), str(home / start_file)]
    assert script.read_text() == ngc.run(f"completion {shell}").stdout
    assert ngc.json(f"completion {shell} --install")["files"] == [str(script)]
    assert (home / start_file).read_text() == f"alias ll='ls -l'\nsource {script}\n"


def test_install_for_fish_and_powershell(make_ngc: Callable[..., Ngc]) -> None:
    ngc = make_ngc()
    files = ngc.json("completion fish --install")["files"]
    assert [Path(name).name for name in files] == ["ngc.fish", "ngc-cli.fish", "ngc-registry.fish"]
    assert all(Path(name).parent.match("*/.config/fish/completions") for name in files)
    assert "$PROFILE" in ngc.run("completion powershell --install", code=2).stderr
    assert "Did you mean 'bash'?" in ngc.run("completion bsh", code=2).stderr
