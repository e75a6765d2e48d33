"""``ngc diag`` against a small NGC that is healthy, and against every way to be broken that it must tell apart."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import socket
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from support.brokennet import FILE_BYTES, KEY, MIB, BrokenNet, Host, Ngc
from support.commands import Done

from ngc_cli import __version__
from ngc_cli.diagnostics.probe import Prober
from ngc_cli.diagnostics.server import Place, ServerChecks
from ngc_cli.main import main

Diag = Callable[..., Done]

GENERAL = ["Checking general information..."]
INSTALLATION = ["Checking CLI installation..."]
CLIENT = [
    "Checking Operating System...",
    "Checking disk usage for ~...",
    "Checking current directory ({folder}) size...",
    "Checking memory usage...",
    "Checking file permissions...",
    "Checking set NGC CLI environment variables...",
]
PYTHON = ["Checking Python environment..."]
CLIENT_TOOLS = ["Checking container tools...", "Checking GPUs...", "Checking keyring..."]
SERVER = [
    "Checking API gateway connectivity...",
    "Checking authentication...",
    "Checking API connectivity (container registry)...",
    "Checking API connectivity (container registry meta)...",
    "Checking API connectivity (model registry)...",
    "Checking data storage connectivity...",
    "Checking clock...",
    "Checking external IP...",
]
USER = [
    "Checking NGC CLI configuration values...",
    "Checking user information...",
    "Checking user org roles...",
    "Checking user team roles...",
]
FORMS = {
    "install": GENERAL + INSTALLATION + PYTHON,
    "client": GENERAL + CLIENT + PYTHON + CLIENT_TOOLS,
    "server": GENERAL + SERVER,
    "user": GENERAL + USER,
    "all": GENERAL + INSTALLATION + CLIENT + PYTHON + CLIENT_TOOLS + SERVER + USER,
    "user,install": GENERAL + INSTALLATION + PYTHON + USER,
}
CHECKS = [
    "api_gateway",
    "authentication",
    "container_registry",
    "container_registry_meta",
    "model_registry",
    "data_storage",
    "clock",
    "external_ip",
]
REMOTE = {name: "dns" for name in CHECKS if name not in ("clock", "external_ip")}


@pytest.fixture
def ngc(net: BrokenNet, monkeypatch: pytest.MonkeyPatch) -> Ngc:
    made = net.ngc()
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def diag(
    ngc: Ngc, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Diag:
    """Runs ``ngc diag`` in an almost empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*words: str, format_type: str = "ascii") -> Done:
        capsys.readouterr()
        code = main(["diag", *words, "--format_type", format_type])
        return Done(code, *capsys.readouterr())

    return run


def causes(done: Done) -> dict[str, str]:
    return {check["check"]: check["cause"] for check in done.data["server"] if check["status"] == "failed"}


def detail(done: Done, name: str) -> str:
    return str(next(check["detail"] for check in done.data["server"] if check["check"] == name))


def labels(text: str) -> list[list[str]]:
    """The labels of each block."""
    return [[line.partition(":")[0] for line in block.splitlines()[1:]] for block in text.split("\n\n")]


