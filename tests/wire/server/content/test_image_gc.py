"""``ngc-registry gc``: what nothing uses goes, what anything uses stays, also while somebody is at work."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from support.artifacts import Wire
from support.distribution import Content, Distribution, Image, artifact, image, index, layer, with_digest
from support.registry import RunningRegistry

from ngc_cli.server.clock import utc_now
from ngc_cli.server.content.gc import Reclaimed, collect
from ngc_cli.server.images.repositories import find_repository
from ngc_cli.server.metadata import File

ABANDONED_S = 3600.0


@pytest.fixture(scope="module")
def gc_registry(start_registry: Callable[..., RunningRegistry]) -> RunningRegistry:
    return start_registry()


@pytest.fixture
def org(gc_registry: RunningRegistry) -> Iterator[str]:
    """An org whose repositories are gone after the test, so that the next one begins with an empty store."""
    name = gc_registry.org()
    yield name
    session = gc_registry.session(gc_registry.key(org=name, role="REGISTRY_ADMIN"))
    for path in pushed_paths(gc_registry, name):
        assert session.delete(f"/v2/org/{name}/repos/{path.rpartition('/')[2]}").status_code in (200, 404)


@pytest.fixture
def repository(gc_registry: RunningRegistry, org: str) -> Distribution:
    return Distribution(gc_registry.url, f"{org}/net", gc_registry.key(org=org))


@pytest.fixture
def other(repository: Distribution) -> Distribution:
    return Distribution(repository.base_url, f"{repository.repository}-other", repository.key)


def pushed_paths(registry: RunningRegistry, org: str) -> list[str]:
    admin = Distribution(registry.url, f"{org}/x", registry.key(org=org, role="REGISTRY_ADMIN"))
    answer = admin.send("GET", "/v2/_catalog", token=admin.token("registry:catalog:*"))
    return [path for path in answer.json()["repositories"] if path.startswith(f"{org}/")]


def gc(registry: RunningRegistry, grace_s: float = 0, abandoned_s: float = ABANDONED_S) -> Reclaimed:
    return collect(registry.data, grace_s=grace_s, abandoned_s=abandoned_s)


def stored(registry: RunningRegistry) -> set[str]:
    """Digests of everything in the store."""
    blobs = registry.data_dir / "blobs" / "sha256"
    return {f"sha256:{entry.name}" for folder in blobs.iterdir() for entry in folder.iterdir()}


def blobs_of(*images: Image) -> set[str]:
    return {content.digest for one in images for content in one.blobs} | {
        digest for one in images for digest in blobs_of(*one.children)
    }


def delete_tag(repository: Distribution, tag: str) -> None:
    assert repository.send("DELETE", f"manifests/{tag}").status_code == 202


def test_a_removed_tag_frees_its_blobs_and_no_shared_ones(
    gc_registry: RunningRegistry, repository: Distribution, other: Distribution, org: str
) -> None:
    doomed = image("shared with a tag", "shared with a repository", "shared with a model", "its own")
    neighbour, elsewhere = image("shared with a tag", "neighbour"), image("shared with a repository")
    repository.push(doomed, "doomed")
    repository.push(neighbour, "neighbour")
    other.push(elsewhere, "elsewhere")
    models = Wire(gc_registry.session(gc_registry.key(org=org)), org)
    in_model = doomed.blobs[3].data
    models.publish_version("net", "1", {"layer.tar.gz": in_model})

    delete_tag(repository, "doomed")
    done = gc(gc_registry)
    its_own = {doomed.blobs[0].digest, doomed.blobs[4].digest}
    gone = blobs_of(doomed, neighbour, elsewhere) - stored(gc_registry)
    assert gone == its_own
    assert (done.manifests, done.contents) == (1, 2)
    assert done.size_bytes == sum(len(c.data) for c in doomed.blobs if c.digest in its_own)
    repository.assert_holds(neighbour, "neighbour")
    other.assert_holds(elsewhere, "elsewhere")
    (url,) = models.links("net", "1").values()
    assert gc_registry.session().get(url).content == in_model
    for content in doomed.blobs[1:]:
        status = repository.send("HEAD", f"blobs/{content.digest}").status_code
        assert status == (200 if content in neighbour.blobs else 404)

    assert models.session.delete(models.at("net")).status_code == 200
    gc(gc_registry)
    assert hashlib.sha256(in_model).hexdigest() not in {d.partition(":")[2] for d in stored(gc_registry)}


def test_an_index_takes_its_images_along(gc_registry: RunningRegistry, repository: Distribution) -> None:
    tagged, untagged = image("tagged"), image("only in the index", architecture="arm64")
    both = index(tagged, untagged)
    repository.push(both, "multi")
    repository.put_manifest(tagged.manifest, "amd64")
    delete_tag(repository, "multi")
    assert gc(gc_registry).manifests == 2
    repository.assert_holds(tagged, "amd64")
    assert repository.send("GET", f"manifests/{untagged.digest}").status_code == 404
    assert not blobs_of(untagged) & stored(gc_registry)


def test_an_index_deleted_by_digest_takes_its_images_along_after_the_grace_time(
    gc_registry: RunningRegistry, repository: Distribution
) -> None:
    both = index(image("a"), image("b", architecture="arm64"))
    repository.push(both, "multi")
    assert repository.send("DELETE", f"manifests/{both.digest}").status_code == 202
    assert gc(gc_registry, grace_s=60).manifests == 0
    assert gc(gc_registry).manifests == 2
    assert not blobs_of(both) & stored(gc_registry)


def test_a_moved_tag_lets_go_of_what_it_left_after_the_grace_time(
    gc_registry: RunningRegistry, repository: Distribution
) -> None:
    old, new = image("old"), image("new")
    repository.push(old, "latest")
    repository.push(new, "latest")
    assert gc(gc_registry, grace_s=60) == Reclaimed()
    repository.assert_holds(old)  # who was pulling it can finish
    gc(gc_registry)
    assert repository.send("GET", f"manifests/{old.digest}").status_code == 404
    repository.assert_holds(new, "latest")


def test_what_was_pushed_by_digest_stands_on_its_own(
    gc_registry: RunningRegistry, repository: Distribution
) -> None:
    one = image("never tagged")
    repository.push(one)
    assert gc(gc_registry).manifests == 0
    repository.assert_holds(one)
    repository.put_manifest(one.manifest, "now")
    delete_tag(repository, "now")
    assert gc(gc_registry).manifests == 1


@pytest.mark.parametrize("subject_first", [True, False])
def test_referrers_live_as_long_as_their_subject(
    gc_registry: RunningRegistry, repository: Distribution, subject_first: bool
) -> None:
    one = image("signed")
    signature = artifact("application/vnd.example.signature", one.manifest)
    if subject_first:
        repository.push(one, "v1")
    repository.push(signature)
    gc(gc_registry)
    repository.assert_holds(signature)
    repository.push(one, "v1")
    gc(gc_registry)
    repository.assert_holds(signature)
    delete_tag(repository, "v1")
    assert gc(gc_registry).manifests == 2


def test_a_removed_repository_leaves_nothing(
    gc_registry: RunningRegistry, repository: Distribution, org: str
) -> None:
    one = index(image("a"), image("b", architecture="arm64"))
    repository.push(one, "v1")
    repository.start_upload()
    session = gc_registry.session(gc_registry.key(org=org))
    assert session.delete(f"/v2/org/{org}/repos/net").status_code == 200
    gc(gc_registry)
    assert not blobs_of(one) & stored(gc_registry)


def test_a_push_under_way_keeps_its_blobs(gc_registry: RunningRegistry, repository: Distribution) -> None:
    one = image("first layer", "second layer")
    location = repository.start_upload()
    for content in one.blobs[:-1]:
        repository.put_blob(content)
    gc(gc_registry)  # however short the grace time: an upload is open
    repository.send("PUT", with_digest(location, one.blobs[-1].digest), data=one.blobs[-1].data)
    gc(gc_registry, grace_s=60)  # no upload is open, but the last step was just now
    assert repository.put_manifest(one.manifest, "v1").status_code == 201
    gc(gc_registry)
    repository.assert_holds(one, "v1")


def test_asking_for_a_blob_before_a_push_keeps_it(
    gc_registry: RunningRegistry, repository: Distribution, org: str
) -> None:
    """A client that finds all blobs there sends only the manifest: they must not go in between."""
    one = image("here already")
    for content in one.blobs:
        repository.put_blob(content)
    make_old(gc_registry, repository.repository)
    assert repository.send("HEAD", f"blobs/{one.blobs[0].digest}").status_code == 200
    gc(gc_registry, grace_s=60)
    assert repository.put_manifest(one.manifest, "v1").status_code == 201

    reader = Distribution(gc_registry.url, f"{org}/other", gc_registry.key(org=org))
    reader.put_blob(one.blobs[0])
    make_old(gc_registry, reader.repository)
    pull = reader.token(f"repository:{reader.repository}:pull")
    assert reader.send("HEAD", f"blobs/{one.blobs[0].digest}", token=pull).status_code == 200
    gc(gc_registry, grace_s=60)  # looking at it is no push
    assert reader.send("HEAD", f"blobs/{one.blobs[0].digest}").status_code == 404


def make_old(registry: RunningRegistry, path: str) -> None:
    """Let the last step of a push to this repository be two minutes ago."""
    with registry.data.database.writing() as db:
        found = find_repository(db, path)
        assert found is not None
        found.pushed_to_at = utc_now() - timedelta(minutes=2)


def test_an_abandoned_push_is_forgotten(gc_registry: RunningRegistry, repository: Distribution) -> None:
    content = Content(b"left behind" * 1000)
    repository.put_blob(content)
    location = repository.start_upload()
    repository.send("PATCH", location, data=b"half of it")
    upload_id = location.rpartition("/")[2]
    parts = gc_registry.data_dir / "parts" / upload_id
    assert parts.exists()
    assert gc(gc_registry).uploads == 0
    assert content.digest in stored(gc_registry)
    assert gc(gc_registry, abandoned_s=0).uploads == 1
    assert not parts.exists()
    assert content.digest not in stored(gc_registry)
    assert repository.send("GET", location).status_code == 404
    assert repository.send("GET", "tags/list").status_code == 404  # the repository never came to be


def test_leftovers_of_processes_that_died(gc_registry: RunningRegistry) -> None:
    stray = gc_registry.data_dir / "blobs" / "sha256" / "ab" / ("ab" * 32)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"renamed, but never noted")
    half = gc_registry.data_dir / "temp" / "half"
    half.write_bytes(b"never renamed")
    orphan = gc_registry.data_dir / "parts" / "nobody-knows-this"
    orphan.mkdir()
    (orphan / "1-ab").write_bytes(b"part")
    for _run in range(2):  # the first notes the stray, the second lets it be for a while
        gc(gc_registry, grace_s=60)
    assert stray.exists()
    assert half.exists()
    assert not orphan.exists()
    gc(gc_registry, abandoned_s=0)
    assert not stray.exists()
    assert not half.exists()


def test_the_command_reclaims_and_tells(gc_registry: RunningRegistry, repository: Distribution) -> None:
    one = image("doomed")
    repository.push(one, "v1")
    delete_tag(repository, "v1")
    command = [sys.executable, "-m", "ngc_cli.server", "gc", "--data-dir", str(gc_registry.data_dir)]
    kept = subprocess.run(command, check=True, capture_output=True, text=True)
    assert kept.stdout == "reclaimed 0 B: 0 contents, 0 image manifests, 0 abandoned uploads\n"
    done = subprocess.run([*command, "--grace", "0"], check=True, capture_output=True, text=True)
    assert "2 contents, 1 image manifests, 0 abandoned uploads" in done.stdout
    assert not blobs_of(one) & stored(gc_registry)


def test_a_database_that_does_not_belong_to_the_folder_is_refused(
    gc_registry: RunningRegistry, repository: Distribution, tmp_path: Path
) -> None:
    """To an empty database everything would look unused."""
    one = image("precious")
    repository.push(one, "v1")
    command = [sys.executable, "-m", "ngc_cli.server", "gc", "--data-dir", str(gc_registry.data_dir)]
    command += ["--grace", "0", "--database-url", f"sqlite:///{tmp_path}/other.db"]
    for _run in range(2):
        refused = subprocess.run(command, check=False, capture_output=True, text=True)
        assert refused.returncode == 1
        assert "another database" in refused.stderr
    repository.assert_holds(one, "v1")


def test_pushes_go_on_while_the_collector_runs(
    gc_registry: RunningRegistry, repository: Distribution, other: Distribution
) -> None:
    """Tags move and go, layers are shared between images and repositories, and the collector never stops."""
    rounds = 12
    failures: list[BaseException] = []
    finished = threading.Event()
    last: dict[tuple[str, str], Image] = {}

    def push(target: Distribution, salt: str) -> None:
        try:
            for number in range(rounds):
                one = image("base", f"layer {number % 3}", f"{salt} {number}")
                tag = f"t{number % 4}"
                target.push(one, tag)
                target.assert_holds(one, tag)
                last[target.repository, tag] = one
                if number % 5 == 4:
                    delete_tag(target, tag)
                    del last[target.repository, tag]
        except BaseException as error:
            failures.append(error)

    def collect_all_the_time() -> None:
        try:
            while not finished.is_set():
                gc(gc_registry, grace_s=1)
        except BaseException as error:
            failures.append(error)

    collecting = threading.Thread(target=collect_all_the_time)
    pushing = [threading.Thread(target=push, args=pair) for pair in ((repository, "a"), (other, "b"))]
    for thread in (collecting, *pushing):
        thread.start()
    for thread in pushing:
        thread.join()
    finished.set()
    collecting.join()
    assert not failures, failures
    for (path, tag), one in last.items():
        (repository if path == repository.repository else other).assert_holds(one, tag)
    gc(gc_registry)
    assert stored(gc_registry) & {layer(f"layer {n}").digest for n in range(3)}
    assert not stored(gc_registry) - blobs_of(*last.values()) - unrelated(gc_registry)
    for (path, tag), one in last.items():
        (repository if path == repository.repository else other).assert_holds(one, tag)


def unrelated(registry: RunningRegistry) -> set[str]:
    """Contents of models that other tests left."""
    with registry.data.database.reading() as db:
        return {f"sha256:{sha256}" for sha256 in db.scalars(select(File.sha256))}
