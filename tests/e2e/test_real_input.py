"""A 2 GiB folder goes up and comes down byte-identical, also when every run but the last is killed."""

from __future__ import annotations

import hashlib
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.program import BIN, Ngc
from support.registry import RunningRegistry, wait_until

MIB = 1024 * 1024
BIG_BYTES = 1536 * MIB
WASTE_BYTES = 16 * MIB
KILLS = 10
PEAK_BYTES = 150 * MIB


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 1.5 GiB file, 2,000 small ones in nested folders, an empty one, names with blanks and Unicode."""
    folder = tmp_path_factory.mktemp("model") / "model"
    generator = random.Random(7)
    folder.mkdir()
    with (folder / "weights.bin").open("wb") as file:
        for _ in range(BIG_BYTES // (8 * MIB)):
            file.write(os.urandom(8 * MIB))
    for number in range(2000):
        path = folder / f"d{number % 13}" / f"e{number % 7}" / f"file {number:04}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.randbytes(generator.randrange(1, 4000)))
    (folder / "empty").touch()
    (folder / "\u00dcberg\u00e4nge \u6a21\u578b + #1.json").write_text("{}")
    return folder


def digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(MIB):
                    digest.update(block)
            found[str(path.relative_to(folder))] = digest.hexdigest()
    return found


def run_killed(ngc: Ngc, line: str, longest_s: float) -> int:
    """Run a command and kill it at a random moment, ten times; returns how many runs were really killed."""
    killed = 0
    for _ in range(KILLS):
        process = ngc.start(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(random.uniform(0.2, longest_s))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    return killed


def peak_rss(ngc: Ngc, line: str) -> int:
    """Run a command to its end; returns its largest resident size in bytes.

    A small process starts it: a child's peak begins with what its parent held when it forked.
    """
    measure = "import os, subprocess, sys\nsubprocess.run(sys.argv[1:], check=True, stdout=2)\n"
    measure += "import resource\nprint(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    words = [sys.executable, "-S", "-c", measure, str(BIN / "ngc"), *shlex.split(line)]
    done = subprocess.run(
        words, cwd=ngc.folder, env=ngc.variables(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) * 1024


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_two_gigabyte_folder_survives_twenty_kills(
    start_registry: Callable[..., RunningRegistry], make_ngc: Callable[..., Ngc], model: Path
) -> None:
    registry = start_registry()
    org = registry.org("acme")
    ngc = make_ngc(registry, registry.key(org=org))
    size_bytes = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    ngc.run("registry model create acme/big")
    upload = f"registry model upload-version --source '{model}' acme/big:1"
    download = "registry model download-version acme/big:1 --dest out"

    with registry.watching() as requests:
        killed = run_killed(ngc, upload, 2.5)
        assert [item["status"] for item in ngc.json("registry model list acme/big:*")] == ["UPLOAD_PENDING"]
        assert peak_rss(ngc, upload) < PEAK_BYTES
    received = sum(
        line.bytes_received for line in requests if line.method == "PUT" and line.bytes_received > 0
    )
    assert killed >= KILLS - 3
    assert received <= size_bytes + killed * WASTE_BYTES + 8 * MIB, (received - size_bytes) / MIB

    with registry.watching() as requests:
        killed = run_killed(ngc, download, 2.0)
        target = ngc.folder / "out" / "big_v1"
        assert digests(target).items() <= digests(model).items(), "a final name with wrong content"
        assert peak_rss(ngc, download) < PEAK_BYTES
    assert digests(target) == digests(model)
    sent = sum(line.bytes_sent for line in requests if not line.path.startswith("/v2/org"))
    assert killed >= KILLS - 5
    assert sent <= size_bytes + killed * WASTE_BYTES, (sent - size_bytes) / MIB

    started_s = time.monotonic()
    with registry.watching() as requests:
        again = ngc.json(download)
    assert again["files_skipped"] == again["files_total"] == 2003
    assert again["bytes_downloaded"] == 0
    assert not [line for line in requests if not line.path.startswith("/v2/org")]
    assert time.monotonic() - started_s < 4


def test_sigterm_and_sigint_leave_a_resume_hint(
    registry: RunningRegistry, make_ngc: Callable[..., Ngc]
) -> None:
    org = registry.org()
    ngc = make_ngc(registry, registry.key(org=org))
    (ngc.folder / "model").mkdir()
    (ngc.folder / "model" / "a").write_bytes(os.urandom(20 * MIB))
    ngc.run(f"registry model create {org}/m")
    upload = f"registry model upload-version --source model --limit-rate 4M {org}/m:1"
    for number, code in ((signal.SIGINT, 4), (signal.SIGTERM, 143)):
        seen = len(registry.log())
        process = ngc.start(upload)
        wait_until(lambda: len(registry.log()) > seen)  # noqa: B023 - called before the next round
        asked_s = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=10)
        assert time.monotonic() - asked_s < 2
        assert process.returncode == code, err
        assert "Run the same command again" in err
        assert "Traceback" not in err
    ngc.run(f"registry model upload-version --source model {org}/m:1")
