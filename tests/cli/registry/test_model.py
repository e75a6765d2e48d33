"""``ngc registry model`` and ``model-script`` against the embedded registry: what each option does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.commands import MakeShell, Shell
from support.registry import RunningRegistry

from ngc_cli.api.client import ApiClient


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def org(registry: RunningRegistry) -> str:
    return registry.org()


@pytest.fixture
def ngc(shell: MakeShell, registry: RunningRegistry, org: str) -> Shell:
    return shell(registry, registry.key(org=org, role="REGISTRY_ADMIN"), org)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """Every call of the API: method, path, and the body or the search query."""
    seen: list[tuple[str, str, dict[str, Any]]] = []
    call = ApiClient.call

    def recording(self: ApiClient, method: str, path: str, **options: Any) -> Any:
        query = (options.get("params") or {}).get("q")
        seen.append((method, path, json.loads(query) if query else options.get("body") or {}))
        return call(self, method, path, **options)

    monkeypatch.setattr(ApiClient, "call", recording)
    return seen


def uploaded(ngc: Shell, target: str, *options: str, files: tuple[str, ...] = ("a.bin", "b.txt")) -> None:
    folder = Path(target.replace("/", "-").replace(":", "-"))
    folder.mkdir(exist_ok=True)
    for name in files:
        (folder / name).write_text(name)
    ngc.ok(f"registry model upload-version {target} --source {folder}", *options)


def paths(folder: str) -> list[str]:
    root = Path(folder)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


# list


@pytest.mark.parametrize("noun", ["model", "model-script", "image"])
@pytest.mark.parametrize(
    ("option", "pair"),
    [
        ("--access-type listed", ("accessType", "LISTED")),
        ("--product-name nv-ai", ("productNames", "nv-ai")),
        ("--policy Gov_Ready", ("policy", "gov_ready")),
        ("--release-type ga", ("releaseType", "release_type_consumer")),
    ],
)
def test_list_filters_are_part_of_the_search(
    noun: str, option: str, pair: tuple[str, str], ngc: Shell, calls: list[tuple[str, str, dict[str, Any]]]
) -> None:
    ngc.ok(f"registry {noun} list {option}")
    searches = [body for _, path, body in calls if "/search/" in path]
    assert searches
    assert all(body["filters"] == [{"field": pair[0], "value": pair[1]}] for body in searches)


def searched(calls: list[tuple[str, str, dict[str, Any]]]) -> Any:
    """The filters of the last search."""
    return next(query["filters"] for _, _, query in reversed(calls) if "filters" in query)


@pytest.mark.parametrize(
    ("noun", "field"),
    [("model", "signedModels"), ("model-script", "signedResources"), ("image", "signedImages")],
)
def test_signed_is_called_by_noun(
    noun: str, field: str, ngc: Shell, calls: list[tuple[str, str, dict[str, Any]]]
) -> None:
    ngc.ok(f"registry {noun} list --signed")
    assert {"field": field, "value": True} in searched(calls)


@pytest.mark.parametrize("noun", ["model", "model-script", "image"])
def test_mine_filters_by_the_id_of_the_key(
    noun: str, ngc: Shell, calls: list[tuple[str, str, dict[str, Any]]]
) -> None:
    me = ngc.json("user who")["user"]["id"]
    ngc.ok(f"registry {noun} list --mine")
    assert searched(calls) == [{"field": "createdBy", "value": str(me)}]


def test_mine_needs_a_key_and_a_search(
    shell: MakeShell, registry: RunningRegistry, ngc: Shell, org: str
) -> None:
    assert shell(registry)("registry model list --mine").code == 10
    assert ngc(f"registry model list {org}/bert --mine").code == 2


def test_owner_narrows_to_an_org_or_a_team(ngc: Shell, registry: RunningRegistry, org: str) -> None:
    team = registry.team(org)
    for path in (f"{org}/one", f"{org}/{team}/two"):
        ngc.ok(f"registry model create {path}")

    def found(*words: str) -> list[str]:
        rows = ngc.json("registry model list", *words)
        return [f"{row['orgName']}/{row.get('teamName', '')}/{row['name']}" for row in rows]

    assert set(found("--owner", org)) == {f"{org}/{team}/two", f"{org}//one"}
    assert found("--owner", f"{org}/{team}") == [f"{org}/{team}/two"]
    assert found("on*", "--owner", org) == [f"{org}//one"]
    assert found("on*", "--owner", f"{org}/{team}") == []
    for words in (["--owner", f"{org}/a/b"], ["--owner", "a*"], [f"{org}/*", "--owner", org]):
        assert ngc("registry model list", *words).code == 2


def test_wide_lists_have_more_columns(ngc: Shell) -> None:
    assert "Access Type" in ngc.ok("registry model list --wide")
    assert "Access Type" not in ngc.ok("registry model list")


@pytest.mark.parametrize("option", ["--policy x", "--release-type x", "--access-type x"])
def test_words_of_a_list_are_checked(option: str, ngc: Shell) -> None:
    done = ngc(f"registry model list {option}")
    assert done.code == 2
    assert "It takes: " in done.err


def test_a_column_named_twice_is_a_usage_error(ngc: Shell) -> None:
    assert ngc("registry model list --column name --column name").code == 2


# create and update


def test_texts_of_files_and_labels_are_stored(ngc: Shell, org: str) -> None:
    for stem in ("bias", "explainability", "privacy", "safety-security"):
        Path(f"{stem}.md").write_text(f"about {stem}")
    files = (
        "--bias-filename bias.md --explainability-filename explainability.md --privacy-filename privacy.md"
    )
    files += " --safety-security-filename safety-security.md"
    ngc.ok(f"registry model create {org}/bert --label a --label-set b {files}")
    item = ngc.json(f"registry model info {org}/bert")
    assert item["labels"] == ["a", "b"]
    names = {"bias": "bias", "explainability": "explainability", "privacy": "privacy"}
    assert {name: item[name] for name in names} == {name: f"about {stem}" for name, stem in names.items()}
    assert item["safetyAndSecurity"] == "about safety-security"


def test_strict_wants_what_the_official_client_wants(ngc: Shell, org: str) -> None:
    done = ngc(f"registry model create {org}/bert --strict")
    assert done.code == 2
    assert "--application, --framework, --format, --precision, --short-desc" in done.err


def test_set_latest_moves_the_latest_version(ngc: Shell, org: str) -> None:
    ngc.ok(f"registry model create {org}/bert")
    uploaded(ngc, f"{org}/bert:1")
    uploaded(ngc, f"{org}/bert:2")
    ngc.ok(f"registry model update {org}/bert:1 --set-latest")
    assert ngc.json(f"registry model info {org}/bert")["latestVersionIdStr"] == "1"
    assert ngc(f"registry model update {org}/bert --set-latest").code == 2


@pytest.mark.parametrize("noun", ["model", "model-script"])
def test_update_of_a_version_sends_policy_and_release_type(
    noun: str, ngc: Shell, org: str, calls: list[tuple[str, str, dict[str, Any]]]
) -> None:
    described = "--application nlp --framework pytorch --format f --precision fp16 --short-desc s"
    ngc.ok(f"registry {noun} create {org}/it {described}")
    Path("x.bin").write_text("x")
    ngc.ok(f"registry {noun} upload-version {org}/it:1 --source x.bin")
    ngc.ok(f"registry {noun} update {org}/it:1 --policy gov_ready --release-type production")
    patches = [body for method, path, body in calls if method == "PATCH" and path.endswith("/versions/1")]
    assert patches[-1] == {"policy": ["GOV_READY"], "releaseType": "PRODUCTION"}
    assert ngc(f"registry {noun} update {org}/it --policy gov_ready").code == 2
    assert ngc(f"registry {noun} update {org}/it:1 --policy secret").code == 2


def test_update_of_an_image_repository_sends_policy_and_release_type(
    ngc: Shell, org: str, calls: list[tuple[str, str, dict[str, Any]]]
) -> None:
    ngc.ok(f"registry image create {org}/net")
    ngc.ok(f"registry image update {org}/net --policy GOV_READY --release-type ltsb")
    patch = next(body for method, _, body in calls if method == "PATCH")
    assert patch == {"policyLabels": ["GOV_READY"], "releaseType": "LTSB", "labelsV2": []}


# info, upload and download


def test_metrics_and_credentials_are_accepted_with_a_version(ngc: Shell, org: str) -> None:
    ngc.ok(f"registry model create {org}/bert")
    uploaded(ngc, f"{org}/bert:1")
    plain = ngc.ok(f"registry model info {org}/bert:1")
    assert ngc.ok(f"registry model info {org}/bert:1 --metrics") == plain
    assert ngc(f"registry model info {org}/bert --credentials").code == 2


def test_a_version_stays_open_and_takes_files_over(ngc: Shell, org: str) -> None:
    ngc.ok(f"registry model create {org}/bert")
    uploaded(ngc, f"{org}/bert:1", "--no-commit")
    assert ngc.json(f"registry model info {org}/bert:1")["status"] == "UPLOAD_PENDING"
    uploaded(ngc, f"{org}/bert:1", files=("c.bin",))
    assert ngc.json(f"registry model info {org}/bert:1")["status"] == "UPLOAD_COMPLETE"
    uploaded(ngc, f"{org}/bert:2", "--base-version", "1", files=("d.bin",))
    listed = ngc.json(f"registry model info {org}/bert:2 --files")["file_list"]
    assert {"a.bin", "d.bin"} <= {item["path"] for item in listed}


def test_patterns_choose_files_and_one_that_matches_nothing_is_not_found(ngc: Shell, org: str) -> None:
    ngc.ok(f"registry model create {org}/bert")
    uploaded(ngc, f"{org}/bert:1")
    line = f"registry model download-version {org}/bert:1"
    ngc.ok(line, "--file", "*.bin", "--dest", "one")
    assert paths("one/bert_v1") == ["a.bin"]
    ngc.ok(line, "--exclude", "*.bin", "-d", "two", "--dest-exact", "--no-resume")
    assert "b.txt" in paths("two")
    assert "a.bin" not in paths("two")
    done = ngc(line, "--file", "*.zip", "--format_type", "json")
    assert (done.code, done.out, done.error["code"]) == (12, "", "not_found")
    ngc.ok(line, "--dest", "one", "--no-progress")
    assert ngc.json(line, "--dest", "one", "--verify-only")["status"] == "Completed"
    (Path("one") / "bert_v1" / "a.bin").write_text("x.bin")
    assert ngc(line, "--dest", "one", "--verify-only").code == 16
    assert ngc.json(line, "--dry-run")["file_count"] == 2


def test_no_resume_begins_again(ngc: Shell, registry: RunningRegistry, org: str) -> None:
    ngc.ok(f"registry model create {org}/bert")
    uploaded(ngc, f"{org}/bert:1")
    line = f"registry model download-version {org}/bert:1"
    ngc.ok(line)
    assert ngc.json(line)["bytes_downloaded"] == 0
    assert ngc.json(line, "--no-resume")["bytes_downloaded"] > 0


def test_a_second_run_says_that_nothing_was_moved(ngc: Shell, org: str) -> None:
    ngc.ok(f"registry model create {org}/bert")
    uploaded(ngc, f"{org}/bert:1")
    line = f"registry model download-version {org}/bert:1"
    first = ngc(line, "--progress", "json")
    assert first.out.startswith("Downloaded 10 B in ")
    assert json.loads(first.err.splitlines()[-1])["progress"]["files_done"] == 2
    assert ngc(line, "--progress", "loud").code == 2
    assert ngc.ok(line).startswith("Nothing to download: all 2 files were there before, 10 B\n")
    assert ngc.ok(line, "--verify-only").startswith("Verified 10 B in ")
    again = ngc.ok(f"registry model upload-version {org}/bert:1 --source {org}-bert-1")
    assert again.startswith("Nothing to upload: all 2 files were there before, 10 B\n")


def test_a_dry_run_of_a_removal_tells_programs_what_would_go(ngc: Shell, org: str) -> None:
    ngc.ok(f"registry model create {org}/bert")
    assert ngc.json(f"registry model remove {org}/bert --dry-run") == {
        "removed": [],
        "would_remove": [{"kind": "model", "target": f"{org}/bert"}],
    }
    ngc.ok(f"registry model info {org}/bert")
