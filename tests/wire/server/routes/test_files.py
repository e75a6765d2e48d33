"""File lists, signed links and the bytes behind them.

See docs/protocol/conventions.md and docs/protocol/transfers.md.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import zipfile
from collections.abc import Callable

import pytest
import requests
from support.artifacts import Wire, b64, ok, problem
from support.registry import RunningRegistry

ODD_NAMES = [
    "sub/deep/b.txt",
    "with blank.txt",
    "plus+hash#?.txt",
    "per%cent%25.txt",
    "blank,comma;ü✓",
    ".hidden",
]


@pytest.fixture
def models(registry: RunningRegistry) -> Wire:
    org = registry.org()
    return Wire(registry.session(registry.key(org=org)), org)


def test_the_file_list_tells_path_size_and_digest(models: Wire) -> None:
    files = {name: name.encode() for name in ODD_NAMES} | {"empty": b""}
    models.publish_version("m", "1", files)
    answer = ok(models.session.get(models.at("m", "versions", "1", "files") + "?page-size=1000"))
    found = {entry["path"]: (entry["sizeInBytes"], entry["sha256_base64"]) for entry in answer["modelFiles"]}
    assert found == {path: (len(data), b64(data)) for path, data in files.items()}
    version = answer["modelVersion"]
    assert (version["totalFileCount"], version["totalSizeInBytes"]) == (
        len(files),
        sum(map(len, files.values())),
    )
    for path, url in models.links("m", "1").items():
        assert "%25" not in url
        assert requests.get(url, timeout=60).content == files[path]


def test_one_link_by_path_reads_a_plus_as_a_blank(models: Wire) -> None:
    files = {name: name.encode() for name in ODD_NAMES}
    models.publish_version("m", "1", files)
    for path, data in files.items():
        response = models.session.get(models.at("m", "1", "files"), params={"path": path})
        answer = ok(response)
        assert answer["filepath"] == [path]
        assert requests.get(answer["urls"][0], timeout=60).content == data
    assert "+" in models.session.get(models.at("m", "1", "files"), params={"path": "with blank.txt"}).url
    problem(models.session.get(models.at("m", "1", "files"), params={"path": "nosuch"}), 404)


@pytest.mark.parametrize("count", [0, 4, 10, 12])
def test_every_paging_scheme_gets_every_file_once(models: Wire, count: int) -> None:
    """10 files in pages of 5 is the trap: the official client asks for a third page of links."""
    models.publish_version("m", "1", {f"f{number:02}": b"same" for number in range(count)})
    first = ok(models.session.get(models.at("m", "1", "files") + "?page-size=5"))
    assert first["paginationInfo"]["size"] == 5
    pages = [first]
    for page in range(1, first["paginationInfo"]["totalResults"] // first["paginationInfo"]["size"] + 1):
        pages.append(
            ok(models.session.get(models.at("m", "1", "files") + f"?page-size=5&page-number={page}"))
        )
    assert sorted(path for page in pages for path in page["filepath"]) == [f"f{n:02}" for n in range(count)]
    assert all(len(page["urls"]) == len(page["filepath"]) == len(page["sha256_base64"]) for page in pages)

    listed = []
    for page in range(math.ceil(count / 5)):
        answer = ok(
            models.session.get(models.at("m", "versions", "1", "files") + f"?page-size=5&page-number={page}")
        )
        assert answer["paginationInfo"]["totalPages"] == math.ceil(count / 5)
        listed += [entry["path"] for entry in answer["modelFiles"]]
    assert listed == [f"f{n:02}" for n in range(count)]


@pytest.mark.parametrize(
    "query", ["page-size=0", "page-number=-1", "page-size=x", "page-number=99999999999999"]
)
def test_a_page_that_is_no_number_is_refused(models: Wire, query: str) -> None:
    models.publish_version("m", "1", {})
    problem(models.session.get(models.at("m", "1", "files") + f"?{query}"), 422)


CONTENT = bytes(range(256)) * 5000  # more than one chunk of 1 MiB


@pytest.fixture(scope="module")
def url(registry: RunningRegistry) -> str:
    org = registry.org()
    wire = Wire(registry.session(registry.key(org=org)), org)
    wire.publish_version("m", "1", {"f": CONTENT})
    return wire.links("m", "1")["f"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=1200000-", 1200000, len(CONTENT)),
        ("bytes=-7", len(CONTENT) - 7, len(CONTENT)),
        ("bytes=-99999999", 0, len(CONTENT)),
        ("bytes=10-99999999", 10, len(CONTENT)),
        (f"bytes={len(CONTENT) - 1}-{len(CONTENT) - 1}", len(CONTENT) - 1, len(CONTENT)),
    ],
)
def test_a_range_is_served_exactly(url: str, asked: str, start: int, end: int) -> None:
    answer = requests.get(url, headers={"Range": asked}, timeout=60)
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:end]
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["ETag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'


@pytest.mark.parametrize(
    "asked", ["bytes=9-5", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes=0--1"]
)
def test_what_is_no_single_range_is_ignored(url: str, asked: str) -> None:
    answer = requests.get(url, headers={"Range": asked}, timeout=60)
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=99999999-999999999", "bytes=-0"])
def test_a_range_past_the_end_is_416(url: str, asked: str) -> None:
    answer = requests.get(url, headers={"Range": asked}, timeout=60)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_conditions_of_a_resume(url: str) -> None:
    etag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'

    def get(**headers: str) -> requests.Response:
        return requests.get(
            url, headers={name.replace("_", "-"): v for name, v in headers.items()}, timeout=60
        )

    assert get(Range="bytes=5-9", If_Range=etag).status_code == 206
    assert get(Range="bytes=5-9", If_Range='"other"').status_code == 200
    assert get(Range="bytes=5-9", If_Match=etag).status_code == 206
    assert get(If_Match='"other"').status_code == 412
    assert get(If_None_Match=f'"x", {etag}').status_code == 304
    assert get(If_None_Match='"other"').status_code == 200


def test_head_tells_all_but_the_bytes(url: str) -> None:
    answer = requests.head(url, timeout=60)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_an_empty_file_is_served_to_the_strange_range_of_the_official_client(models: Wire) -> None:
    models.publish_version("m", "1", {"empty": b""})
    url = models.links("m", "1")["empty"]
    for headers in ({}, {"Range": "bytes=0--1"}):
        answer = requests.get(url, headers=headers, timeout=60)
        assert (answer.status_code, answer.content) == (200, b"")
    assert requests.get(url, headers={"Range": "bytes=0-"}, timeout=60).status_code == 416


def test_an_upload_in_parts_is_read_across_them(models: Wire) -> None:
    data = b"".join(bytes([number]) * 999_983 for number in range(17))
    ok(models.create("m"))
    ok(models.create_version("m", "1"))
    models.upload("m", "1", "big", data, customPartSize=5_000_000)
    ok(models.commit("m", "1", {"big": data}))
    ok(models.finish("m", "1"))
    url = models.links("m", "1")["big"]
    assert requests.get(url, timeout=60).content == data
    for start, end in (
        (4_999_990, 5_000_010),
        (0, 15_000_001),
        (9_999_999, 10_000_001),
        (16_999_700, len(data)),
    ):
        part = requests.get(url, headers={"Range": f"bytes={start}-{end - 1}"}, timeout=60)
        assert part.content == data[start:end]


def test_a_link_takes_no_other_credentials(url: str) -> None:
    for value in ("Bearer x", "Basic x", ""):
        answer = requests.get(url, headers={"Authorization": value}, timeout=60)
        assert "no Authorization" in problem(answer, 400)


def test_a_link_is_good_for_its_path_method_and_time_only(registry: RunningRegistry, url: str) -> None:
    path, _, query = url.partition("?")
    other = hashlib.sha256(b"").hexdigest()
    assert requests.get(path, timeout=60).status_code == 403
    assert requests.get(f"{path.rpartition('/')[0]}/{other}?{query}", timeout=60).status_code == 403
    expires = int(query.split("expires=")[1].split("&")[0])
    assert requests.get(url.replace(str(expires), str(expires + 1)), timeout=60).status_code == 403
    assert requests.get(url.replace(str(expires), "x"), timeout=60).status_code == 403
    assert requests.get(url[:-1] + ("0" if url[-1] != "0" else "1"), timeout=60).status_code == 403
    assert requests.put(url, data=b"x", timeout=60).status_code == 405
    late = registry.data.signer.sign_link("GET", "/links/content/" + other, "0.1.0.VIEW.NO", -1)
    assert "expired" in problem(requests.get(registry.url + late, timeout=60), 403)


def test_links_have_an_origin_of_their_own_when_asked_for(
    start_registry: Callable[..., RunningRegistry],
) -> None:
    registry = start_registry("--files-url", "http://localhost:1/", "--link-ttl", "60")
    org = registry.org()
    registry.options = ("--files-url", registry.url.replace("127.0.0.1", "localhost"))
    registry.restart()
    wire = Wire(registry.session(registry.key(org=org)), org)
    wire.publish_version("m", "1", {"f": b"x"})
    url = wire.links("m", "1")["f"]
    assert url.startswith("http://localhost:")
    assert requests.get(url, timeout=60).content == b"x"
    moved = wire.session.get(wire.at("m", "1", "files") + "?redirect=true&path=f", allow_redirects=False)
    assert moved.status_code == 302
    assert requests.get(moved.headers["Location"], timeout=60).content == b"x"
    registry.stop()


@pytest.mark.parametrize("segment", ["models", "resources"])
def test_the_addresses_of_2020_still_answer(registry: RunningRegistry, segment: str) -> None:
    org = registry.org()
    team = registry.team(org)
    files = {"a b/ü.txt": b"bytes", "c": b""}
    for place in ("", team):
        wire = Wire(registry.session(registry.key(org=org, role="REGISTRY_ADMIN")), org, place, segment)
        wire.publish_version("m", "1", files)
        ok(wire.session.patch(wire.at("m"), json={"isPublic": True, "canGuestDownload": True}))
        guest = registry.session()
        old = ["recipes", segment] if segment == "resources" else [segment]
        for word in old:
            base = wire.guest_at("m", "versions", "1").replace(segment, word, 1)
            direct = guest.get(f"{base}/files/a%20b/%C3%BC.txt")
            assert direct.content == b"bytes"
            assert direct.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%BC.txt"
            packed = zipfile.ZipFile(io.BytesIO(guest.get(f"{base}/zip").content))
            assert {name: packed.read(name) for name in packed.namelist()} == files
            assert packed.testzip() is None
        where = f"org/{org}/team/{place}" if place else f"org/{org}"
        redirected = guest.get(f"/v2/{segment}/{where}/m/1/files?redirect=true&path=a+b%2F%C3%BC.txt")
        assert redirected.content == b"bytes"
        with_key = wire.session.get(wire.at("m", "1", "files") + "?redirect=true&path=c")
        assert with_key.status_code == 200


def test_digests_are_padded_standard_base64(models: Wire) -> None:
    data = next(bytes([n]) for n in range(256) if "+" in b64(bytes([n])) or "/" in b64(bytes([n])))
    models.publish_version("m", "1", {"f": data})
    digest = ok(models.session.get(models.at("m", "1", "files")))["sha256_base64"][0]
    assert base64.b64decode(digest, validate=True) == hashlib.sha256(data).digest()
