"""ngcsdk from PyPI, unmodified and over TLS, against the embedded registry: images.

Each call is checked for its effect by plain requests. Pull and push go through a Docker daemon, as it wants it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from support.distribution import Distribution, image, index
from support.peers import DockerDaemon, Peers
from support.registry import RunningRegistry
from support.sdk import Sdk

from ngc_cli.server.metadata import KeyKind

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("sdk"), pytest.mark.timeout(600)]


@dataclass
class Place:
    """An SDK with a key, and the same org or team seen by plain requests."""

    sdk: Sdk
    registry: RunningRegistry
    key: str
    org: str
    team: str

    @property
    def prefix(self) -> str:
        return f"{self.org}/{self.team}" if self.team else self.org

    def ask(self, path: str, expect: int = 200) -> Any:
        place = f"/v2/org/{self.org}/team/{self.team}" if self.team else f"/v2/org/{self.org}"
        answer = self.registry.session(self.key).get(f"{place}/repos/{path}")
        assert answer.status_code == expect, answer.text
        return answer.json()

    def repository(self, name: str) -> Distribution:
        return Distribution(
            self.registry.url, f"{self.prefix}/{name}", self.key, verify=self.registry.ca_bundle
        )


@pytest.fixture(params=["legacy key, org", "legacy key, team", "personal key, org"])
def place(
    request: pytest.FixtureRequest, tls_registry: RunningRegistry, make_sdk: Callable[..., Sdk]
) -> Place:
    org = tls_registry.org()
    team = tls_registry.team(org) if "team" in request.param else ""
    kind = KeyKind.LEGACY if "legacy" in request.param else KeyKind.PERSONAL
    key = tls_registry.key(org=org, team=team, role="REGISTRY_ADMIN", kind=kind)
    plain_key = tls_registry.key(org=org, role="REGISTRY_ADMIN")
    return Place(make_sdk(key, org, team or "no-team"), tls_registry, plain_key, org, team)


def test_the_whole_life_of_a_repository(place: Place) -> None:
    target = f"{place.prefix}/demo-net"
    created = place.sdk.run(f"""
        tell(clt.registry.image.create("{target}", desc="short", display_name="Demo Net", publisher="P",
             built_by="B", logo="https://example.com/l.png", label=["Some Label"]))
    """)
    assert created[0]["name"] == "demo-net"
    assert place.ask("demo-net")["shortDescription"] == "short"
    assert "exist" in place.sdk.run_to_error(f'clt.registry.image.create("{target}")')

    one = image("hello", "world")
    both = index(image("amd"), image("arm", architecture="arm64", variant="v8"))
    repository = place.repository("demo-net")
    repository.push(one, "23.12")
    repository.push(both, "24.01")

    seen, tagged, listed, tags = place.sdk.run(f"""
        tell(clt.registry.image.info("{target}"))
        tell(clt.registry.image.info("{target}:24.01"))
        tell(clt.registry.image.list("{place.prefix}/*"))
        tell(clt.registry.image.list("{target}:2*"))
    """)
    assert seen[0]["latestTag"] == "24.01"
    assert seen[0]["tags"] == ["23.12", "24.01"]
    assert seen[0]["displayName"] == "Demo Net"
    meta, manifest = tagged[0], tagged[1]
    assert (meta["digest"], manifest["name"]) == (both.digest, target)
    assert [variant["architecture"] for variant in tagged[3]] == ["amd64", "arm64"]
    found = json.dumps(listed)
    assert "demo-net" in found
    assert "24.01" in found
    assert {entry["tag"] for entry in _flat(tags)} == {"23.12", "24.01"}

    place.sdk.run(f"""
        clt.registry.image.update("{target}", display_name="Changed", multinode=True)
        clt.registry.image.set_latest_tag("{target}:23.12")
        clt.registry.image.remove("{target}:24.01", default_yes=True)
    """)
    changed = place.ask("demo-net")
    assert (changed["displayName"], changed["isMultinodeEnabled"]) == ("Changed", True)
    assert (changed["latestTag"], changed["tags"]) == ("23.12", ["23.12"])
    assert repository.send("GET", "manifests/24.01").status_code == 404

    place.sdk.run(f'clt.registry.image.remove("{target}", default_yes=True)')
    place.ask("demo-net", expect=404)
    assert repository.send("GET", "tags/list").status_code == 404
    assert "not" in place.sdk.run_to_error(f'clt.registry.image.info("{target}")').lower()


def _flat(value: Any) -> list[dict[str, Any]]:
    """The tag objects in whatever lists the SDK wraps them."""
    if isinstance(value, dict):
        return [value] if "tag" in value else [found for part in value.values() for found in _flat(part)]
    return [found for part in value for found in _flat(part)] if isinstance(value, list) else []


def test_history_walks_over_our_layers(place: Place) -> None:
    place.repository("net").push(image("first", "second"), "v1")
    (told,) = place.sdk.run(f"""
        tell(clt.registry.image.info("{place.prefix}/net:v1", history=True))
    """)
    manifest = told[1]
    steps = [json.loads(entry["v1Compatibility"]) for entry in manifest["history"]]
    assert [step["container_config"]["Cmd"][0] for step in steps] == [
        "ENV A=b",
        "ADD file-1 /",
        "ADD file-0 /",
    ]


def test_a_glob_removes_what_it_names_and_no_more(place: Place) -> None:
    """The case of docs/protocol/images.md#calls: the client trusts the search with what it deletes."""
    for name in ("net", "net-2", "subnet"):
        repository = place.repository(name)
        for tag in ("1.0", "1.1", "2.0"):
            repository.push(image(name), tag)
    place.sdk.run(f'clt.registry.image.remove("{place.prefix}/net:1.*", default_yes=True)')
    assert place.ask("net")["tags"] == ["2.0"]
    assert place.ask("net-2")["tags"] == ["1.0", "1.1", "2.0"]
    assert place.ask("subnet")["tags"] == ["1.0", "1.1", "2.0"]


