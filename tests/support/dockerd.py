"""A Docker daemon of the tests' own; needs root and Debian's docker.io."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.registry import wait_until


@dataclass
class Docker:
    """A daemon and the command line that speaks to it; registries on loopback need no TLS for it."""

    folder: Path

    @property
    def address(self) -> str:
        return f"unix://{self.folder}/socket"

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DOCKER_HOST": self.address}

    def run(self, *words: str, stdin: str = "", ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``docker`` with these words; with ``ok=False`` it must fail."""
        done = subprocess.run(
            ["docker", *words],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode == 0) is ok, f"{words}: {done.stdout}{done.stderr}"
        return done

    def answers(self) -> bool:
        """Whether the daemon is up."""
        asked = subprocess.run(
            ["docker", "version"], env=self.environment, capture_output=True, check=False, timeout=30
        )
        return asked.returncode == 0


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """A daemon that ends with the test run, with all its images."""
    made = Docker(Path(tempfile.mkdtemp(prefix="dockerd-")))  # socket paths must be short
    folder = made.folder
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [
                *("dockerd", "--storage-driver", "vfs", "--iptables=false", "--ip6tables=false"),
                *("--bridge=none", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
                *("--pidfile", f"{folder}/pid", "-H", made.address),
            ],
            stdout=log,
            stderr=log,
            env=made.environment,
        )
    try:
        wait_until(lambda: made.answers() or daemon.poll() is not None, timeout_s=60)
        assert daemon.poll() is None, (folder / "log").read_text()
        yield made
    finally:
        daemon.terminate()
        daemon.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