class TestForms:
    @pytest.mark.parametrize("form", FORMS)
    def test_each_prints_exactly_its_blocks(self, diag: Diag, form: str) -> None:
        done = diag(form)
        assert done.code == 0, done.out
        blocks = done.out.removesuffix("\n").split("\n\n")
        expected = [heading.format(folder=Path.cwd()) for heading in FORMS[form]]
        assert [block.splitlines()[0] for block in blocks] == expected
        assert all(len(block.splitlines()) > 1 for block in blocks)
        assert done.err == ""

    def test_the_labels_of_the_guide_come_first(self, diag: Diag) -> None:
        found = dict(zip(FORMS["all"], labels(diag("all").out), strict=True))
        expected = {
            GENERAL[0]: ["Timestamp", "User name"],
            INSTALLATION[0]: ["CLI version", "Using a binary version of CLI"],
            CLIENT[0]: ["Type", "Version"],
            CLIENT[1]: ["Total", "Free", "Used"],
            CLIENT[2]: ["Size"],
            CLIENT[3]: ["Total", "Free", "Used"],
            CLIENT[4]: ["set umask"],
            CLIENT[5]: ["NGC_CLI_API_KEY", "NGC_CLI_API_URL", "NGC_CLI_AUTH_URL", "NGC_CLI_ORG"],
            SERVER[0]: ["API Connectivity"],
            SERVER[1]: ["Authentication"],
            SERVER[2]: ["Container Registry Connectivity"],
            SERVER[3]: ["Container Registry Meta Connectivity"],
            SERVER[4]: ["Model Registry Connectivity"],
            SERVER[5]: ["Data storage connectivity"],
            SERVER[7]: ["Global IP Address"],
            USER[0]: ["apikey", "format_type", "org"],
            USER[1]: ["User ID", "Name", "Email"],
            USER[2]: ["acme"],
            USER[3]: ["acme/vision"],
        }
        assert {heading: found[heading][: len(names)] for heading, names in expected.items()} == expected

    def test_values_of_a_healthy_server_and_user(self, diag: Diag, ngc: Ngc) -> None:
        lines = diag("server,user").out.splitlines()
        for line in [
            "API Connectivity: SUCCESS",
            "Authentication: SUCCESS",
            "Container Registry Connectivity: SUCCESS",
            "Container Registry Meta Connectivity: SUCCESS",
            "Model Registry Connectivity: SUCCESS",
            "Data storage connectivity: SUCCESS",
            "Addresses: 127.0.0.1",
            "Proxy: none",
            "HTTP status: 200",
            f"Global IP Address: 192.0.2.7 (seen by {ngc.api.url.removeprefix('https://')})",
            "apikey: ****good (environment variable)",
            "format_type: ascii (global argument)",
            "org: acme (environment variable)",
            "User ID: 70001",
            "Name: John Smith",
            "Email: jsmith@example.com",
            "acme: REGISTRY_READ, USER_ADMIN",
            "acme/vision: REGISTRY_USER",
        ]:
            assert line in lines

    @pytest.mark.parametrize(
        ("form", "groups"),
        [
            ("install", {"install"}),
            ("client", {"client"}),
            ("server", {"server"}),
            ("user", {"user"}),
            ("all", {"install", "client", "server", "user"}),
        ],
    )
    def test_json_has_the_groups_of_the_form(self, diag: Diag, form: str, groups: set[str]) -> None:
        done = diag(form, format_type="json")
        assert (done.code, done.err) == (0, "")
        assert set(done.data) == {"general", "ok"} | groups
        assert done.data["ok"] is True
        assert set(done.data["general"]) == {"timestamp", "user_name"}

    def test_json_of_everything(self, diag: Diag, ngc: Ngc) -> None:
        data = diag("all", format_type="json").data
        assert data["install"]["cli_version"] == f"NGC CLI {__version__}"
        assert set(data["client"]) == {
            "operating_system",
            "disk_usage",
            "current_directory",
            "memory",
            "permissions",
            "environment",
            "container_tools",
            "gpu",
            "keyring",
        }
        assert data["client"]["disk_usage"]["path"] == "~"
        assert data["client"]["environment"]["NGC_CLI_API_KEY"] == "set, value hidden"
        assert [check["check"] for check in data["server"]] == CHECKS
        for check in data["server"]:
            assert {"check", "status", "detail", "elapsed_ms"} <= set(check)
            assert check["status"] == "success"
        storage = data["server"][CHECKS.index("data_storage")]["host"]
        assert storage["name"] == ngc.files.url.removeprefix("https://")
        assert storage["read"]["bytes_read"] == FILE_BYTES
        assert storage["tls_issuer"] == "Good CA"
        assert data["user"]["user"] == {"id": 70001, "name": "John Smith", "email": "jsmith@example.com"}
        assert data["user"]["org_roles"] == {"acme": ["REGISTRY_READ", "USER_ADMIN"]}
        assert data["user"]["team_roles"] == {"acme/vision": ["REGISTRY_USER"]}
        assert {row["key"] for row in data["user"]["configuration"]} >= {"apikey", "org", "format_type"}

    def test_csv_has_check_label_and_value(self, diag: Diag) -> None:
        rows = list(csv.reader(io.StringIO(diag("install", format_type="csv").out)))
        assert rows[0] == ["check", "label", "value"]
        assert ["installation", "CLI version", f"NGC CLI {__version__}"] in rows

    def test_no_variables_are_none(self, diag: Diag, ngc: Ngc, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ngc.environment:
            monkeypatch.delenv(name)
        assert f"{CLIENT[5]}\nNone\n" in diag("client").out

    @pytest.mark.parametrize("words", [[], ["-h"]])
    def test_the_bare_command_is_help(self, diag: Diag, words: list[str]) -> None:
        done = diag(*words)
        shown, silent = (done.out, done.err) if words else (done.err, done.out)
        assert (done.code, silent) == (0 if words else 2, "")
        for word in ("all", "client", "install", "server", "user"):
            assert f"\n  {word} " in shown

    @pytest.mark.parametrize("word", ["everything", "client,everything", "client,", ","])
    def test_other_words_are_refused(self, diag: Diag, word: str) -> None:
        done = diag(word)
        assert (done.code, done.out) == (2, "")
        assert word in done.err

    def test_parts_can_be_left_out(self, diag: Diag, ngc: Ngc) -> None:
        done = diag("all", "--no-external-ip", "--no-dir-size", "--read-size", "0")
        assert done.code == 0
        for line in (
            "Global IP Address: SKIPPED (--no-external-ip)",
            "Status: SKIPPED (--no-dir-size)",
            "Data storage connectivity: SKIPPED (--read-size 0)",
        ):
            assert line in done.out
        assert "/v2/echo/address" not in str(ngc.api.requests)
        assert ngc.files.requests == []

    def test_as_much_is_read_as_is_asked_for(self, diag: Diag) -> None:
        data = diag("server", "--read-size", "1M", format_type="json").data
        assert data["server"][5]["host"]["read"]["bytes_read"] == MIB

    @pytest.mark.parametrize("words", [["--read-size", "much"], ["--timeout", "soon"]])
    def test_bad_values_are_refused(self, diag: Diag, words: list[str]) -> None:
        done = diag("server", *words)
        assert (done.code, done.out) == (2, "")
        assert words[1] in done.err


def break_name(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    net.unknown |= {"api.ngc.test", "authn.ngc.test", "nvcr.ngc.test"}


def break_proxy(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("HTTPS_PROXY", net.proxy(403).url)


def break_proxy_port(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("HTTPS_PROXY", f"http://proxy.ngc.test:{net.closed_port()}")


def break_trust(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    for host in (ngc.api, ngc.auth, ngc.registry, ngc.files):
        net.resign(host)


def break_clock(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    for host in (ngc.api, ngc.auth, ngc.registry, ngc.files):
        host.clock_offset_s = 3600


def break_one_clock(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    ngc.files.clock_offset_s = -3600


def break_reading(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    ngc.files.cut_at = MIB


def break_key(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    ngc.api.statuses |= {"/v3/keys": 401, "/v2/search": 401}
    ngc.registry.statuses |= {"/token": 401}


def break_org(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    ngc.api.statuses |= {"/v2/search/org": 403, "/v2/org": 403}


def break_registry(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    ngc.registry.statuses["/"] = 503


def break_registry_port(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("NGC_CLI_REGISTRY_SERVICE_URL", f"https://nvcr.ngc.test:{net.closed_port()}")


def break_answers(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    for host in (ngc.api, ngc.auth, ngc.registry):
        host.silent = True


def break_api(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    ngc.api.statuses["/"] = 502


def break_by_login_page(net: BrokenNet, ngc: Ngc, patch: pytest.MonkeyPatch) -> None:
    ngc.api.statuses["/"] = 302
    ngc.api.headers["Location"] = "https://wifi.hotel.test/login"


def everywhere(cause: str) -> dict[str, str]:
    return {name: cause for name in REMOTE}


BREAKS: dict[str, tuple[Callable[[BrokenNet, Ngc, pytest.MonkeyPatch], None], dict[str, str], str, str]] = {
    "name": (break_name, everywhere("dns"), "api_gateway", "'api.ngc.test'"),
    "proxy": (break_proxy, everywhere("proxy"), "api_gateway", "http://proxy.ngc.test"),
    "proxy port": (break_proxy_port, everywhere("proxy"), "api_gateway", "refused the connection"),
    "trust": (break_trust, everywhere("tls-untrusted"), "api_gateway", "'Acme Network Inspection'"),
    "clock": (break_clock, {"clock": "clock"}, "clock", "1h 0m 0s behind"),
    "one clock": (break_one_clock, {"clock": "clock"}, "clock", "but agrees with that of api.ngc.test"),
    "reading": (break_reading, {"data_storage": "cut"}, "data_storage", "after 1 MB (1048576 bytes)"),
    "key": (
        break_key,
        {name: "key" for name in REMOTE if name != "api_gateway"},
        "authentication",
        "the API key is not good",
    ),
    "org": (
        break_org,
        {name: "forbidden" for name in ("container_registry_meta", "model_registry", "data_storage")},
        "model_registry",
        "the API key is good but may not use org 'acme'",
    ),
    "registry": (
        break_registry,
        {"container_registry": "registry-down"},
        "container_registry",
        "answers HTTP 503, while the API is up",
    ),
    "registry port": (
        break_registry_port,
        {"container_registry": "registry-down"},
        "container_registry",
        "refused the connection",
    ),
    "answers": (break_answers, everywhere("timeout"), "api_gateway", "sent no answer within 1 s"),
    "api": (
        break_api,
        {name: "server" for name in REMOTE if name != "container_registry"},
        "api_gateway",
        "answers HTTP 502",
    ),
    "login page": (
        break_by_login_page,
        {name: "unexpected" for name in ("api_gateway", "container_registry_meta", "model_registry")},
        "api_gateway",
        "sends on to wifi.hotel.test",
    ),
}


class TestBroken:
    @pytest.mark.parametrize("way", BREAKS)
    def test_one_run_names_the_cause(
        self, diag: Diag, net: BrokenNet, ngc: Ngc, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        spoil, expected, check, said = BREAKS[way]
        spoil(net, ngc, monkeypatch)
        started = time.monotonic()
        done = diag("server", "--no-external-ip", "--timeout", "1", format_type="json")
        assert time.monotonic() - started < 30
        assert done.code == 1
        assert done.data["ok"] is False
        found = causes(done)
        if way == "login page":
            found = {name: cause for name, cause in found.items() if name in expected}
        assert found == expected
        assert said in detail(done, check)
        assert all(entry["next_step"] for entry in done.data["server"] if entry["status"] == "failed")
        assert "checks failed" in done.err

    def test_several_at_once(self, diag: Diag, net: BrokenNet, ngc: Ngc) -> None:
        net.unknown.add("authn.ngc.test")
        net.resign(ngc.registry)
        ngc.files.cut_at = MIB
        ngc.api.clock_offset_s = ngc.files.clock_offset_s = 3600
        ngc.registry.clock_offset_s = 3600
        done = diag("server", "--no-external-ip", format_type="json")
        assert causes(done) == {
            "authentication": "dns",
            "container_registry": "tls-untrusted",
            "data_storage": "cut",
            "clock": "clock",
        }

    def test_the_lines_of_a_failure(self, diag: Diag, net: BrokenNet, ngc: Ngc) -> None:
        ngc.registry.statuses["/"] = 503
        done = diag("server")
        block = done.out.split("\n\n")[3].splitlines()
        host = ngc.registry.url.removeprefix("https://")
        assert block[:4] == [
            SERVER[2],
            f"Container Registry Connectivity: FAILED (registry-down: {host} answers HTTP 503, while the API is up)",
            "Next step: The container registry is down or blocked; models are not touched by it. Try again later, "
            "or tell its operator.",
            f"Host: {host}",
        ]
        assert done.err == "1 of 9 checks failed (registry-down: container_registry).\n"

    def test_servers_that_never_answer_do_not_hold_up_long(self, diag: Diag, ngc: Ngc) -> None:
        for host in (ngc.api, ngc.auth, ngc.registry):
            host.silent = True
        started = time.monotonic()
        assert diag("all", "--no-external-ip", "--timeout", "2").code == 1
        assert time.monotonic() - started < 30

    def test_the_user_is_told_why_it_is_not_known(self, diag: Diag, net: BrokenNet) -> None:
        net.unknown.add("api.ngc.test")
        done = diag("user", format_type="json")
        assert done.code == 1
        assert done.data["user"]["user"]["cause"] == "dns"
        assert done.data["user"]["org_roles"] == {"status": "skipped", "detail": "the user is not known"}
        assert {row["key"] for row in done.data["user"]["configuration"]} >= {"apikey", "org"}

    def test_a_legacy_key_that_is_refused(
        self, diag: Diag, ngc: Ngc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NGC_CLI_API_KEY", "bGVnYWN5a2V5")
        ngc.auth.statuses["/token"] = 401
        ngc.registry.statuses["/token"] = 401
        found = causes(diag("server", "--no-external-ip", format_type="json"))
        assert found == {name: "key" for name in REMOTE if name != "api_gateway"}


class TestOtherPeople:
    def test_a_guest_fails_nothing(self, diag: Diag, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NGC_CLI_API_KEY")
        done = diag("server,user")
        assert done.code == 0, done.out
        assert "Authentication: SKIPPED (no API key is set)" in done.out
        assert f"{USER[1]}\nStatus: SKIPPED (no API key is set)" in done.out

    def test_a_service_key_has_no_user(self, diag: Diag, ngc: Ngc) -> None:
        ngc.api.bodies["/v3/keys/get-caller-info"] = b'{"type": "SERVICE_KEY", "orgName": "acme"}'
        done = diag("server,user")
        assert done.code == 0, done.out
        assert "Authentication: SUCCESS (a service key)" in done.out
        assert "Status: SKIPPED (this key belongs to no user" in done.out


class TestBrokenSettings:
    @pytest.fixture
    def config(self) -> Path:
        file = Path(os.environ["HOME"], ".ngc", "config")
        file.parent.mkdir(mode=0o700)
        file.write_text("[CURRENT\napikey = nvapi-f1le-canary\norg = acme\n")
        file.chmod(0o600)
        return file

    def test_a_config_file_that_cannot_be_read_stops_nothing(
        self, diag: Diag, config: Path, ngc: Ngc
    ) -> None:
        done = diag("all", format_type="json")
        assert done.code == 1
        assert done.data["user"]["configuration"]["cause"] == "configuration"
        assert "~/.ngc/config" in done.data["user"]["configuration"]["detail"]
        assert done.data["server"][0]["status"] == "success"
        assert [check["check"] for check in done.data["server"]] == CHECKS
        assert done.data["client"]["memory"]["total_bytes"] > 0
        assert "f1le-canary" not in done.out + done.err
        sent = [host.authorizations for host in (ngc.api, ngc.auth, ngc.registry)]
        assert {value for values in sent for value in values} == {""}

    def test_a_variable_that_is_wrong_stops_nothing(
        self, diag: Diag, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NGC_CLI_TEAM", "a b")
        done = diag("user", format_type="json")
        assert done.code == 1
        assert "NGC_CLI_TEAM" in done.data["user"]["configuration"]["detail"]

    def test_offline_with_a_broken_config_there_is_still_a_bundle(
        self, diag: Diag, config: Path, net: BrokenNet, ngc: Ngc
    ) -> None:
        net.unknown |= {"api.ngc.test", "authn.ngc.test", "nvcr.ngc.test"}
        done = diag("all", "--output", "b.zip", "--no-external-ip")
        assert done.code == 1
        with zipfile.ZipFile("b.zip") as bundle:
            manifest = json.loads(bundle.read("manifest.json"))
        assert "configuration" in manifest["failed_sections"]
        assert "api_gateway" in manifest["failed_sections"]


def forms_of(secret: str) -> set[str]:
    """The ways a secret may be written."""
    encoded = base64.b64encode(secret.encode()).decode()
    basic = base64.b64encode(f"$oauthtoken:{secret}".encode()).decode()
    return {secret, quote(secret, safe=""), encoded, encoded.rstrip("="), basic.rstrip("=")}


class TestSecrets:
    SECRETS = (
        "nvapi-c4nary-of-the-environment",
        "pr0xy/p4ssw0rd+canary",
        "s1gned-c4nary-query",
        "legacy-c4nary-of-the-file",
        "c4nary-of-another-profile",
    )

    @pytest.fixture
    def planted(
        self, net: BrokenNet, ngc: Ngc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[str, ...]:
        """Secrets in the environment, in the config file, and in what servers say (which is what is logged)."""
        env_key, proxy_password, signature, file_key, other_key = self.SECRETS
        home = str(tmp_path / "home of c4nary")
        monkeypatch.setenv("HOME", home)
        folder = Path(home, ".ngc")
        folder.mkdir(parents=True, mode=0o700)
        (folder / "config").write_text(
            f"[CURRENT]\napikey = {file_key}\norg = acme\nca_bundle = {home}/ca.pem\n\n"
            f"[profile other]\napikey = {other_key}\n"
        )
        (folder / "config").chmod(0o600)
        Path(home, "ca.pem").write_bytes(Path(net.ca_bundle).read_bytes())
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        proxy = net.proxy()
        monkeypatch.setenv(
            "HTTPS_PROXY", proxy.url.replace("//", f"//user:{quote(proxy_password, safe='')}@")
        )
        monkeypatch.setenv("NGC_CLI_API_KEY", env_key)
        monkeypatch.setenv("NGC_CLI_CATALOG_URL", f"https://catalog.ngc.test/x?Signature={signature}")
        monkeypatch.setenv("NGC_CLI_NEW_THING", f"{home} {env_key} {quote(home, safe='')}")
        said = f"no {env_key} at https://files.ngc.test/f?X-Amz-Signature={signature} {home}/x Signature={signature}"
        ngc.api.bodies["/v2/search/org/acme/resources/MODEL"] = json.dumps({"message": said}).encode()
        ngc.api.statuses["/v2/search/org/acme/resources/MODEL"] = 403
        ngc.files.headers["Server"] = f"{env_key} {file_key} {other_key} {proxy_password} {home}"
        ngc.registry.headers["Location"] = f"https://x.ngc.test/?token={signature}"
        link = f"{ngc.files.url}/blob?Signature={signature}&Expires=1&home={quote(home, safe='')}"
        ngc.api.bodies["/v2/org/acme/models/net/1/files"] = json.dumps(
            {"urls": [link], "filepath": ["weights.bin"]}
        ).encode()
        return (*self.SECRETS, home)

    @pytest.mark.parametrize("format_type", ["ascii", "csv", "json"])
    @pytest.mark.parametrize("broken", [False, True])
    def test_nothing_planted_comes_out(
        self, diag: Diag, planted: tuple[str, ...], ngc: Ngc, format_type: str, broken: bool
    ) -> None:
        if broken:
            config = Path(os.environ["HOME"], ".ngc", "config")
            config.write_text(config.read_text().replace("[CURRENT]", "[CURRENT"))
        done = diag("all", "--output", "b.zip", format_type=format_type)
        with zipfile.ZipFile("b.zip") as bundle:
            texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
        texts |= {"stdout": done.out, "stderr": done.err}
        for secret in planted:
            for form in forms_of(secret):
                for name, text in texts.items():
                    assert form not in text, f"{form} in {name}"
        assert texts["log.txt"].count("\n") > 5
        if not broken:
            assert [line for line in texts["log.txt"].splitlines() if "files.ngc.test" in line]
            assert ngc.files.requests != []

    def test_every_redaction_is_listed(self, diag: Diag, planted: tuple[str, ...]) -> None:
        diag("all", "--output", "b.zip")
        with zipfile.ZipFile("b.zip") as bundle:
            manifest = json.loads(bundle.read("manifest.json"))
            texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
        assert {entry["name"] for entry in manifest["files"]} == set(texts) - {"manifest.json"}
        listed = {(entry["place"], entry["what"]): entry["count"] for entry in manifest["redactions"]}
        assert listed["report.txt", "home folder"] == texts["report.txt"].count("~")
        assert sum(count for (place, what), count in listed.items() if place == "log.txt") > 0
        for name in ("report.txt", "log.txt"):
            masks = texts[name].count("***")
            assert masks == 0 or any(place == name and what != "home folder" for place, what in listed)
        assert "client/environment/NGC_CLI_API_KEY" in manifest["hidden_values"]
        assert "user/configuration/apikey" in manifest["hidden_values"]


class TestBundle:
    def test_it_holds_what_was_printed(self, diag: Diag) -> None:
        done = diag("all", "-o", "b.zip")
        assert done.code == 0
        assert "b.zip" in done.err
        with zipfile.ZipFile("b.zip") as bundle:
            assert bundle.testzip() is None
            assert bundle.read("report.txt").decode() == done.out
            report = json.loads(bundle.read("report.json"))
            manifest = json.loads(bundle.read("manifest.json"))
            for entry in manifest["files"]:
                assert len(bundle.read(entry["name"])) == entry["size_bytes"]
        assert report["ok"] is True
        assert (manifest["program"], manifest["failed_sections"]) == (f"ngc {__version__}", [])
        assert Path("b.zip").stat().st_mode & 0o777 == 0o600
        assert [path.name for path in Path.cwd().iterdir()] == ["b.zip"]

    def test_an_earlier_one_is_replaced(self, diag: Diag) -> None:
        Path("b.zip").write_text("old")
        assert diag("install", "-o", "b.zip").code == 0
        assert zipfile.is_zipfile("b.zip")

    def test_a_place_that_cannot_be_written_is_told_first(self, diag: Diag, ngc: Ngc) -> None:
        done = diag("server", "-o", "nowhere/b.zip")
        assert (done.code, done.out) == (17, "")
        assert "nowhere/b.zip" in done.err
        assert ngc.api.requests == []


def test_no_name_but_ours_was_asked_for(diag: Diag, net: BrokenNet) -> None:
    diag("all")
    assert {name for name in net.queries if not name.endswith(".ngc.test")} <= {"127.0.0.1"}
    assert socket.getaddrinfo.__name__ == "resolve"


def test_the_key_is_sent_to_the_api_and_the_registry_only(diag: Diag, ngc: Ngc) -> None:
    diag("server")
    assert any(KEY in value for value in ngc.api.authorizations)
    assert set(ngc.files.authorizations) == {""}


class TestExternalAddress:
    def checks(self, net: BrokenNet, ngc: Ngc) -> ServerChecks:
        place = Place(ngc.api.url, ngc.auth.url, ngc.registry.url)
        return ServerChecks(place, Prober(ca_bundle=net.ca_bundle, timeout_s=2), None, None)

    @pytest.mark.parametrize(
        "answer", [b'{"message": "no such path"}', b'{"address": "x"}', b"<html>", b"[1]"]
    )
    def test_others_are_asked_when_the_server_does_not_tell(
        self, net: BrokenNet, ngc: Ngc, answer: bytes
    ) -> None:
        ngc.api.bodies["/v2/echo/address"] = answer
        silent = net.host(Host("silent.test", statuses={"/": 503}))
        echo = net.host(Host("echo.test", bodies={"/ip": b"2001:db8::7\n"}))
        check = self.checks(net, ngc).external_ip([silent.url, f"{echo.url}/ip"])
        assert check.note == f"2001:db8::7 (seen by {echo.url.removeprefix('https://')})"

    def test_nobody_else_is_asked_when_it_does(self, net: BrokenNet, ngc: Ngc) -> None:
        other = net.host(Host("echo.test"))
        assert self.checks(net, ngc).external_ip([other.url]).status == "success"
        assert other.requests == []

    def test_not_to_know_it_is_no_failure(self, net: BrokenNet, ngc: Ngc) -> None:
        ngc.api.statuses["/v2/echo/address"] = 404
        assert self.checks(net, ngc).external_ip([]).status == "skipped"