def test_exactly_a_page_of_tags(place: Place) -> None:
    """The client asks for one page too many when the last is full."""
    one = image("hello")
    repository = place.repository("net")
    repository.push(one, "t0")
    for number in range(1, 100):
        repository.put_manifest(one.manifest, f"t{number}")
    (tags,) = place.sdk.run(f'tell(clt.registry.image.list("{place.prefix}/net:*"))')
    assert {entry["tag"] for entry in _flat(tags)} == {f"t{number}" for number in range(100)}


def test_pull_and_push_through_a_daemon(place: Place, dockerd: DockerDaemon, peers: Peers) -> None:
    host = place.registry.url.removeprefix("https://")
    more = {"DOCKER_HOST": dockerd.address, "NGC_CLI_REGISTRY_SERVICE_URL": host}
    sdk = replace(place.sdk, more_environment=more)
    what = image("hello", "world", docker=True)
    repository = place.repository("net")
    repository.push(what, "v1")
    sdk.run(f'clt.registry.image.pull("{place.prefix}/net:v1")')
    name = f"{host}/{place.prefix}/net"
    pulled = json.loads(dockerd.docker(peers, "image", "inspect", f"{name}:v1"))[0]
    assert pulled["Id"] == what.blobs[0].digest
    dockerd.docker(peers, "tag", f"{name}:v1", f"{name}:v2")
    # Without output it does not wait for the daemon to finish.
    sdk.run(f'clt.registry.image.push("{name}:v2", desc="pushed", default_yes=True, output=True)')
    assert repository.send("GET", "manifests/v2").json()["config"]["digest"] == what.blobs[0].digest
    assert place.ask("net")["shortDescription"] == "pushed"


def test_guests_see_and_are_refused(
    tls_registry: RunningRegistry, place: Place, make_sdk: Callable[..., Sdk]
) -> None:
    """A member of nothing finds only what is public."""
    place.repository("hidden").push(image("hidden"), "v1")
    place.repository("shown").push(image("shown"), "v1")
    session = tls_registry.session(place.key)
    base = f"/v2/org/{place.org}" + (f"/team/{place.team}" if place.team else "")
    assert session.patch(f"{base}/repos/shown", json={"isPublic": True}).status_code == 200
    other = tls_registry.org()
    stranger = make_sdk(tls_registry.key(org=other, kind=KeyKind.LEGACY), other)
    (listed,) = stranger.run(f'tell(clt.registry.image.list("{place.prefix}/*"))')
    found = json.dumps(listed)
    assert "shown" in found
    assert "hidden" not in found
    stranger.run_to_error(f'clt.registry.image.info("{place.prefix}/hidden")')
