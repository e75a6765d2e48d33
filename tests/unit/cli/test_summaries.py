"""The block that ends a transfer: its numbers after a failure, a second run, a resume and a comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ngc_cli.cli.registry.artifact_views import transfer_summary
from ngc_cli.services.transfers import COMPLETED, FAILED, Outcome

MB = 1 << 20
WHOLE = Outcome(
    direction="download",
    transfer_id="m_v1",
    target="o/m:1",
    status=COMPLETED,
    local_path=Path("/m_v1"),
    files_total=4,
    files_done=4,
    files_skipped=0,
    size_bytes=8 * MB,
    done_bytes=8 * MB,
    kept_bytes=0,
    bytes_moved=8 * MB,
    started_at_s=0.0,
    ended_at_s=4.0,
)
AGAIN = replace(WHOLE, files_skipped=4, kept_bytes=8 * MB, bytes_moved=0)
RESUMED = replace(WHOLE, kept_bytes=6 * MB, bytes_moved=2 * MB, files_skipped=1)
BROKEN = replace(
    WHOLE,
    status=FAILED,
    files_done=1,
    done_bytes=MB,
    bytes_moved=9 * MB,
    failed={"a": "no", "b": "no", "c": "no"},
)


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (WHOLE, "Downloaded 8 MB in 4s, Download speed: 2 MB/s"),
        (AGAIN, "Nothing to download: all 4 files were there before, 8 MB"),
        (RESUMED, "Downloaded 2 MB in 4s, Download speed: 512 KB/s; 6 MB were there before"),
        (BROKEN, "Downloaded 1 MB in 4s: 1 of 4 files are complete, 1 MB of 8 MB"),
        (replace(AGAIN, direction="upload"), "Nothing to upload: all 4 files were there before, 8 MB"),
        (replace(AGAIN, only_verified=True), "Verified 8 MB in 4s"),
        (replace(BROKEN, only_verified=True), "Verified 1 MB in 4s: 1 of 4 files are complete, 1 MB of 8 MB"),
    ],
)
def test_the_first_line_tells_what_this_run_did(outcome: Outcome, line: str) -> None:
    assert transfer_summary(outcome).first_line == line


def labels(outcome: Outcome) -> dict[str, object]:
    return {field.label: field.value for field in transfer_summary(outcome).fields}


def test_fields_count_this_run_and_tell_apart_what_was_there() -> None:
    again = labels(AGAIN)
    assert (again["Total files downloaded"], again["Total downloaded size"]) == (0, "0 B")
    assert again["There before"] == "4 files, 8 MB"
    assert "There before" not in labels(WHOLE)
    verified = labels(replace(AGAIN, only_verified=True))
    assert (verified["Verification status"], verified["Total files verified"]) == (COMPLETED, 4)
    assert not [label for label in verified if "ownload" in label]


def test_json_has_totals_of_all_files_whatever_failed() -> None:
    data = transfer_summary(BROKEN).data
    assert (data["files_total"], data["bytes_total"]) == (4, 8 * MB)
    assert (data["files_done"], data["bytes_done"], data["files_downloaded"]) == (1, MB, 1)
    assert (transfer_summary(AGAIN).data["bytes_kept"], transfer_summary(AGAIN).data["files_downloaded"]) == (
        8 * MB,
        0,
    )
