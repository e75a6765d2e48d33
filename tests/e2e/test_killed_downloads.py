"""Downloads that are killed at any moment, and several at once into one folder: never a false byte under a final name,
and nothing of ours is left in the end."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.program import Ngc
from support.registry import RunningRegistry

MIB = 1024 * 1024
KILLS = 60
CREATE = "--application a --framework f --format t --precision p --short-desc s"


@pytest.fixture
def source(registry: RunningRegistry, make_ngc: Callable[..., Ngc], tmp_path: Path) -> tuple[Ngc, str, Path]:
    """104 files of 37 MB in all, published; who may fetch them, the line that does, and the folder."""
    org = registry.org()
    ngc = make_ngc(registry, registry.key(org=org, role="REGISTRY_ADMIN"))
    folder = tmp_path / "source"
    sizes = {f"d{number % 5}/small{number}": number * 100 for number in range(100)}
    for name, size in {**sizes, "a": 18 * MIB, "b/b": 14 * MIB, "b/c": 3 * MIB, "one": MIB + 1}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.urandom(size))
    ngc.run(f"registry model create {org}/m {CREATE}")
    ngc.run(f"registry model upload-version --source source {org}/m:1")
    return ngc, f"registry model download-version {org}/m:1 --dest out", folder


def read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.slow
def test_sixty_kills_leave_no_false_byte_and_no_state(source: tuple[Ngc, str, Path]) -> None:
    ngc, line, folder = source
    wanted, target = read(folder), ngc.folder / "out" / "m_v1"
    for _ in range(KILLS):
        process = ngc.start(f"{line} --limit-rate 40M", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(random.uniform(0.2, 0.8))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert read(target).items() <= wanted.items()
        if len(read(target)) == len(wanted):  # begin again: some of it, chosen anew each time
            for name in random.sample(sorted(wanted), 60):
                (target / name).unlink()
    ngc.run(line)
    assert read(target) == wanted
    assert [item.name for item in (ngc.folder / "out").iterdir()] == ["m_v1"]


def test_three_downloads_into_one_folder_end_well_and_leave_nothing(source: tuple[Ngc, str, Path]) -> None:
    ngc, line, folder = source
    running = [ngc.start(line) for _ in range(3)]
    ends = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert [code for _, _, code in ends] == [0, 0, 0], ends
    assert read(ngc.folder / "out" / "m_v1") == read(folder)
    assert [item.name for item in (ngc.folder / "out").iterdir()] == ["m_v1"]
