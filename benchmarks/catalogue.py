"""What a page costs when the catalogue is large: CPU of the registry and wall time of each request, on SQLite.

    python benchmarks/catalogue.py [--models 100000] [--requests 20] [--json FILE]

Fills a registry of its own: models with three versions each, one model of 5,000 versions and one repository of 5,000
tags. Starts it as a process, and sends one request at a time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import requests
from sqlalchemy import insert

from ngc_cli.server import admin, process
from ngc_cli.server.app import open_registry
from ngc_cli.server.config import ServerConfig
from ngc_cli.server.endpoint import Registry
from ngc_cli.server.metadata import Artifact, ImageManifest, ImageRepository, ImageTag, Setting, Version
from ngc_cli.server.search import terms

ORG = "acme"
_BATCH_ROWS = 5000
_VERSIONS = _TAGS = 5000


def fill(registry: Registry, models: int) -> str:
    """Rows for that many models; returns a key that may see them."""
    with registry.database.writing() as db:
        org = admin.ensure_org(db, ORG)
        user = admin.ensure_user(db, "a@example.com")
        admin.grant(db, user, org, role="REGISTRY_ADMIN")
        key = admin.create_key(db, user.email, org=org)
        org_id = org.id
    words = ("bert", "resnet", "gpt", "unet", "t5")
    _insert(
        registry,
        Artifact,
        (
            {
                "id": number,
                "kind": "models",
                "org_id": org_id,
                "name": f"{words[number % 5]}_{number:06}",
                "path": f"{ORG}/{words[number % 5]}_{number:06}",
                "details": {"framework": words[number % 5], "shortDescription": "x"},
                "labels": ["all", f"some{number % 1000}"],
            }
            for number in range(1, models + 1)
        ),
    )
    now = time.time()
    _insert(
        registry,
        Version,
        (
            {
                "artifact_id": number,
                "name": str(count),
                "details": {},
                "is_complete": True,
                "latest_at": _moment(now + count),
            }
            for number in range(1, models + 1)
            for count in range(1, 1 + (_VERSIONS if number == 1 else 3))
        ),
    )
    repository = {"id": 1, "org_id": org_id, "name": "net", "path": f"{ORG}/net", "details": {}, "labels": []}
    _insert(registry, ImageRepository, iter([{**repository, "is_published": True}]))
    manifest = {
        "id": 1,
        "repository_id": 1,
        "digest": "sha256:" + "0" * 64,
        "media_type": "m",
        "content": b"{}",
    }
    _insert(registry, ImageManifest, iter([{**manifest, "size_bytes": 2}]))
    _insert(
        registry,
        ImageTag,
        ({"repository_id": 1, "name": f"v{number}", "manifest_id": 1} for number in range(_TAGS)),
    )
    with registry.database.writing() as db:
        db.delete(db.get_one(Setting, "search_terms"))
    terms.ensure(registry.database)
    return key


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _insert(registry: Registry, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    batch: list[dict[str, Any]] = []
    with registry.database.writing() as db:
        for row in rows:
            batch.append(row)
            if len(batch) == _BATCH_ROWS:
                db.execute(insert(table), batch)
                batch = []
        if batch:
            db.execute(insert(table), batch)


def _search(page: int, query: str = "*", size: int = 25, **members: Any) -> str:
    q = json.dumps({"query": query, "page": page, "pageSize": size, **members})
    return f"/v2/search/org/{ORG}/resources/MODEL?q={quote(q)}"


def scenarios(models: int) -> dict[str, str]:
    """Name and path of each request."""
    rare = [{"field": "labels", "value": "some7"}]
    common = [{"field": "labels", "value": "all"}]
    return {
        "first page": _search(0),
        f"page {models // 25 - 1}": _search(models // 25 - 1),
        "wildcard": _search(0, "*bert_0001*"),
        "wildcard of a resource id": _search(0, f"resourceId:{ORG}/bert_00*"),
        "filter, 100 hits": _search(0, filters=rare),
        "filter, all hits": _search(0, filters=common),
        "info": f"/v2/org/{ORG}/models/resnet_000006",
        "info of 5,000 versions": f"/v2/org/{ORG}/models/resnet_000001",
        "version page of 5,000": f"/v2/org/{ORG}/models/resnet_000001/versions?page-size=25&page-number=100",
        "NGC tag page of 5,000": f"/v2/org/{ORG}/repos/net/images?page-size=25",
    }


def measure(session: requests.Session, url: str, server: psutil.Process, count: int) -> dict[str, float]:
    """CPU and wall milliseconds of one request: means and medians of ``count``, after one to warm up."""
    session.get(url, timeout=300).raise_for_status()
    before, walls = server.cpu_times(), []
    for _ in range(count):
        start_s = time.perf_counter()
        session.get(url, timeout=300).raise_for_status()
        walls.append(time.perf_counter() - start_s)
    after = server.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    return {"cpu_ms": 1000 * cpu_s / count, "wall_ms": 1000 * statistics.median(walls)}


def main(argv: Sequence[str]) -> None:
    """Fill, start, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="ngc-catalogue-") as folder:
        data_dir = Path(folder) / "data"
        start_s = time.perf_counter()
        registry = open_registry(ServerConfig(data_dir))
        key = fill(registry, options.models)
        registry.database.close()
        print(f"filled in {time.perf_counter() - start_s:.1f} s", file=sys.stderr)
        running = process.start(data_dir, ())
        try:
            session = requests.Session()
            session.headers["Authorization"] = f"Bearer {key}"
            server = psutil.Process(running.pid)
            found = {
                name: measure(session, running.url + path, server, options.requests)
                for name, path in scenarios(options.models).items()
            }
        finally:
            process.stop(running)
    for name, figures in found.items():
        print(f"{name:28} {figures['cpu_ms']:9.1f} ms CPU {figures['wall_ms']:9.1f} ms")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
