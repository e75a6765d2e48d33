"""How to run a pulled image, by what is installed (container guide chapters 6.1 and 7.4)."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from ngc_cli.services.images.places import Place
from ngc_cli.services.images.run_line import RunHint, run_hint

IMAGE = "nvcr.io/nvidia/caffe2:17.10"
MISSING = "GPUs need NVIDIA's container toolkit, which was not found on this machine."
DAEMON = Place("docker-daemon")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., dict[str, str]]]:
    """Makes the environment of a machine with these programs and perhaps a daemon."""
    servers: list[tuple[Any, threading.Thread]] = []

    def make(*programs: str, version: str = "", podman: bool = False, **info: Any) -> dict[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in programs:
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)
        address = str(tmp_path / "d.sock")
        if version:
            answers = {
                "/version": {"Version": version, "Components": [{"Name": "Podman Engine"}] if podman else []},
                "/v1.40/info": info,
            }
            servers.append(_serve(address, answers))
        return {"PATH": str(folder), "DOCKER_HOST": f"unix://{address}"}

    yield make
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def _serve(address: str, answers: dict[str, Any]) -> tuple[Any, threading.Thread]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "local"

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    server = socketserver.ThreadingUnixStreamServer(address, Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    return server, thread


@pytest.mark.parametrize(
    ("programs", "daemon", "expected"),
    [
        (
            ["nvidia-container-cli"],
            {"version": "19.03.0"},
            RunHint(f"docker run --gpus all -it --rm {IMAGE}"),
        ),
        ([], {"version": "28.2.2"}, RunHint(f"docker run --gpus all -it --rm {IMAGE}", MISSING)),
        (
            [],
            {"version": "19.03.5-ce", "Runtimes": {"nvidia": {}}},
            RunHint(f"docker run --gpus all -it --rm {IMAGE}"),
        ),
        (
            ["nvidia-docker"],
            {"version": "18.09.1", "Runtimes": {"runc": {}, "nvidia": {}}, "DefaultRuntime": "runc"},
            RunHint(f"docker run --runtime=nvidia -it --rm {IMAGE}"),
        ),
        (
            [],
            {"version": "18.09.1", "Runtimes": {"nvidia": {}}, "DefaultRuntime": "nvidia"},
            RunHint(f"docker run -it --rm {IMAGE}"),
        ),
        (["nvidia-docker"], {"version": "17.12.0"}, RunHint(f"nvidia-docker run -it --rm {IMAGE}")),
        ([], {"version": "17.12.0"}, RunHint(f"docker run -it --rm {IMAGE}", MISSING)),
        (
            ["nvidia-ctk"],
            {"version": "4.3.1", "podman": True},
            RunHint(f"podman run --device nvidia.com/gpu=all -it --rm {IMAGE}"),
        ),
    ],
)
def test_an_image_in_the_daemon_is_run_by_the_gpu_support_there_is(
    machine: Callable[..., dict[str, str]], programs: list[str], daemon: dict[str, Any], expected: RunHint
) -> None:
    assert run_hint(DAEMON, IMAGE, "17.10", machine(*programs, **daemon)) == expected


@pytest.mark.parametrize(
    ("programs", "place", "command"),
    [
        (["singularity"], "oci-archive:/d/my net.tar", "singularity run --nv 'oci-archive:/d/my net.tar'"),
        (
            ["singularity", "apptainer"],
            "docker-archive:/d/net.tar",
            "apptainer run --nv docker-archive:/d/net.tar",
        ),
        (["singularity", "podman"], "oci:/d/net", "singularity run --nv oci:/d/net:17.10"),
        (
            ["podman", "nvidia-ctk"],
            "oci:/d/net",
            "podman run --device nvidia.com/gpu=all -it --rm oci:/d/net:17.10",
        ),
        ([], "oci:/d/net", ""),
        ([], "docker-daemon:", ""),
    ],
)
def test_without_a_daemon_a_file_is_run_by_what_can_read_it(
    machine: Callable[..., dict[str, str]], programs: list[str], place: str, command: str
) -> None:
    assert run_hint(Place.parse(place), IMAGE, "17.10", machine(*programs)) == RunHint(command)


def test_an_archive_is_loaded_first_where_there_is_docker(machine: Callable[..., dict[str, str]]) -> None:
    environ = machine("singularity", "nvidia-ctk", version="20.10.24")
    hint = run_hint(Place.parse("docker-archive:/d/net.tar"), IMAGE, "17.10", environ)
    assert hint == RunHint(f"docker load -i /d/net.tar && docker run --gpus all -it --rm {IMAGE}")
    hint = run_hint(Place.parse("oci-archive:/d/net.tar"), IMAGE, "17.10", environ)
    assert hint == RunHint("singularity run --nv oci-archive:/d/net.tar")


def test_a_daemon_address_that_cannot_be_used_is_no_reason_to_fail(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path), "DOCKER_HOST": "ssh://somewhere"}
    assert run_hint(Place.parse("oci:/d/net"), IMAGE, "1", environ) == RunHint("")
