"""What scripts use: names alone, queries, columns as data, raw requests, one file to standard output."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.artifacts import Wire
from support.commands import MakeShell, Shell
from support.program import BIN, Ngc
from support.registry import RunningRegistry


class Place(NamedTuple):
    """An org with two models, and a person in it at a prompt."""

    org: str
    key: str
    ngc: Shell


@pytest.fixture
def place(registry: RunningRegistry, shell: MakeShell) -> Place:
    org = registry.org()
    registry.team(org, "crew")
    key = registry.key("ann@example.com", org=org, role="REGISTRY_ADMIN")
    wire = Wire(registry.session(key), org)
    wire.publish_version("bert", "1", {"a.txt": b"alpha\n", "b.bin": bytes(range(256))})
    wire.publish_version("bert", "2", {"a.txt": b"two"})
    wire.publish_version("unet", "1", {})
    return Place(org, key, shell(registry, key, org))


def test_quiet_lists_are_names_that_the_next_command_takes(place: Place) -> None:
    org, _, ngc = place
    assert ngc.ok(f"registry model list {org}/* -q").splitlines() == [f"{org}/bert", f"{org}/unet"]
    assert sorted(ngc.ok(f"registry model list {org}/bert -q").splitlines()) == [
        f"{org}/bert:1",
        f"{org}/bert:2",
    ]
    assert ngc.ok("org list -q") == f"{org}\n"
    assert ngc.ok("team list -q") == "crew\n"
    assert ngc.ok("org list-users -q") == "ann@example.com\n"
    assert ngc.ok(f"registry image list {org}/* -q") == ""
    assert ngc.json(f"registry model list {org}/unet -q")[0]["versionId"] == "1", "json stays what it is"


def test_a_query_finds_a_part_in_every_format(place: Place) -> None:
    org, _, ngc = place
    models = f"registry model list {org}/*"
    assert ngc.ok(models, "--query", "[].name") == "bert\nunet\n"
    assert ngc.ok(models, "--query", "[0].name") == "bert\n"
    assert ngc.ok(models, "--query", "[9].name") == ""
    assert ngc.ok(models, "--query", "[].{n: name, v: latestVersionIdStr}", "--format_type", "csv") == (
        "n,v\nbert,2\nunet,1\n"
    )
    assert "| bert | 2 |" in ngc.ok(models, "--query", "[].[name, latestVersionIdStr]")
    assert ngc.json(models, "--query", "[].name") == ["bert", "unet"]
    assert ngc.json(models, "--query", "[9]") is None
    assert ngc.ok(f"registry model info {org}/bert", "--query", "name") == "bert\n"
    assert ngc.ok("--version", "--query", "version").count("\n") == 1


def test_a_wrong_query_is_told_before_anything_changes(place: Place) -> None:
    org, _, ngc = place
    done = ngc(f"registry model remove {org}/unet -y", "--query", "[[[")
    assert (done.code, done.out) == (2, "")
    assert "is not JMESPath" in done.err and len(done.err.splitlines()) <= 6
    assert ngc(f"registry model info {org}/unet").code == 0
    assert ngc(f"registry model list {org}/*", "--query", "abs(@)").code == 2


def test_what_was_done_can_be_asked_as_well(place: Place) -> None:
    org, _, ngc = place
    done = ngc(f"registry model remove {org}/unet -y", "--query", "removed[].target")
    assert done.out == f"{org}/unet\n"


def test_chosen_columns_are_the_members_of_json(place: Place) -> None:
    org, _, ngc = place
    found = ngc.json(f"registry model list {org}/unet --column version --column status=State")
    assert found == [{"version": "1", "State": "UPLOAD_COMPLETE"}]
    assert ngc.json("org list-users --column email")[0]["email"] == "ann@example.com"


def test_a_list_is_filtered_and_sorted_as_a_whole_before_it_is_cut(
    place: Place, registry: RunningRegistry
) -> None:
    org, key, ngc = place
    for version in ("10", "9"):
        Wire(registry.session(key), org).publish_version("bert", version, {"a": bytes(int(version) * 2000)})
    versions = f"registry model list {org}/bert -q"
    names = [f"{org}/bert:{version}" for version in ("1", "2", "9", "10")]
    assert ngc.ok(f"{versions} --sort version").splitlines() == names
    assert ngc.ok(f"{versions} --sort -version --limit 2").splitlines() == names[:1:-1]
    assert ngc.ok(f"{versions} --sort=-size --limit 1").splitlines() == [f"{org}/bert:10"]
    assert ngc.ok(f"registry model list {org}/* -q --filter repository=*UNET").splitlines() == [f"{org}/unet"]
    assert ngc.ok(f"registry model list {org}/* -q --filter name=b* --filter version=1") == ""
    assert ngc.json("team list --filter name=c*")[0]["name"] == "crew"
    assert ngc.json("org list --sort name --filter name=nosuch") == []
    assert "Did you mean 'version'?" in ngc(f"{versions} --sort versoin").err
    assert ngc(f"{versions} --filter version").code == 2


def test_several_targets_on_the_line_or_from_standard_input(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    org, _, ngc = place
    monkeypatch.chdir(tmp_path)
    names = [f"{org}/bert:1", f"{org}/bert:2", f"{org}/unet"]
    assert [item.get("versionId") for item in ngc.json(f"registry model info {' '.join(names[:2])}")] == [
        "1",
        "2",
    ]
    assert ngc.ok(f"registry model info {names[0]} {names[2]}").count("Information") == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(names[:2]) + "\n\n"))
    done = ngc.json("registry model download-version -")
    assert [item["files_downloaded"] for item in done] == [2, 1]
    assert (tmp_path / "bert_v2" / "a.txt").read_bytes() == b"two"
    assert ngc.json(f"registry model remove -y {names[0]} {names[2]}", "--query", "[].removed[].target") == [
        names[0],
        names[2],
    ]
    stopped = ngc(f"registry model remove -y {names[2]} {names[1]}")
    assert stopped.code == 12, "it stops at the first that fails"
    assert ngc(f"registry model info {names[1]}").code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "names nothing" in ngc("registry model info -").err


def test_a_raw_request_has_the_key_of_the_profile(place: Place, tmp_path: Path) -> None:
    org, _, ngc = place
    assert ngc.ok("api GET /v2/users/me", "--query", "user.email") == "ann@example.com\n"
    answer = json.loads(ngc.ok(f"api get /v2/org/{org}/models/bert"))
    assert answer["model"]["name"] == "bert"
    body = tmp_path / "team.json"
    body.write_text(json.dumps({"shortDescription": "changed"}))
    ngc.ok(f"api PATCH /v2/org/{org}/models/bert --input {body}")
    assert ngc.json(f"registry model info {org}/bert")["shortDescription"] == "changed"
    assert ngc(f"api DELETE /v2/org/{org}/models/unet").code == 2, "it asks, and nobody is there"
    assert ngc(f"api GET /v2/org/{org}/models/nosuch").code == 12


@pytest.mark.parametrize(
    "path", ["https://example.com/", "//example.com/x", "v2/orgs", "/\\example.com", "@example.com"]
)
def test_a_raw_request_stays_at_the_api(path: str, place: Place) -> None:
    done = place.ngc.run(["api", "GET", path], place.ngc.env)
    assert done.code == 2
    assert "is not a path of the API" in done.err


@pytest.mark.parametrize(
    ("words", "said"), [("BREW /v2/orgs", "not a method"), ("POST /v2/orgs --input x", "x cannot")]
)
def test_a_raw_request_that_cannot_be_sent(words: str, said: str, place: Place) -> None:
    done = place.ngc(f"api {words}")
    assert done.code in (2, 17)
    assert said in done.err


def test_one_file_goes_to_standard_output(
    place: Place, registry: RunningRegistry, make_ngc: Callable[..., Ngc]
) -> None:
    ngc = make_ngc(registry, place.key, NGC_CLI_ORG=place.org)
    words = ["registry", "model", "download-version", "bert:1", "--output", "-", "--file"]
    done = subprocess.run(
        [BIN / "ngc", *words, "b.bin"], env=ngc.variables(), cwd=ngc.folder, capture_output=True, check=True
    )
    assert done.stdout == bytes(range(256))
    assert [path.name for path in ngc.folder.iterdir()] == ["home"], "nothing is left behind"
    assert "2 match" in ngc.run([*words, "*"], code=2).stderr
    assert "takes '-'" in ngc.run([*words[:-2], "x", "--file", "a.txt"], code=2).stderr
    ngc.run([*words, "nosuch"], code=12)
