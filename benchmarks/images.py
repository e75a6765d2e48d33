"""Pull and push of one image against skopeo: time as a ratio, peak memory, on this machine and Debian's registry.

Both programs move the same layers over loopback between a layout on disk and a ``docker-registry``, in turn; medians
are compared. Each pull goes into a new folder and each push to a new, empty registry: skopeo remembers which registry
has which layers, and would have them mounted instead of sending them. A second image of four times the size shows
that memory does not grow with it. Needs skopeo and docker-registry in PATH::

    python benchmarks/images.py [--layers 8] [--layer-mib 64] [--runs 5] [--check]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ngc_cli.oci.descriptor import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, digest_of
from ngc_cli.oci.layout import Layout
from ngc_cli.oci.manifest import Manifest

MIB = 1024 * 1024
PULL_GOAL = 1.0
PUSH_GOAL = 1.2
MEMORY_GOAL_MIB = 80


class Run(NamedTuple):
    """One run of a program: wall time in seconds and peak resident memory in MiB."""

    wall_s: float
    peak_mib: float


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--layers", type=int, default=8)
    arguments.add_argument("--layer-mib", type=int, default=64)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--check", action="store_true", help="fail when a goal is missed")
    given = arguments.parse_args()
    missing = [name for name in ("skopeo", "docker-registry") if shutil.which(name) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="ngc-bench-") as name:
        return compare(Path(name), given)


def compare(folder: Path, given: argparse.Namespace) -> int:
    """Measure, print the table, and tell whether the goals are met."""
    make_image(folder / "image", given.layers, given.layer_mib)
    make_image(folder / "large", given.layers, 4 * given.layer_mib)
    bench = Bench(folder)
    runs: dict[tuple[str, str], list[Run]] = {}
    with registry(folder) as host:
        bench.push("ngc", host, "image")
        for number in range(given.runs):
            for program in ("ngc", "skopeo") if number % 2 else ("skopeo", "ngc"):
                runs.setdefault((program, "pull"), []).append(bench.pull(program, host))
    for number in range(given.runs):
        for program in ("ngc", "skopeo") if number % 2 else ("skopeo", "ngc"):
            with registry(folder) as host:
                runs.setdefault((program, "push"), []).append(bench.push(program, host, "image"))
    with registry(folder) as host:
        large = {"push": bench.push("ngc", host, "large"), "pull": bench.pull("ngc", host)}
    size = given.layers * given.layer_mib
    print(
        f"{given.layers} layers of {given.layer_mib} MiB, medians of {given.runs} runs, {os.cpu_count()} cores"
    )
    print("| | ngc s | skopeo s | x skopeo | ngc MiB | skopeo MiB | ngc MiB at 4 x size |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    met = True
    for verb, goal in (("pull", PULL_GOAL), ("push", PUSH_GOAL)):
        ours, theirs = (median(runs[program, verb]) for program in ("ngc", "skopeo"))
        ratio = ours.wall_s / theirs.wall_s
        met &= ratio <= goal and large[verb].peak_mib <= MEMORY_GOAL_MIB
        print(
            f"| {verb} {size} MiB | {ours.wall_s:.2f} | {theirs.wall_s:.2f} | {ratio:.2f} | {ours.peak_mib:.0f} "
            f"| {theirs.peak_mib:.0f} | {large[verb].peak_mib:.0f} |"
        )
    print(
        f"goals: pull {PULL_GOAL} x, push {PUSH_GOAL} x, memory {MEMORY_GOAL_MIB} MiB: {'met' if met else 'MISSED'}"
    )
    return 0 if met or not given.check else 1


def median(runs: list[Run]) -> Run:
    return Run(statistics.median(run.wall_s for run in runs), statistics.median(run.peak_mib for run in runs))


class Bench:
    """Runs both programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        (folder / "home").mkdir()
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder),
            "DOCKER_HOST": "unix:///nonexistent",
        }

    def pull(self, program: str, host: str) -> Run:
        """Fetch the image into a new layout, which is removed again."""
        self.count += 1
        out = self.folder / f"out{self.count}"
        if program == "ngc":
            words = [*NGC, "pull", f"{NAME}:1", "--output", f"oci:{out}", "--run-hint", "none"]
        else:
            words = [*SKOPEO, "--src-tls-verify=false", f"docker://{host}/{NAME}:1", f"oci:{out}:1"]
        done = self.run(words, host)
        shutil.rmtree(out)
        return done

    def push(self, program: str, host: str, image: str) -> Run:
        """Send an image to a registry."""
        source = self.folder / image
        if program == "ngc":
            words = [*NGC, "push", f"{NAME}:1", "--source", f"oci:{source}"]
        else:
            words = [*SKOPEO, "--dest-tls-verify=false", f"oci:{source}:1", f"docker://{host}/{NAME}:1"]
        return self.run(words, host)

    def run(self, words: list[str], host: str) -> Run:
        """Time a program; its peak memory is that of this small process at least, which it is forked from."""
        environ = {**self.environ, "NGC_CLI_API_URL": f"http://{host}"}
        started_s = time.monotonic()
        process = subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        if process.returncode:
            raise SystemExit(f"{words} failed:\n{said.decode()}")
        return Run(time.monotonic() - started_s, usage.ru_maxrss / 1024)


NGC = [sys.executable, "-m", "ngc_cli", "--no-progress", "registry", "image"]
SKOPEO = ["skopeo", "--insecure-policy", "copy", "--quiet"]
NAME = "bench/image"


def make_image(folder: Path, layers: int, layer_mib: int) -> None:
    """A layout with one image of layers that do not compress."""
    layout = Layout.create(folder)
    described = []
    for _ in range(layers):
        hashed = hashlib.sha256()
        with (folder / "layer").open("wb") as file:
            for _ in range(layer_mib):
                block = os.urandom(MIB)
                hashed.update(block)
                file.write(block)
        item = Descriptor(OCI_LAYER, f"sha256:{hashed.hexdigest()}", layer_mib * MIB)
        (folder / "layer").replace(layout.blob_path(item.digest))
        described.append(item)
    diff_ids = ",".join(f'"{item.digest}"' for item in described)
    config = (
        '{"os":"linux","architecture":"amd64","config":{},"rootfs":{"type":"layers","diff_ids":['
        + diff_ids
        + "]}}"
    ).encode()
    layout.add(config, digest_of(config))
    content = Manifest(OCI_MANIFEST, Descriptor.of(config, OCI_CONFIG), tuple(described)).encode()
    root = Descriptor.of(content, OCI_MANIFEST)
    layout.add(content, root.digest)
    layout.name(root, "1", "")


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Debian's docker-registry with an empty store, which is removed after; its host and port."""
    data = folder / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {data}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "config.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
