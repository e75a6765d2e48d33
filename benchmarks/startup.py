"""Start-up of ngc as ratios to ``python -c pass``, medians of alternating runs in one process tree.

Usage: python benchmarks/startup.py [--runs 21] [--check]. With --check the exit status is 1 when a goal is
missed. The leaf with one request asks a registry that this script starts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOALS = {"--version": 2.0, "--help": 7.0, "completion": 7.0, "leaf -h": 8.0, "leaf, one request": 15.0}


class OneModel(BaseHTTPRequestHandler):
    """Answers every request with one model: the cost measured is the client's."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b'{"model": {"name": "bert", "orgName": "acme"}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def wall_ms(argv: list[str], environ: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(argv, env=environ, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return (time.perf_counter() - started) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), OneModel)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as home:
        environ = {"PATH": os.environ["PATH"], "HOME": home, "NGC_CLI_API_KEY": "nvapi-benchmark"}
        environ["NGC_CLI_API_URL"] = f"http://127.0.0.1:{server.server_port}"
        if "PYTHONPATH" in os.environ:
            environ["PYTHONPATH"] = os.environ["PYTHONPATH"]
        ngc = [sys.executable, "-c", "from ngc_cli.main import run; run()"]
        commands = {
            "python -c pass": ([sys.executable, "-c", "pass"], environ),
            "--version": ([*ngc, "--version"], environ),
            "--help": ([*ngc, "--help"], environ),
            "completion": ([*ngc, "__complete", "bash", "ngc registry mo", ":="], environ),
            "leaf -h": ([*ngc, "registry", "model", "upload-version", "-h"], environ),
            "leaf, one request": (
                [*ngc, "registry", "model", "info", "acme/bert", "--format_type", "json"],
                environ,
            ),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, (argv, variables) in commands.items():
                times[name].append(wall_ms(argv, variables))
    base = statistics.median(times["python -c pass"])
    missed = False
    print(f"{'command':<20} {'wall ms':>8} {'ratio':>6} {'goal':>5}")
    for name, values in times.items():
        middle = statistics.median(values)
        goal = GOALS.get(name)
        missed |= goal is not None and middle / base > goal
        print(f"{name:<20} {middle:>8.1f} {middle / base:>6.2f} {goal or '':>5}")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
