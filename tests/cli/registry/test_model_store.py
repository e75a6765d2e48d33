"""Models in and out of the store of an inference server, against the embedded registry."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.commands import MakeShell, Shell
from support.modelstore import MNIST, content, mnist, write
from support.program import Ngc
from support.registry import RunningRegistry, wait_until

CHANGED = MNIST.replace("max_batch_size: 8", "max_batch_size: 16")


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def org(registry: RunningRegistry) -> str:
    return registry.org()


@pytest.fixture
def key(registry: RunningRegistry, org: str) -> str:
    return registry.key(org=org, role="REGISTRY_ADMIN")


@pytest.fixture
def ngc(shell: MakeShell, registry: RunningRegistry, org: str, key: str) -> Shell:
    return shell(registry, key, org, DOCKER_HOST="unix:///nonexistent", PATH="/nonexistent")


@pytest.fixture
def publish(ngc: Shell, tmp_path: Path) -> Callable[..., None]:
    """Uploads files as a version."""

    def upload(target: str, files: dict[str, str]) -> None:
        source = write(tmp_path / "source" / target.replace(":", "-"), files)
        if ngc(f"registry model info {target.partition(':')[0]}").code:
            ngc.ok(f"registry model create {target.partition(':')[0]}")
        ngc.ok(f"registry model upload-version {target} --source {source}")

    return upload


def flat(config: str | None = MNIST, plan: str = "for 7.0") -> dict[str, str]:
    """A version that holds configuration, labels and definitions side by side."""
    files = {"mnist_labels.txt": "zero\none\n", "model6_1.plan": "for 6.1", "model7_0.plan": plan}
    return files if config is None else {"config.pbtxt": config, **files}


DOWNLOAD = "registry model download-version"


def test_a_version_becomes_a_model_of_the_store(ngc: Shell, publish: Callable[..., None]) -> None:
    publish("mnist:1", flat())
    done = ngc.json(f"{DOWNLOAD} mnist:1 --model-store store")
    assert content(Path("store")) == content(write(Path("expected"), mnist()))
    assert done["local_path"] == str(Path("store/trt_mnist/1").absolute())
    assert ngc.json("registry model check-store store")["ok"] is True
    assert sorted(path.name for path in Path().iterdir()) == ["expected", "source", "store"]


@pytest.mark.parametrize(
    ("era", "end"),
    [
        (
            "triton",
            ":/models {memory} {host}/nvidia/tritonserver:YY.MM-py3 tritonserver --model-repository=/models",
        ),
        (
            "2018",
            ":/tmp/models {memory} {host}/nvidia/inferenceserver:18.MM-py3 "
            "/opt/inference_server/bin/inference_server --model-store=/tmp/models",
        ),
    ],
)
def test_the_end_is_how_to_serve_it(
    ngc: Shell, publish: Callable[..., None], registry: RunningRegistry, era: str, end: str
) -> None:
    publish("mnist:1", flat())
    shown = ngc.ok(f"{DOWNLOAD} mnist:1 --model-store store --era {era}")
    memory = "--shm-size=1g --ulimit memlock=-1 --ulimit stack=67108864"
    ports = "-p 8000:8000 -p 8001:8001 -p 8002:8002"
    end = end.format(memory=memory, host=registry.url.partition("://")[2])
    assert f" --rm {ports} -v {Path('store').absolute()}{end}\n" in shown


def test_a_model_keeps_the_numbers_it_has(ngc: Shell, publish: Callable[..., None]) -> None:
    files = {name.partition("/")[2]: text for name, text in mnist("3").items()}
    publish("mnist:20.04", {**files, "5/model6_1.plan": "a", "5/model7_0.plan": "b"})
    ngc.ok(f"{DOWNLOAD} mnist:20.04 --model-repository store")
    assert sorted(item.name for item in Path("store/trt_mnist").iterdir() if item.is_dir()) == ["3", "5"]
    refused = ngc(f"{DOWNLOAD} mnist:20.04 --model-store store --store-version 1")
    assert refused.code == 2


def test_a_second_version_joins_the_first(ngc: Shell, publish: Callable[..., None]) -> None:
    publish("mnist:1", flat())
    publish("mnist:2", flat(None, "newer"))
    ngc.ok(f"{DOWNLOAD} mnist:1 --model-store store")
    done = ngc(f"{DOWNLOAD} mnist:2 --model-store store --as trt_mnist")
    assert done.code == 0, done.err
    assert Path("store/trt_mnist/2/model7_0.plan").read_text() == "newer"
    assert not Path("store/trt_mnist/2/mnist_labels.txt").exists()
    late = ngc(f"{DOWNLOAD} mnist:2 --model-store store --as trt_mnist --store-version 0")
    assert "does not serve version 0: there are 0, 1, 2" in late.err


def test_a_second_run_fetches_nothing(ngc: Shell, publish: Callable[..., None]) -> None:
    publish("mnist:1", flat())
    ngc.ok(f"{DOWNLOAD} mnist:1 --model-store store")
    before = {path: path.stat() for path in Path("store").rglob("*")}
    done = ngc.json(f"{DOWNLOAD} mnist:1 --model-store store")
    assert done["bytes_downloaded"] <= len(MNIST)
    assert done["files_skipped"] == 4
    assert {path: path.stat().st_mtime_ns for path in Path("store").rglob("*")} == {
        path: status.st_mtime_ns for path, status in before.items()
    }


def test_other_content_under_the_same_number_is_refused(ngc: Shell, publish: Callable[..., None]) -> None:
    publish("mnist:1", flat())
    publish("mnist:2", flat(plan="other"))
    ngc.ok(f"{DOWNLOAD} mnist:1 --model-store store")
    before = content(Path("store"))
    for more in ("", "--replace-config"):
        done = ngc(f"{DOWNLOAD} mnist:2 --model-store store --store-version 1 {more}")
        assert done.code == 13, done.err
    assert content(Path("store")) == before


def test_another_configuration_needs_a_word(ngc: Shell, publish: Callable[..., None]) -> None:
    publish("mnist:1", flat())
    publish("mnist:2", flat(CHANGED))
    ngc.ok(f"{DOWNLOAD} mnist:1 --model-store store")
    before = content(Path("store"))
    done = ngc(f"{DOWNLOAD} mnist:2 --model-store store")
    assert (done.code, content(Path("store"))) == (13, before)
    assert "--replace-config" in done.err
    ngc.ok(f"{DOWNLOAD} mnist:2 --model-store store --replace-config")
    assert Path("store/trt_mnist/config.pbtxt").read_text() == CHANGED
    assert Path("store/trt_mnist/2/model7_0.plan").exists()


@pytest.mark.parametrize(
    ("version", "hint"),
    [
        ("v3", "--store-version 3"),
        ("01", "leading zeros"),
        ("1.0.2", "--store-version 1"),
        ("2020-04-01", "--store-version 2020"),
    ],
)
def test_a_version_that_is_no_number(
    ngc: Shell, publish: Callable[..., None], version: str, hint: str
) -> None:
    publish(f"mnist:{version}", flat())
    done = ngc(f"{DOWNLOAD} mnist:{version} --model-store store")
    assert done.code == 2
    assert hint in done.err
    assert not Path("store").exists()
    ngc.ok(f"{DOWNLOAD} mnist:{version} --model-store store --store-version 9")
    assert Path("store/trt_mnist/9").is_dir()


def test_the_name_is_that_of_the_configuration(ngc: Shell, publish: Callable[..., None]) -> None:
    publish("mnist:1", flat())
    done = ngc(f"{DOWNLOAD} mnist:1 --model-store store --as other")
    assert done.code == 2
    assert "other" in done.err
    assert "trt_mnist" in done.err
    publish("evil:1", flat(MNIST.replace('"trt_mnist"', '"../../evil"')))
    assert ngc(f"{DOWNLOAD} evil:1 --model-store store").code == 1
    assert not Path("store").exists()


@pytest.mark.parametrize(
    ("config", "section"),
    [
        ("name: {", "6.3"),
        (MNIST.replace("model7_0.plan", "model8_0.plan"), "6.3.3"),
        (MNIST.replace("mnist_labels.txt", "labels.txt"), "6.3"),
        (MNIST + "version_policy { specific { versions: [2] } }", "6.1"),
    ],
)
def test_what_the_server_would_not_serve_never_gets_there(
    ngc: Shell, publish: Callable[..., None], config: str, section: str
) -> None:
    publish("mnist:1", flat(config))
    done = ngc(f"{DOWNLOAD} mnist:1 --model-store store")
    assert done.code == 1
    assert f"(section {section})" in done.err
    assert not Path("store").exists()


def test_a_configuration_is_made_on_request_and_only_for_triton(
    ngc: Shell, publish: Callable[..., None]
) -> None:
    publish("net:1", {"model.pt": "weights"})
    assert "6.2" in ngc(f"{DOWNLOAD} net:1 --model-store store").err
    ngc.ok(f"{DOWNLOAD} net:1 --model-store store --make-config")
    assert Path("store/net/config.pbtxt").read_text() == 'name: "net"\nplatform: "pytorch_libtorch"\n'
    assert ngc(f"{DOWNLOAD} net:1 --model-store old --make-config --era 2018").code == 2
    assert ngc(f"{DOWNLOAD} net:1 --model-store old --era 2018").code == 1


def test_hidden_files_stay_out(ngc: Shell, publish: Callable[..., None]) -> None:
    publish("net:1", {"model.onnx": "x", ".gitattributes": "x", ".cache/config": "x"})
    done = ngc(f"{DOWNLOAD} net:1 --model-store store")
    assert done.code == 0
    assert "2 hidden files" in done.err
    assert content(Path("store")) == {"net": None, "net/1": None, "net/1/model.onnx": b"x"}


@pytest.mark.parametrize("option", ["--dest x", "--dest-exact", "--file x", "--exclude x", "--verify-only"])
def test_what_does_not_go_with_a_store(ngc: Shell, option: str) -> None:
    done = ngc(f"{DOWNLOAD} net:1 --model-store store {option}")
    assert (done.code, option.split()[0] in done.err) == (2, True)


@pytest.mark.parametrize(
    "option", ["--as x", "--store-version 1", "--era 2018", "--replace-config", "--make-config"]
)
def test_what_needs_a_store(ngc: Shell, option: str) -> None:
    done = ngc(f"{DOWNLOAD} net:1 {option}")
    assert (done.code, "--model-store" in done.err) == (2, True)


def test_a_store_that_nothing_can_be_put_beside(ngc: Shell, publish: Callable[..., None]) -> None:
    publish("mnist:1", flat())
    for store in ("/", "/proc"):
        done = ngc(f"{DOWNLOAD} mnist:1 --model-store {store}")
        assert (done.code, "a disk of its own" in done.err) == (17, True)


def test_a_disk_without_hard_links_will_do(
    ngc: Shell, publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    publish("mnist:1", flat())
    for _ in range(2):
        ngc.ok(f"{DOWNLOAD} mnist:1 --model-store store")
        assert content(Path("store")) == content(write(Path("expected"), mnist()))


def test_a_dry_run_writes_nothing(ngc: Shell, publish: Callable[..., None], tmp_path: Path) -> None:
    publish("mnist:1", flat())
    plan = ngc.json(f"{DOWNLOAD} mnist:1 --model-store store --dry-run")
    assert (plan["file_count"], plan["local_path"]) == (4, str(tmp_path / "store"))
    assert [item.name for item in tmp_path.iterdir()] == ["source"]


def test_a_version_goes_up_from_the_store_and_comes_back(ngc: Shell) -> None:
    write(Path("store"), {**mnist("1"), **mnist("4"), "trt_mnist/.cache": "", "trt_mnist/4/.cache": ""})
    ngc.ok("registry model create mnist")
    done = ngc.json("registry model upload-version mnist:4 --model-store store/trt_mnist")
    assert done["local_path"] == str(Path("store/trt_mnist/4").absolute())
    ngc.ok(f"{DOWNLOAD} mnist:4 --model-store back")
    assert content(Path("back")) == content(write(Path("expected"), mnist("4")))
    missing = ngc("registry model upload-version mnist:2 --model-store store/trt_mnist")
    assert (missing.code, "there: 1, 4" in missing.err) == (2, True)
    Path("store/trt_mnist/1/model6_1.plan").unlink()
    broken = ngc("registry model upload-version mnist:1 --model-store store/trt_mnist")
    assert (broken.code, "6.3.3" in broken.err) == (1, True)


def test_check_store_lists_what_is_wrong(ngc: Shell) -> None:
    write(Path("store"), {**mnist(), ".ngc-transfer/x": "", "trt_mnist/v2/model.plan": ""})
    done = ngc("registry model check-store store --format_type json")
    assert done.code == 1
    assert (done.data["ok"], done.data["models"]) == (False, ["trt_mnist"])
    assert [(item["path"], item["section"]) for item in done.data["problems"]] == [
        (".ngc-transfer", "6"),
        ("trt_mnist/v2", "6.1"),
    ]
    assert ngc("registry model check-store none").code == 17


# a server that watches

SIZE = 12_000_000  # more than the download engine fetches at once without a log
RATE = "12M"
SLOW = "2M"


@pytest.fixture
def large(publish: Callable[..., None]) -> dict[str, str]:
    """A version of twelve megabytes, as ``mnist:2``."""
    files = flat(MNIST, "x" * SIZE)
    publish("mnist:2", files)
    return files


def test_a_server_never_sees_half_a_version(
    ngc: Shell,
    large: dict[str, str],
    make_ngc: Callable[..., Ngc],
    registry: RunningRegistry,
    key: str,
    org: str,
) -> None:
    """A watcher lists the store every 5 ms during a slow download."""
    write(Path("store"), mnist())
    seen: list[set[str]] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.005):
            seen.append({path.relative_to("store").as_posix() for path in _files(Path("store"))})

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        make_ngc(registry, key, NGC_CLI_ORG=org).run(
            f"{DOWNLOAD} mnist:2 --model-store store --limit-rate {RATE}"
        )
    finally:
        stop.set()
        watcher.join()
    before = set(mnist())
    after = before | {"trt_mnist/2/model6_1.plan", "trt_mnist/2/model7_0.plan"}
    assert len(seen) > 20
    assert [names for names in seen if names not in (before, after)] == []
    assert content(Path("store"))["trt_mnist/2/model7_0.plan"] == large["model7_0.plan"].encode()


def test_a_killed_download_leaves_the_store_and_goes_on(
    ngc: Shell,
    large: dict[str, str],
    make_ngc: Callable[..., Ngc],
    registry: RunningRegistry,
    key: str,
    org: str,
) -> None:
    """Killed at 20 points, each when a fortieth more has been received; then the rest is fetched, and only that."""
    write(Path("store"), mnist())
    before = content(Path("store"))
    program = make_ngc(registry, key, NGC_CLI_ORG=org)
    line = f"{DOWNLOAD} mnist:2 --model-store store"
    for point in range(1, 21):
        process = program.start(f"{line} --limit-rate {SLOW}")
        wait_until(lambda wanted=point * SIZE // 40: _received(Path(".ngc-transfer")) >= wanted)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert content(Path("store")) == before
    rest = program.json(f"{line} --dry-run")["bytes_missing"]
    assert 0 < rest < SIZE * 0.7
    assert program.json(line)["bytes_downloaded"] <= 1.1 * rest
    assert content(Path("store"))["trt_mnist/2/model7_0.plan"] == large["model7_0.plan"].encode()
    assert sorted(item.name for item in Path().iterdir() if item.name != "source") == ["home", "store"]


def _received(folder: Path) -> int:
    """Bytes of the large file that are below a folder; part files have their full size, of zeros, from the start."""
    total = 0
    for path in _files(folder):
        with contextlib.suppress(FileNotFoundError):
            total += path.read_bytes().count(b"x")
    return total


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder, also while it changes."""
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names)
