"""Every help page says what a reader needs, and every example on it runs as it is printed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from support.artifacts import Wire
from support.commands import Done, MakeShell, Shell
from support.images import add_platforms, new_layout
from support.program import Ngc
from support.registry import RunningRegistry

from ngc_cli.cli.help import Page, page
from ngc_cli.cli.root import command_tree
from ngc_cli.cli.schemas import RESULTS, schema

ORG, TEAM, ADMIN, MEMBER = "nvidia", "myteam", "admin@example.com", "kim@example.com"


def pages(group: Any, context: Any) -> Iterator[tuple[Page, Any]]:
    """Every visible page below a group, with its command."""
    yield page(group, context), group
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inside = type(context)(command, parent=context, info_name=name)
        if hasattr(command, "list_commands"):
            yield from pages(command, inside)
        elif not command.hidden:
            yield page(command, inside), command


_ROOT = command_tree()
ALL = [(shown, command) for shown, command in pages(_ROOT, typer.Context(_ROOT, info_name="ngc"))]
PAGES = {shown.name: shown for shown, _ in ALL}
OF_LEAVES = {example for shown in PAGES.values() if not shown.commands for example in shown.examples}
LEAVES = {name: shown for name, shown in PAGES.items() if not shown.commands}


# what a page says


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_sentence_and_examples(name: str) -> None:
    shown = PAGES[name]
    assert re.fullmatch(r"[A-Z].{8,140}\.", shown.sentence), shown.sentence
    assert shown.examples, "no example"
    for example in shown.examples:
        assert re.fullmatch(r"\S.*[.;]", example.text), example
        words = [word for word in example.line.replace("$(", " ").split() if word[:1] not in "'-"]
        assert name in " ".join(words) or shown.commands or "diag" in name, example


@pytest.mark.parametrize("name", PAGES)
def test_an_option_says_what_it_means(name: str) -> None:
    for heading, rows in PAGES[name].options:
        assert len(rows) <= 16, f"{len(rows)} options under '{heading}' are too many to read"
        for option, text in rows:
            assert re.match(r"[A-Z0-9]", text) and re.search(r"[.\]]$", text), (option, text)
            value = option.rpartition(" ")[2] if " " in option.replace(", ", ",") else ""
            fixed = re.fullmatch(r"[a-z-]+(\|[a-z-]+)*", value)
            assert not value or fixed or not re.search(r"[a-z<]", value.replace(".zip", "")), option
    for argument, text in PAGES[name].arguments:
        assert re.match(r"[A-Z]", text) and text.endswith("."), (argument, text)
        assert "{" not in argument


@pytest.mark.parametrize("name", LEAVES)
def test_what_tab_offers_as_fixed_values_is_told(name: str) -> None:
    command = next(command for shown, command in ALL if shown.name == name)
    for item in command.params:
        offer = getattr(item, "_custom_shell_complete", None)
        told = f"{item.metavar} {item.help} {PAGES[name].text}"
        if offer is not None and _innermost(offer).__qualname__.startswith("words."):
            values = [str(value.value) for value in item.shell_complete(typer.Context(command), "")]
            if "words as for" not in told:
                assert [value for value in values if value not in told] == [], item.opts


def _innermost(function: Any) -> Any:
    """The function that Typer has wrapped, through closures."""
    for cell in getattr(function, "__closure__", None) or ():
        if callable(cell.cell_contents) and not isinstance(cell.cell_contents, type):
            return _innermost(cell.cell_contents)
    return function


def test_a_default_is_shown() -> None:
    shown = dict(row for _, rows in LEAVES["ngc local start"].options for row in rows)
    assert shown["--host ADDRESS"].endswith("[default: 127.0.0.1]")
    shown = dict(row for _, rows in LEAVES["ngc registry model download-version"].options for row in rows)
    assert shown["-d, --dest FOLDER"].endswith("[default: .]")


def test_help_names_the_global_options_and_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    from ngc_cli.main import main

    assert main(["help", "registry", "model", "list"]) == 0
    shown = capsys.readouterr().out
    for option in ("--format_type", "--profile", "--retries", "--ca-bundle"):
        assert option in shown
    assert "docs/reference/ngc-registry-model.md#ngc-registry-model-list" in shown
    assert main(["registry", "model", "list", "-h"]) == 0
    assert capsys.readouterr().out == shown
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("NGC Registry CLI ")


# what an example does


@dataclass
class World:
    """What the examples name, made again before each of them."""

    registry: RunningRegistry
    key: str

    def set_up(self) -> None:
        """Bring the registry into the state that examples begin with."""
        org, team = self.registry.org(ORG), self.registry.team(ORG, TEAM)
        self.registry.team(ORG, "oldteam")
        self.registry.user(MEMBER, org=org)
        self.registry.user(MEMBER, org=org, team=team)
        session = self.registry.session(self.key)
        for segment, name, new in (("models", "resnet", "new_model"), ("resources", "unet", "new_script")):
            wire = Wire(session, ORG, TEAM, segment)
            session.delete(wire.at(new))
            session.delete(wire.at(name, "versions", "2"))
            if session.get(wire.at(name, "versions", "1")).status_code == 404:
                wire.publish_version(name, "1", {"labels.txt": b"cat\ndog\n", "weights.bin": b"w" * 1000})
        session.delete("/v2/org/nvidia/team/myteam/repos/new_image")
        session.delete("/v2/org/nvidia/teams/crew")


def make_folder(folder: Path) -> None:
    """The files that examples name."""
    (folder / "model").mkdir()
    (folder / "model" / "weights.bin").write_bytes(b"w" * 1000)
    (folder / "metrics.json").write_text(
        '{"name": "Run 1", "attributes": [{"key": "mAP", "value": "0.91"}]}', encoding="utf-8"
    )
    (folder / "people.csv").write_text("email,name,role,team\nnew@example.com,New,REGISTRY_READ,\n")
    (folder / "store" / "net" / "1").mkdir(parents=True)
    (folder / "store" / "net" / "config.pbtxt").write_text('name: "net"\nplatform: "onnxruntime_onnx"\n')
    (folder / "store" / "net" / "1" / "model.onnx").write_bytes(b"onnx")
    (folder / "bin").mkdir()
    (folder / "bin" / "docker").write_text("#!/bin/sh\n")  # a container that ends well
    (folder / "bin" / "docker").chmod(0o755)
    layout = new_layout(folder / "layout")
    add_platforms(layout, ["linux/amd64", "linux/arm64"], tag="11.1")


@pytest.fixture(scope="session")
def world(start_registry: Callable[..., RunningRegistry]) -> World:
    """A registry whose names are those of the examples."""
    registry = start_registry()
    registry.org(ORG)
    registry.user(ADMIN, org=ORG, role="ORG_OWNER")
    registry.user(ADMIN, org=ORG, role="USER_ADMIN")
    return World(registry, registry.key(ADMIN, org=ORG, role="REGISTRY_ADMIN"))


@pytest.fixture
def at_prompt(
    world: World, shell: MakeShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Shell]:
    """A person at a prompt, in a folder with the files that examples name; without settings for ``ngc config``."""
    make_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    someone = shell(world.registry, world.key, ORG, DOCKER_HOST="unix:///nonexistent", PATH=path)
    return lambda name: Shell(someone.run) if name.startswith("ngc config") else someone


_INVITE = "org add-user guest@example.com", "team add-user --team myteam guest@example.com"
_PUSH = (
    "registry image push nvidia/myteam/cuda:11.0 --source oci:layout",
    "registry image push nvidia/myteam/cuda:11.1 --source oci:layout",
)
_PROFILE = ("config set --profile lab --org nvidia --team myteam --no-validate",)
_LOCAL = ("local start --org nvidia",)
BEFORE = {
    "ngc org delete-invitation": _INVITE,
    "ngc team delete-invitation": _INVITE,
    "ngc config get": ("config set --org nvidia --no-validate",),
    "ngc config use": _PROFILE,
    "ngc config clear": _PROFILE,
    "ngc local stop": _LOCAL,
    "ngc local status": _LOCAL,
    "ngc local env": _LOCAL,
    "ngc local key create": (*_LOCAL, "--profile local org add-user kim@example.com"),
}
"""What must have been done before, by command."""


def check_against_schema(shown: Page, text: str) -> None:
    """The one JSON document of a command is what its schema says."""
    name = shown.name.removeprefix("ngc ")
    if name in RESULTS:
        jsonschema.validate(json.loads(text), schema(name))


def run_examples(shown: Page, shell: Callable[[str], Done], world: World) -> None:
    """Run the examples of a page one after the other, in one folder."""
    for example in shown.examples:
        if (example in OF_LEAVES and shown.commands) or example.line == "ngc config set":
            continue  # of a group's commands, and what asks: tests/cli/test_config_command.py answers
        world.set_up()
        for line in (*(_PUSH if "image" in example.line else ()), *BEFORE.get(shown.name, ())):
            done = shell(line)
            assert done.code == 0, f"{line}\n{done.err}"
        line = re.sub(r'^eval "\$\((.*)\)"$', r"\1", example.line)
        done = shell(line)
        assert done.code == 0, f"{line}: exit code {done.code}\n{done.out}{done.err}"


@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith("ngc local")])
def test_examples_run(name: str, world: World, at_prompt: Callable[[str], Shell]) -> None:
    run_examples(PAGES[name], at_prompt(name), world)


WITHOUT_SCHEMA = {"help", "api", "schema", "local demo", "registry image run"}
"""Text, or JSON of others."""


def test_every_command_has_a_schema() -> None:
    assert {name.removeprefix("ngc ") for name in LEAVES} == (RESULTS.keys() - {"error"}) | WITHOUT_SCHEMA
    for name in RESULTS:
        jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", [name for name in LEAVES if not name.startswith("ngc local")])
def test_json_is_what_the_schema_says(name: str, world: World, at_prompt: Callable[[str], Shell]) -> None:
    typed = at_prompt(name)

    def as_json(line: str) -> Done:
        if "--format_type" in line or "--column" in line or "print-env" in line or "completion zsh" in line:
            return typed(line)
        done = typed(line, "--format_type", "json")
        if line in {example.line for example in PAGES[name].examples}:
            check_against_schema(PAGES[name], done.out)
        return done

    run_examples(PAGES[name], as_json, world)


def test_an_error_is_what_its_schema_says(shell: MakeShell, registry: RunningRegistry) -> None:
    done = shell(registry, registry.key())("registry model info no/such --format_type json")
    assert done.code != 0
    jsonschema.validate(done.error, schema("error"))
    assert "Did you mean 'team list'?" in shell(registry)("schema team lst").err


@pytest.mark.parametrize("name", [name for name in LEAVES if name.startswith("ngc local")])
def test_examples_of_the_local_registry_run(name: str, world: World, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    ngc = Ngc(tmp_path)

    def typed(line: str) -> Done:
        done = ngc.run(line, code=None)
        return Done(done.returncode, done.stdout, done.stderr)

    try:
        run_examples(PAGES[name], typed, world)
    finally:
        ngc.run("local stop")
        ngc.run("local stop --data-dir data")
