"""Downloads through the transfer engine against curl and aria2c, from nginx on this machine; ratios of medians.

Usage: python benchmarks/transfer.py [--size-mib 4096] [--runs 3] [--check] [CASE...]. Needs nginx, curl, aria2c and
openssl. Whole processes are measured, in alternating runs. With --check the exit status is 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

MIB = 1024 * 1024
PORT, CAPPED_PORT = 18180, 18181
SMALL_FILES, SMALL_BYTES = 5000, 10 * 1024
CAP_MIB = 400

NGINX = """
daemon off; {user} worker_processes 2; pid {base}/nginx.pid; error_log {base}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
  client_body_temp_path {base}/t1; proxy_temp_path {base}/t2; fastcgi_temp_path {base}/t3;
  uwsgi_temp_path {base}/t4; scgi_temp_path {base}/t5;
  server {{ listen 127.0.0.1:{port}; root {base}/www; }}
  server {{ listen 127.0.0.1:{capped}; root {base}/www; limit_rate 20m; }}
}}
"""


@dataclass(frozen=True)
class Case:
    """Commands to compare by name, the first one ours; goals as (peer, largest ratio)."""

    commands: dict[str, list[str]]
    goals: tuple[tuple[str, float], ...]
    before: Callable[[], None]


def fetch(spec: str) -> None:
    """In a process of its own: download what the spec file lists; prints the peak memory."""
    import resource

    from ngc_cli.events import Silent
    from ngc_cli.http.ranges import open_range
    from ngc_cli.http.session import Http
    from ngc_cli.transfer.download import download
    from ngc_cli.transfer.remote_files import DownloadOptions, RemoteFile

    plan = json.loads(Path(spec).read_text())
    http = Http()
    files = [
        RemoteFile(path, size, digest, partial(open_range, http, f"{plan['url']}/{path}"))
        for path, size, digest in plan["files"]
    ]
    folder = Path(plan["folder"])
    options = DownloadOptions(folder.parent / ".ngc-transfer" / "bench", resume=False)
    if "threads" in plan:
        options = DownloadOptions(options.state, threads=plan["threads"], resume=False)
    report = download(files, folder, options, Silent(), threading.Event())
    assert not report.failed, report.failed
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, end="")


@contextmanager
def nginx(base: Path) -> Iterator[None]:
    config = base / "nginx.conf"
    config.write_text(
        NGINX.format(base=base, port=PORT, capped=CAPPED_PORT, user="user root;" if os.geteuid() == 0 else "")
    )
    server = subprocess.Popen(["nginx", "-c", str(config), "-e", str(base / "error.log")])
    try:
        deadline = time.monotonic() + 10
        while subprocess.run(["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{PORT}/ready"]).returncode:
            assert time.monotonic() < deadline, "nginx does not start"
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


def make_file(path: Path, size: int) -> str:
    """Bytes that no layer can shrink; returns the hex sha256."""
    block = os.urandom(MIB)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for number in range(size // MIB):
            data = number.to_bytes(8, "big") + block[8:]
            file.write(data)
            digest.update(data)
    return digest.hexdigest()


class Bench:
    """Makes the content and the cases."""

    def __init__(self, base: Path, size_mib: int, threads: int | None) -> None:
        self.base, self.out, self.threads = base, base / "out", threads
        www = base / "www"
        www.mkdir()
        (www / "ready").touch()
        self.large = {"large": (size_mib * MIB, make_file(www / "large", size_mib * MIB))}
        self.capped = {"capped": (CAP_MIB * MIB, make_file(www / "capped", CAP_MIB * MIB))}
        self.small: dict[str, tuple[int, str]] = {}
        (www / "small").mkdir()
        for number in range(SMALL_FILES):
            data = os.urandom(SMALL_BYTES)
            (www / "small" / f"{number:05}").write_bytes(data)
            self.small[f"small/{number:05}"] = (SMALL_BYTES, hashlib.sha256(data).hexdigest())

    def ours(
        self, name: str, files: dict[str, tuple[int, str]], *, digest: bool, port: int = PORT
    ) -> list[str]:
        plan: dict[str, object] = {
            "url": f"http://127.0.0.1:{port}",
            "folder": str(self.out / "ours"),
            "files": [(path, size, sha if digest else None) for path, (size, sha) in files.items()],
        }
        if self.threads:
            plan["threads"] = self.threads
        spec = self.base / f"{name}.json"
        spec.write_text(json.dumps(plan))
        return [sys.executable, __file__, "--fetch", str(spec)]

    def clean(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        (self.out / "peer").mkdir(parents=True)
        os.sync()

    def keep(self) -> None:
        (self.out / "peer").mkdir(parents=True, exist_ok=True)
        os.sync()

    def cases(self) -> dict[str, Case]:
        url, capped, peer = (
            f"http://127.0.0.1:{PORT}/large",
            f"http://127.0.0.1:{CAPPED_PORT}/capped",
            self.out,
        )
        curl = ["curl", "-s", "-o", f"{peer}/peer/large", url]
        shell = f"{shlex.join(curl)} && openssl dgst -sha256 {peer}/peer/large"
        aria = ["aria2c", "-q", "--allow-overwrite=true", "-d", f"{peer}/peer"]
        listing = self.base / "small.curl"
        listing.write_text(
            "".join(
                f'url = "http://127.0.0.1:{PORT}/{path}"\noutput = "{peer}/peer/{path}"\n'
                for path in self.small
            )
        )
        aria_list = self.base / "small.aria"
        aria_list.write_text("".join(f"http://127.0.0.1:{PORT}/{path}\n out={path}\n" for path in self.small))
        one_url = shlex.join(["curl", "-s", "-o", f"{peer}/peer/large", url])
        return {
            "new file": Case(
                {
                    "ours": self.ours("new", self.large, digest=False),
                    "curl": curl,
                    "curl + sync": ["sh", "-c", f"{one_url} && sync {peer}/peer/large"],
                },
                (("curl", 0.6), ("curl + sync", 0.6)),
                self.clean,
            ),
            "overwrite": Case(
                {
                    "ours": self.ours("over", self.large, digest=False),
                    "curl": curl,
                    "curl + sync": ["sh", "-c", f"{one_url} && sync {peer}/peer/large"],
                },
                (("curl", 1.1), ("curl + sync", 1.1)),
                self.keep,
            ),
            "digest": Case(
                {
                    "ours": self.ours("digest", self.large, digest=True),
                    "curl": curl,
                    "curl + openssl": ["sh", "-c", shell],
                    "curl + sync + openssl": [
                        "sh",
                        "-c",
                        f"{one_url} && sync {peer}/peer/large && openssl dgst -sha256 {peer}/peer/large",
                    ],
                },
                (("curl", 2.1), ("curl + openssl", 0.8), ("curl + sync + openssl", 0.8)),
                self.keep,
            ),
            "20 MB/s a connection": Case(
                {
                    "ours": self.ours("capped", self.capped, digest=True, port=CAPPED_PORT),
                    "curl": ["curl", "-s", "-o", f"{peer}/peer/capped", capped],
                    "aria2c -x8": [*aria, "-x8", "-s8", "-k1M", capped],
                },
                (("curl", 0.1), ("aria2c -x8", 1.0)),
                self.keep,
            ),
            "5,000 small files": Case(
                {
                    "ours": self.ours("small", self.small, digest=True),
                    "aria2c -j16": [*aria, "-j16", "-i", str(aria_list)],
                    "curl --parallel": [
                        "curl",
                        "-s",
                        "--parallel",
                        "--parallel-max",
                        "8",
                        "--create-dirs",
                        "-K",
                        str(listing),
                    ],
                },
                (("aria2c -j16", 2.0),),
                self.keep,
            ),
        }


def run(case: Case, runs: int) -> dict[str, tuple[float, str]]:
    """Median seconds and last output of each command."""
    times: dict[str, list[float]] = {name: [] for name in case.commands}
    said: dict[str, str] = {}
    for _ in range(runs):
        for name, command in case.commands.items():
            case.before()
            started = time.perf_counter()
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            times[name].append(time.perf_counter() - started)
            said[name] = done.stdout
    return {name: (statistics.median(values), said[name]) for name, values in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="words of case names; all by default")
    parser.add_argument("--size-mib", type=int, default=4096)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--fetch", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fetch:
        fetch(options.fetch)
        return 0
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        bench = Bench(base, options.size_mib, options.threads)
        with nginx(base):
            for title, case in bench.cases().items():
                if options.cases and not any(word in title for word in options.cases):
                    continue
                results = run(case, options.runs)
                ours_s, peak_mib = results["ours"]
                print(f"{title}: ours {ours_s:.2f} s, peak {peak_mib} MiB")
                for name, (seconds, _) in results.items():
                    goal = dict(case.goals).get(name)
                    if name != "ours":
                        ratio = ours_s / seconds
                        missed |= goal is not None and ratio > goal
                        print(
                            f"  x {name:<22} {ratio:5.2f}  ({seconds:.2f} s)  goal {goal or '-'}", flush=True
                        )
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
