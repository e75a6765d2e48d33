"""``ngc registry image`` against the embedded registry, run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import MakeShell, Shell
from support.images import add_image, add_platforms
from support.registry import RunningRegistry

from ngc_cli.oci.archive import Archive
from ngc_cli.oci.descriptor import Descriptor
from ngc_cli.oci.layout import FULL_NAME, Layout, find, reachable

NO_DAEMON = {"DOCKER_HOST": "unix:///nonexistent"}


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def org(registry: RunningRegistry) -> str:
    return registry.org()


@pytest.fixture
def ngc(shell: MakeShell, registry: RunningRegistry, org: str) -> Shell:
    key = registry.key(org=org, role="REGISTRY_ADMIN")
    return shell(registry, key, org, **NO_DAEMON)


@pytest.fixture
def pushed(ngc: Shell, org: str) -> Callable[..., Descriptor]:
    """Pushes an image for two platforms under some tags of ``<org>/<name>``."""

    def push(name: str = "net", tags: tuple[str, ...] = ("1.0",), platforms: bool = True) -> Descriptor:
        layout = Layout.create(Path(f"source-{name}"))
        if platforms:
            root = add_platforms(layout, ["linux/amd64", "linux/arm64"], tag="x")
        else:
            root = add_image(layout, tag="x")
        for tag in tags:
            ngc.ok(f"registry image push {org}/{name}:{tag} --source oci:source-{name}")
        return root

    return push


def host(registry: RunningRegistry) -> str:
    return registry.url.partition("://")[2]


# push and pull


def test_what_is_pushed_comes_back_byte_for_byte(
    ngc: Shell, pushed: Callable[..., Descriptor], registry: RunningRegistry, org: str
) -> None:
    root = pushed()
    data = ngc.json(f"registry image pull {org}/net:1.0 --output oci:out --all-platforms")
    assert data == {
        "image": f"{host(registry)}/{org}/net:1.0",
        "tag": "1.0",
        "digest": root.digest,
        "media_type": root.media_type,
        "layers": 4,
        "size_bytes": data["size_bytes"],
        "bytes_downloaded": data["size_bytes"],
        "output": f"oci:{Path('out').absolute()}",
        **({"run_command": data["run_command"]} if "run_command" in data else {}),
    }
    source, out = Layout.open(Path("source-net")), Layout.open(Path("out"))
    for item in reachable(source, root):
        assert out.locate(item).read() == source.locate(item).read()
    assert sorted(path.name for path in Path("out").iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_one_platform_is_chosen_and_the_index_told(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    root = pushed()
    data = ngc.json(f"registry image pull {org}/net:1.0 -o oci:out --platform linux/arm64 --run-hint none")
    assert (data["platform"], data["index_digest"], data["layers"]) == ("linux/arm64", root.digest, 2)
    assert "run_command" not in data
    found = find(Layout.open(Path("out")), "1.0")
    assert found.digest == data["digest"] != root.digest
    done = ngc(f"registry image pull {org}/net:1.0 -o oci:out --platform linux/s390x --format_type json")
    assert (done.code, done.error["code"]) == (12, "not_found")
    assert done.error["hint"] == "Choose with --platform from: linux/amd64, linux/arm64."


def test_an_image_for_one_platform_is_not_taken_for_another(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str, registry: RunningRegistry
) -> None:
    pushed(platforms=False)
    done = ngc(f"registry image pull {org}/net:1.0 -o oci:out --platform linux/arm64")
    assert done.code == 12
    assert "is for linux/amd64 and not for linux/arm64" in done.err


def test_layers_that_are_there_are_not_fetched_again(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str, registry: RunningRegistry
) -> None:
    pushed()
    first = ngc.json(f"registry image pull {org}/net:1.0 -o oci:out --all-platforms")
    with registry.watching() as lines:
        again = ngc.json(f"registry image pull {org}/net:1.0 -o oci:out --all-platforms")
    assert first["bytes_downloaded"] == first["size_bytes"] > 0
    assert again["bytes_downloaded"] == 0
    assert not [line for line in lines if "/blobs/" in line.path]


def test_layers_that_the_registry_has_are_not_sent_again(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str, registry: RunningRegistry
) -> None:
    pushed()
    with registry.watching() as lines:
        data = ngc.json(f"registry image push {org}/net:2.0 --source oci:source-net:x")
    assert data["bytes_uploaded"] == 0
    assert not [line for line in lines if line.method in ("POST", "PATCH") and "/blobs/" in line.path]


def test_an_image_pulled_from_one_repository_is_mounted_into_another(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str, registry: RunningRegistry
) -> None:
    pushed()
    ngc.ok(f"registry image pull {org}/net:1.0 -o oci:copy --all-platforms")
    assert (find(Layout.open(Path("copy"))).annotations or {})[FULL_NAME] == f"{host(registry)}/{org}/net:1.0"
    with registry.watching() as lines:
        data = ngc.json(f"registry image push {org}/other:1.0 --source oci:copy")
    assert data["bytes_uploaded"] == 0
    assert [line.status for line in lines if line.method == "POST" and "/uploads/" in line.path] == [201] * 6


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_archives_are_written_whole_and_pushed_again(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str, registry: RunningRegistry, kind: str
) -> None:
    pushed()
    data = ngc.json(f"registry image pull {org}/net:1.0 --output {kind}:made/net.tar --platform linux/amd64")
    assert [path.name for path in Path("made").iterdir()] == ["net.tar"]
    archive = Archive(Path("made/net.tar"))
    assert archive.is_layout
    assert archive.is_docker
    assert json.loads(archive.small("manifest.json"))[0]["RepoTags"] == [f"{host(registry)}/{org}/net:1.0"]
    again = ngc.json(f"registry image push {org}/again:1.0 --source {kind}:made/net.tar")
    assert again["digest"] == data["digest"]


def test_an_archive_of_all_platforms_is_an_oci_archive(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    root = pushed()
    data = ngc.json(f"registry image pull {org}/net:1.0 --output oci-archive:net.tar --all-platforms")
    assert data["digest"] == root.digest
    done = ngc(f"registry image pull {org}/net:1.0 --output docker-archive:net.tar --all-platforms")
    assert done.code == 2
    assert "holds one platform" in done.err


def test_a_pull_without_a_daemon_makes_a_layout_that_a_push_finds(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    pushed()
    out = ngc.ok(f"registry image pull {org}/net:1.0")
    assert f"Output: oci:{Path('net_1.0').absolute()}\n" in out
    assert ngc.json(f"registry image push {org}/net:1.0")["bytes_uploaded"] == 0


def test_without_a_tag_it_is_latest_or_what_is_recorded_as_that(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    pushed(tags=("1.0", "2.0"))
    done = ngc(f"registry image pull {org}/net --format_type json")
    assert done.data["tag"] == "2.0"
    assert "There is no tag 'latest': using 2.0, which is recorded as the latest." in done.err
    assert Path("net_2.0/oci-layout").is_file()
    ngc.ok(f"registry image set-latest {org}/net:1.0")
    assert ngc.json(f"registry image pull {org}/net")["tag"] == "1.0"
    assert ngc.json(f"registry image push {org}/net --source oci:source-net")["tag"] == "latest"
    done = ngc(f"registry image pull {org}/net --format_type json")
    assert done.data["tag"] == "latest"
    assert "recorded" not in done.err


def test_a_digest_names_an_image_as_well(ngc: Shell, pushed: Callable[..., Descriptor], org: str) -> None:
    root = pushed()
    data = ngc.json(f"registry image pull {org}/net@{root.digest} --all-platforms -o oci:out")
    assert (data["digest"], data.get("tag", "")) == (root.digest, "")
    assert data["image"].endswith(f"/net@{root.digest}")
    done = ngc(f"registry image push {org}/net@{root.digest} --source oci:out")
    assert done.code == 2


def test_dry_runs_move_nothing(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str, registry: RunningRegistry
) -> None:
    pushed()
    with registry.watching() as lines:
        pull = ngc.json(f"registry image pull {org}/net:1.0 -o oci:out --all-platforms --dry-run")
        push = ngc.json(f"registry image push {org}/new:1.0 --source oci:source-net --dry-run")
        known = ngc.json(f"registry image push {org}/net:9.9 --source oci:source-net --dry-run")
    assert pull["bytes_missing"] == pull["size_bytes"] == push["bytes_missing"] > known["bytes_missing"] == 0
    assert not Path("out").exists()
    assert {line.method for line in lines if "/blobs/" in line.path} <= {"GET", "HEAD"}
    ngc.ok(f"registry image pull {org}/net:1.0 -o oci:out --all-platforms")
    assert (
        ngc.json(f"registry image pull {org}/net:1.0 -o oci:out --all-platforms --dry-run")["bytes_missing"]
        == 0
    )
    assert "Would be downloaded: 0 B" in ngc.ok(
        f"registry image pull {org}/net:1.0 -o oci:out --all-platforms --dry-run"
    )


def test_metadata_given_with_a_push_is_set_and_labels_are_kept_by_one_without(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    pushed()
    line = f"registry image push {org}/net:1.1 --source oci:source-net"
    ngc.ok(f"{line} --label fast --desc Short --multinode --publisher Me")
    ngc.ok(line)
    info = ngc.json(f"registry image info {org}/net")
    assert (info["labels"], info["shortDescription"], info["isMultinodeEnabled"]) == (["fast"], "Short", True)
    ngc.ok(f"{line} --desc Other")
    assert ngc.json(f"registry image info {org}/net")["labels"] == ["fast"]


def test_misspelt_tags_and_missing_images_are_told_with_what_to_type(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    pushed(tags=("24.01-py3", "24.02-py3"))
    done = ngc(f"registry image pull {org}/net:24.1-py3")
    assert done.code == 12
    assert f"Did you mean '{org}/net:24.01-py3'" in done.err
    done = ngc(f"registry image pull {org}/missing")
    assert done.code == 12
    assert "missing" in done.err
    done = ngc(f"registry image push {org}/missing")
    assert done.code == 12
    assert "Say where it is: --source" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("pull docker.io/library/busybox", "is not in the registry"),
        ("pull a/b:*", "has wildcards"),
        ("pull a/b --output here", "is not a place for an image"),
        ("pull a/b --output docker-daemon:x", "has a path"),
        ("pull a/b --output oci:", "has no path"),
        ("pull a/b --platform linux/amd64 --all-platforms", "excludes"),
        ("pull a/b --platform /", "is not a platform"),
        ("pull a/b --run-hint x", "--run-hint does not know"),
        ("pull a/b --scan f.csv", "--scan is not supported"),
        ("push a/b --source there", "is not a place for an image"),
        (f"push a/b@sha256:{'0' * 64}", "only 'pull' takes"),
        (f"remove a/b@sha256:{'0' * 64}", "only 'pull' takes"),
        ("info a/b --layers", "names no tag"),
        ("info a/b:1 --details", "names a tag"),
        ("info a/b:1 --history --layers", "excludes"),
        ("info a/*", "has wildcards"),
        ("remove a/*", "is a pattern"),
        ("remove a/b*:1", "has a pattern before the tag"),
        ("create a/b:1", "names a tag"),
        ("update a/b", "nothing to update"),
        ("update a/b --label x --add-label y", "excludes"),
        ("set-latest a/b", "names no tag"),
        ("scan a/b", "is not supported by this client"),
        ("login --stdin-to docker --print-env singularity", "excludes"),
        ("login --stdin-to wget", "--stdin-to does not know"),
        ("login --print-env bash", "--print-env does not know"),
    ],
)
def test_wrong_lines_are_refused_before_anything_happens(ngc: Shell, words: str, message: str) -> None:
    done = ngc(f"registry image {words}")
    assert done.code == 2, done.err
    assert message in done.err


def test_a_folder_with_other_things_in_it_is_not_pulled_into(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    pushed()
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("x")
    done = ngc(f"registry image pull {org}/net:1.0 -o oci:mine")
    assert done.code == 17
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.tex"]


# lists


def test_lists_show_repositories_and_tags(ngc: Shell, pushed: Callable[..., Descriptor], org: str) -> None:
    pushed("net", ("1.0", "20.03-py3", "nightly_x"))
    pushed("other")
    out = ngc.ok("registry image list")
    assert "| Name  | Repository" in out
    assert out.index(f"{org}/net") < out.index(f"{org}/other")
    assert "locked" in out
    assert [item["name"] for item in ngc.json(f"registry image list {org}/n*")] == ["net"]
    tags = ngc.json(f"registry image list {org}/net:*")
    assert [item["tag"] for item in tags] == ["nightly_x", "20.03-py3", "1.0"]
    assert all(
        item["digest"].startswith("sha256:") and item["size"] > 0 and item["updatedDate"] for item in tags
    )
    assert [item["architecture"] for item in tags[0]["architectureVariants"]] == ["amd64", "arm64"]
    assert [item["tag"] for item in ngc.json(f"registry image list {org}/net:2*")] == ["20.03-py3"]
    assert [item["tag"] for item in ngc.json("registry image list net")] == ["nightly_x", "20.03-py3", "1.0"]
    assert ngc.json(f"registry image list {org}/none*") == []
    assert ngc(f"registry image list {org}/none").code == 12


def test_columns_are_chosen_as_in_other_lists(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    pushed()
    out = ngc.ok(f"registry image list {org}/* --column name --column org=Owner --format_type csv")
    assert out == f"Repository,Name,Owner\n{org}/net,net,{org}\n"
    out = ngc.ok(f"registry image list {org}/net:* --column platforms --column digest --format_type csv")
    assert out.splitlines()[0] == "Tag,Platforms,Digest"
    assert out.splitlines()[1].startswith('1.0,"linux/amd64, linux/arm64",sha256:')
    assert ngc(f"registry image list {org}/* --column nothing").code == 2
    assert "Signed Tag?" in ngc.ok(f"registry image list {org}/* --wide")


def test_tags_over_several_pages_are_all_listed(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str, registry: RunningRegistry
) -> None:
    root = pushed(platforms=False)
    token = ngc.env["NGC_CLI_API_KEY"]
    content = Layout.open(Path("source-net")).locate(root).read()
    answer = (
        registry.session()
        .get("/proxy_auth", params={"scope": f"repository:{org}/net:pull,push"}, auth=("$oauthtoken", token))
        .json()
    )
    session = registry.session(answer["token"])
    names = [f"t{number:03}_x.y-z" for number in range(230)]
    for name in names:
        path = f"/v2/{org}/net/manifests/{name}"
        assert session.put(path, data=content, headers={"Content-Type": root.media_type}).status_code == 201
    with registry.watching() as lines:
        found = ngc.json(f"registry image list {org}/net:t*")
    assert sorted(item["tag"] for item in found) == names
    assert len([line for line in lines if line.path.startswith(f"/v2/org/{org}/repos/net/images")]) == 3
    assert len(ngc.json(f"registry image list {org}/net:t* --limit 7")) == 7


def test_permission_is_unlocked_when_guests_may_pull(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str, registry: RunningRegistry, shell: MakeShell
) -> None:
    pushed()
    guest = shell(registry, "", "", **NO_DAEMON)
    assert guest(f"registry image info {org}/net").code == 12
    done = guest(f"registry image pull {org}/net:1.0 -o oci:out")
    assert done.code in (10, 12)
    session = registry.session(ngc.env["NGC_CLI_API_KEY"])
    done_ = session.patch(f"/v2/org/{org}/repos/net", json={"isPublic": True, "canGuestPull": True})
    assert done_.status_code == 200, done_.text
    out = ngc.ok(f"registry image list {org}/* --column permission --format_type csv")
    assert out.splitlines()[1] == f"{org}/net,unlocked"
    assert guest.json(f"registry image pull {org}/net:1.0 -o oci:out")["layers"] == 2
    assert guest.json(f"registry image info {org}/net:1.0")["tag"] == "1.0"


# info


def test_the_block_of_one_image_is_the_guides(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    pushed(platforms=False)
    out = ngc.ok(f"registry image info {org}/net:1.0 --layers")
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == lines[-1] == "-" * 50
    assert lines[1:4] == ["Image Information", f"Name: {org}/net:1.0", "Architecture: amd64"]
    assert "Schema Version: 1" in lines
    assert len([line for line in lines if line.startswith("sha256:")]) == 2
    out = ngc.ok(f"registry image info {org}/net:1.0 --history")
    assert out.index("ADD 1 /") < out.index("ADD 0 /") < out.index("Image Information")
    data = ngc.json(f"registry image info {org}/net:1.0")
    assert (data["name"], data["schemaVersion"], len(data["fsLayers"])) == (f"{org}/net:1.0", 1, 2)
    assert data["architectureDetails"][0]["architecture"] == "amd64"
    assert "architectureVariants" not in data


def test_the_block_of_a_repository_names_its_tags(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    pushed(tags=("1.0", "2.0"))
    Path("o.md").write_text("# Overview\ntext")
    ngc.ok(
        f"registry image update {org}/net --overview o.md --display-name 'The Net' --add-label a --add-label b"
    )
    out = ngc.ok(f"registry image info {org}/net --details")
    for line in (
        "Display Name: The Net",
        "Labels: a, b",
        "Latest Tag: 2.0",
        "# Overview",
        "Multi-Arch Support: True",
    ):
        assert line in out
    assert "# Overview" not in ngc.ok(f"registry image info {org}/net")
    ngc.ok(f"registry image update {org}/net --remove-label a")
    assert ngc.json(f"registry image info {org}/net")["labels"] == ["b"]


# create, remove


def test_a_repository_is_created_once(ngc: Shell, org: str) -> None:
    out = ngc.ok(f"registry image create {org}/new --desc 'A new one' --label x")
    assert out.startswith(f"Successfully created image repository '{org}/new'.\n")
    assert ngc(f"registry image create {org}/new").code == 13
    assert ngc(f"registry image create {org}/New").code == 2


def test_tags_and_repositories_are_removed_only_when_confirmed(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    pushed(tags=("1.0", "1.1", "2.0"))
    done = ngc(f"registry image remove {org}/net:1.0")
    assert done.code == 2
    assert "Add -y to say yes" in done.err
    assert ngc.ok(f"registry image remove {org}/net:1.0 --dry-run") == f"Would remove image {org}/net:1.0.\n"
    assert len(ngc.json(f"registry image list {org}/net:*")) == 3
    assert ngc.ok(f"registry image remove {org}/net:1.0 -y") == f"Successfully removed image {org}/net:1.0.\n"
    assert ngc.json(f"registry image remove {org}/net:?.* -y") == {
        "removed": [{"kind": "image", "target": f"{org}/net:{tag}"} for tag in ("2.0", "1.1")]
    }
    assert ngc(f"registry image remove {org}/net:?.* -y").code == 12
    assert ngc(f"registry image remove {org}/net:1.0 -y").code == 12
    assert (
        ngc.ok(f"registry image remove {org}/net -y") == f"Successfully removed image repository {org}/net.\n"
    )
    assert ngc(f"registry image info {org}/net").code == 12


def test_a_pattern_removes_nothing_of_another_repository(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str
) -> None:
    """The official client deletes from the first search hit (docs/protocol/images.md#calls)."""
    pushed("net", ("1.0",))
    pushed("net2", ("1.0",))
    ngc.ok(f"registry image remove {org}/net:* -y")
    assert [item["tag"] for item in ngc.json(f"registry image list {org}/net2:*")] == ["1.0"]


@pytest.mark.parametrize(
    ("role", "code"), [("REGISTRY_READ", 11), ("REGISTRY_USER", 0), ("REGISTRY_ADMIN", 0)]
)
def test_removing_and_pushing_obey_the_role(
    ngc: Shell,
    pushed: Callable[..., Descriptor],
    org: str,
    registry: RunningRegistry,
    shell: MakeShell,
    role: str,
    code: int,
) -> None:
    pushed()
    other = shell(registry, registry.key(org=org, role=role), org, **NO_DAEMON)
    assert other(f"registry image pull {org}/net:1.0 -o oci:out").code == 0
    push = other(f"registry image push {org}/net:2.0 --source oci:source-net")
    assert (push.code == 0) is (code == 0), push.err
    assert other(f"registry image remove {org}/net:1.0 -y").code == code


def test_a_guest_changes_nothing(shell: MakeShell, registry: RunningRegistry) -> None:
    guest = shell(registry, "", "", **NO_DAEMON)
    for words in ("create a/b", "set-latest a/b:1"):
        assert guest(f"registry image {words}").code == 10
    assert guest("registry image login").code == 10


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    ngc: Shell, pushed: Callable[..., Descriptor], org: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed()
    monkeypatch.setattr("ngc_cli.transfer.download.free_bytes", lambda folder: 100)
    done = ngc(f"registry image pull {org}/net:1.0 -o oci:out")
    assert done.code == 17
    assert "and 100 B are free" in done.err
    assert "--output" in done.err
