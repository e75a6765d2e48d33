"""Checks of the servers: can they be reached, do they answer as they should, and what is in the way if not.

Each check is one or a few requests and returns a Check; it raises nothing for what it finds.
Source: docs/cli.md#diag, docs/protocol/authentication.md#connectivity-checks.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ngc_cli.diagnostics.outcome import Check, Failed, Skipped, fault_of_error
from ngc_cli.diagnostics.probe import Prober
from ngc_cli.diagnostics.trace import CLOCK_NEXT_STEP, CLOCK_TOLERANCE_S, Fault, Trace, clock_text
from ngc_cli.errors import Forbidden, NetworkError, NgcError, NotFound
from ngc_cli.http.auth import Scope
from ngc_cli.json_text import parse_json
from ngc_cli.units import format_size

if TYPE_CHECKING:
    from ngc_cli.api.artifacts import ArtifactApi
    from ngc_cli.http.auth import NgcCredentials
    from ngc_cli.records import Artifact, User

PUBLIC_ECHOES = ("https://api.ipify.org", "https://checkip.amazonaws.com/", "https://ifconfig.co/ip")
# The external address is a remark: it may not hold up what matters.
_ECHO_LIMIT_S = 3.0
# One page: whether reading works shows in the first model that has files.
_ARTIFACTS_LOOKED_AT = 100


@dataclass(frozen=True)
class Identity:
    """Who is asking: credentials, and how to find the user they belong to. A guest has neither key nor user."""

    credentials: NgcCredentials
    who: Callable[[], User]
    log_in_to_registry: Callable[[], None]

    @property
    def is_guest(self) -> bool:
        """Whether there is no API key."""
        return self.credentials.is_guest


@dataclass(frozen=True)
class Place:
    """The addresses in effect, and the org and team to look into."""

    api_url: str
    auth_url: str
    registry_url: str
    org: str = ""
    team: str = ""

    @property
    def scope(self) -> Scope:
        """The scope that tokens are requested for."""
        return Scope(self.org, self.team)


class ServerChecks:
    """The checks of one place, as one identity; ``identity`` None checks what needs no credentials."""

    def __init__(
        self, place: Place, prober: Prober, identity: Identity | None, models: ArtifactApi | None
    ) -> None:
        self.place = place
        self.prober = prober
        self.identity = identity
        self._models = models

    def api_gateway(self) -> Check:
        """The gateway says that it is healthy."""
        trace = self.prober.trace(f"{self.place.api_url}/health")
        return _judge(trace, self._unhealthy(trace))

    def authentication(self) -> Check:
        """The authentication host answers, and the key is good."""
        trace = self.prober.trace(f"{self.place.auth_url}/token?service=ngc&")
        failed = trace.fault or _server_fault(trace)
        if failed is not None:
            return _judge(trace, failed)
        if self.identity is None or self.identity.is_guest:
            return Check("skipped", "no API key is set", trace=trace)
        try:
            user = self.identity.who()
        except NotFound:
            return Check("success", "a service key", trace=trace)
        except NgcError as error:
            fault = self.fault_of(error, self.place.api_url)
            what = "the API key is not good" if fault.cause == "key" else "the API key could not be checked"
            return _judge(trace, replace(fault, detail=f"{what}: {fault.detail}"))
        return _judge(trace, self._not_a_member(user))

    def container_registry(self) -> Check:
        """The registry answers as one, and lets the key log in."""
        trace = self.prober.trace(f"{self.place.registry_url}/v2/")
        fault = trace.fault or _server_fault(trace)
        if fault is None and trace.status not in (200, 401):
            fault = _unexpected(trace, "a container registry")
        if fault is None and self.identity is not None and not self.identity.is_guest:
            try:
                self.identity.log_in_to_registry()
            except NgcError as error:
                fault = self.fault_of(error, self.place.registry_url)
        return _judge(trace, fault)

    def container_registry_meta(self) -> Check:
        """The API lists container images of the org, or public ones for a guest."""
        return self._search("CONTAINER")

    def model_registry(self) -> Check:
        """The API lists models of the org, or public ones for a guest."""
        return self._search("MODEL")

    def data_storage(self, read_bytes: int, limit_s: float) -> Check:
        """Read for a while from where the files are: the largest file of a model that can be seen."""
        if self._models is None:
            raise Skipped("the configuration cannot be read")
        try:
            url = self._file_to_read(read_bytes)
        except NgcError as error:
            return Check("failed", fault=self.fault_of(error, self.place.api_url))
        if not url:
            raise Skipped("there is no model version to read a file of")
        trace = self.prober.trace(
            url, headers={"Range": f"bytes=0-{read_bytes - 1}"}, read_bytes=read_bytes, read_limit_s=limit_s
        )
        fault = trace.fault or _server_fault(trace)
        if fault is None and trace.status >= 400:
            host = trace.host
            fault = Fault(
                "forbidden",
                f"{host} refuses a fresh link to a file (HTTP {trace.status})",
                "Check the clock of this machine, and whether a proxy changes addresses.",
            )
        return _judge(trace, fault)

    def external_ip(self, echoes: Sequence[str] = PUBLIC_ECHOES) -> Check:
        """The address this machine is seen from: by the configured server if it tells, else by a public service.

        ``detail`` is the address and who told it. Not knowing it is no failure: closed networks have none.
        """
        for url in (f"{self.place.api_url}/v2/echo/address", *echoes):
            prober = Prober(
                ca_bundle=self.prober.ca_bundle,
                timeout_s=min(self.prober.timeout_s, _ECHO_LIMIT_S),
                now=self.prober.now,
            )
            trace = prober.trace(url)
            address = _address(trace) if trace.status == 200 and trace.fault is None else None
            if address is not None:
                return Check("success", f"{address} (seen by {trace.host})")
        return Check("skipped", "no server could tell it")

    def user(self) -> User:
        """The user of the key; raises Skipped when there is none, Failed when it cannot be told."""
        if self.identity is None or self.identity.is_guest:
            raise Skipped("no API key is set" if self.identity else "the configuration cannot be read")
        try:
            return self.identity.who()
        except NotFound as error:
            raise Skipped(error.message) from error
        except NgcError as error:
            raise Failed(self.fault_of(error, self.place.api_url)) from error

    def fault_of(self, error: NgcError, url: str) -> Fault:
        """Why a call failed; for a broken connection the way is walked again, step by step."""
        if isinstance(error, NetworkError):
            return self.prober.trace(url).fault or fault_of_error(error)
        return fault_of_error(error)

    def _unhealthy(self, trace: Trace) -> Fault | None:
        return (
            trace.fault
            or _server_fault(trace)
            or (None if trace.status == 200 else _unexpected(trace, "an NGC API"))
        )

    def _search(self, kind: str) -> Check:
        """Ask for the first page of a list, as the identity."""
        scope = self.place.scope
        headers: Mapping[str, str] = {}
        where = "catalog"
        if self.identity is not None and not self.identity.is_guest and scope.org:
            where = f"org/{quote(scope.org, safe='')}" + (
                f"/team/{quote(scope.team, safe='')}" if scope.team else ""
            )
            try:
                headers = self.identity.credentials.scoped(scope).headers(self.place.api_url)
            except NgcError as error:
                return Check("failed", fault=self.fault_of(error, self.place.auth_url))
        query = quote(json.dumps({"page": 0, "pageSize": 1, "query": "resourceId:*"}), safe="")
        trace = self.prober.trace(
            f"{self.place.api_url}/v2/search/{where}/resources/{kind}?q={query}", headers=headers
        )
        fault = trace.fault or _server_fault(trace) or self._refusal(trace)
        if fault is None and not _is_json(trace):
            fault = _unexpected(trace, "an NGC API")
        return _judge(trace, fault)

    def _refusal(self, trace: Trace) -> Fault | None:
        """The fault for an answer that denies access."""
        scope = self.place.scope
        place = f"org '{scope.org}'" + (f", team '{scope.team}'" if scope.team else "")
        if trace.status == 401:
            return Fault("key", "the server does not accept the API key", "Set a good one: ngc config set")
        if trace.status == 403:
            return Fault(
                "forbidden",
                f"the API key is good but may not use {place}",
                "Check org and team with 'ngc config current'; 'ngc user who' shows what you belong to.",
            )
        return None if trace.status == 200 else _unexpected(trace, "an NGC API")

    def _not_a_member(self, user: User) -> Fault | None:
        """The fault for a user who has roles, but none in the org."""
        orgs = {grant.org.name for grant in user.roles or () if grant.org}
        if not orgs or not self.place.org or self.place.org in orgs:
            return None
        return Fault(
            "forbidden",
            f"the API key is good, but its user has no role in org '{self.place.org}'",
            f"Choose an org you belong to with 'ngc config set --org': {', '.join(sorted(orgs))}.",
        )

    def _file_to_read(self, read_bytes: int) -> str:
        """A link to a large file, of the own org if possible; empty when no version with a file can be seen."""
        from ngc_cli.refs import ArtifactRef

        assert self._models is not None
        org, team = self.place.org, self.place.team
        for pattern, in_org, in_team in [(f"{org}/*", org, team), ("*", "", "")] if org else [("*", "", "")]:
            found = islice(self._models.search(pattern, in_org, in_team), _ARTIFACTS_LOOKED_AT)
            try:
                best = max((item for item in found if item.latest_version_id_str), key=_size, default=None)
            except (Forbidden, NotFound):
                continue  # another check tells that the org is closed to this key
            if best is None:
                continue
            ref = ArtifactRef(
                best.name, best.org_name or "", best.team_name or "", best.latest_version_id_str or ""
            )
            largest = max(self._models.files(ref), key=lambda entry: entry.size_bytes, default=None)
            if largest is not None and largest.size_bytes:
                return self._models.file_url(ref, largest.path)
        return ""


def blame_registry(registry: Check, api_is_up: bool) -> Check:
    """The check of the registry, seen together with that of the API: whose fault is it?"""
    down = ("refused", "timeout", "cut", "server", "unreachable")
    if registry.fault is None or registry.fault.cause not in down or not api_is_up:
        return registry
    fault = Fault(
        "registry-down",
        f"{registry.fault.detail}, while the API is up",
        "The container registry is down or blocked; models are not touched by it. Try again later, or tell its "
        "operator.",
    )
    return Check("failed", fault=fault, trace=registry.trace)


def clock(traces: Sequence[Trace]) -> Check:
    """Compare this machine's clock with those of the servers: one that is off alone is the server's."""
    seen = {trace.host: trace.clock_difference_s for trace in traces if trace.clock_difference_s is not None}
    if not seen:
        return Check("skipped", "no server told its time")
    wrong = {host: difference for host, difference in seen.items() if abs(difference) > CLOCK_TOLERANCE_S}
    worst = max(seen, key=lambda host: abs(seen[host]))
    if not wrong:
        return Check("success", f"{seen[worst]:+.1f} s to {worst}")
    detail = clock_text(seen[worst], worst)
    if len(wrong) < len(seen):
        right = next(host for host in seen if host not in wrong)
        detail += f", but agrees with that of {right}"
        next_step = f"Tell the operator of {worst} that its clock is wrong."
    else:
        next_step = CLOCK_NEXT_STEP
    return Check("failed", fault=Fault("clock", detail, next_step))


def _judge(trace: Trace, fault: Fault | None) -> Check:
    if fault is None:
        return Check("success", trace=trace)
    return Check("failed", fault=fault, trace=trace)


def _server_fault(trace: Trace) -> Fault | None:
    """The fault for an answer that says the server is in trouble."""
    if trace.status != 429 and trace.status < 500:
        return None
    hint = "The fault is the server's, or a proxy's in front of it. Try again later, or tell its operator."
    return Fault("server", f"{trace.host} answers HTTP {trace.status}", hint)


def _unexpected(trace: Trace, wanted: str) -> Fault:
    """The fault for an answer that a server of this kind does not give."""
    where = trace.headers.get("Location", "")
    host = urlsplit(where).hostname or ""
    detail = f"{trace.host} does not answer like {wanted} (HTTP {trace.status}"
    detail += f", sends on to {host})" if host else ")"
    return Fault("unexpected", detail, "Check the address; a login page of the network looks like this, too.")


def _is_json(trace: Trace) -> bool:
    return trace.body.lstrip()[:1] == b"{"


def _address(trace: Trace) -> str | None:
    """The IP address in the answer of an echo service, ours or a public one."""
    text = trace.body.decode("ascii", "replace").strip()
    try:
        if text.startswith("{"):
            text = str(parse_json(text).get("address", ""))
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _size(artifact: Artifact) -> int:
    return artifact.latest_version_size_in_bytes or 0


def read_text(trace: Trace) -> str:
    """What a sustained read achieved: ``8 MB in 0.4 s (20 MB/s)``; empty when nothing was read."""
    read = trace.read
    if read is None:
        return ""
    text = (
        f"{format_size(read.bytes_read)} in {read.duration_s:.1f} s ({format_size(read.rate_bytes_per_s)}/s)"
    )
    return text + (f" of {format_size(read.bytes_wanted)}, then the time was up" if read.out_of_time else "")
