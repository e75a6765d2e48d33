"""The probe against a network that is broken on purpose: each failure has its own cause."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.brokennet import FILE_BYTES, MIB, BrokenNet, Host

from ngc_cli.diagnostics.certificate import read_certificate
from ngc_cli.diagnostics.probe import Prober
from ngc_cli.diagnostics.surroundings import within
from ngc_cli.diagnostics.trace import Fault, Trace


@pytest.fixture
def prober(net: BrokenNet) -> Prober:
    return Prober(ca_bundle=net.ca_bundle, timeout_s=2)


def fault(trace: Trace) -> Fault:
    assert trace.fault is not None
    assert trace.fault.next_step
    return trace.fault


def test_a_healthy_host_is_described(net: BrokenNet, prober: Prober) -> None:
    host = net.host(Host("api.ngc.test", bodies={"/health": b"{}"}))
    trace = prober.trace(f"{host.url}/health?key=s3cret")
    assert trace.fault is None
    assert (trace.status, trace.body) == (200, b"{}")
    assert trace.addresses == ("127.0.0.1",)
    assert trace.proxy == ""
    assert trace.url == f"{host.url}/health?key=***"
    assert trace.tls_version.startswith("TLSv1.")
    assert trace.certificate is not None
    assert trace.certificate.issuer == "Good CA"
    assert trace.trusted == net.ca_bundle
    assert trace.clock_difference_s is not None
    assert abs(trace.clock_difference_s) <= 1
    assert trace.connect_ms is not None
    assert trace.answer_ms is not None


def test_a_name_that_does_not_resolve(net: BrokenNet, prober: Prober) -> None:
    net.unknown.add("api.ngc.test")
    found = fault(prober.trace("https://api.ngc.test/health"))
    assert found.cause == "dns"
    assert "'api.ngc.test'" in found.detail


def test_name_servers_that_do_not_answer(prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: never.wait(20))
    prober.timeout_s = 0.2
    started = time.monotonic()
    found = fault(prober.trace("https://api.ngc.test/health"))
    never.set()
    assert found.cause == "dns"
    assert "no name server answered" in found.detail
    assert time.monotonic() - started < 2


def test_a_port_where_nothing_listens(net: BrokenNet, prober: Prober) -> None:
    port = net.closed_port()
    found = fault(prober.trace(f"https://api.ngc.test:{port}/"))
    assert found.cause == "refused"
    assert f"api.ngc.test:{port}" in found.detail


def test_one_address_of_several_is_dead(
    net: BrokenNet, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = net.host(Host("api.ngc.test"))
    port = int(host.url.rpartition(":")[2])
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", net.closed_port())),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: answers)
    trace = prober.trace(host.url)
    assert trace.fault is None
    assert trace.addresses == ("127.0.0.2", "127.0.0.1")
    assert trace.unreachable == ("127.0.0.2",)


def test_a_certificate_signed_on_the_way(net: BrokenNet, prober: Prober) -> None:
    host = net.host(Host("api.ngc.test"))
    net.resign(host)
    trace = prober.trace(host.url)
    found = fault(trace)
    assert found.cause == "tls-untrusted"
    assert "'Acme Network Inspection'" in found.detail
    for setting in ("--ca-bundle", "ca_bundle", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        assert setting in found.next_step
    assert trace.certificate is not None
    assert trace.certificate.issuer == "Acme Network Inspection"


def test_nothing_secret_is_sent_to_a_host_that_is_not_trusted(net: BrokenNet, prober: Prober) -> None:
    host = net.host(Host("api.ngc.test"))
    net.resign(host)
    prober.trace(host.url, headers={"Authorization": "Bearer s3cret"})
    assert host.authorizations == [""]


def test_a_certificate_for_another_name(net: BrokenNet, prober: Prober) -> None:
    host = net.host(Host("api.ngc.test"))
    net.misname(host)
    found = fault(prober.trace(host.url))
    assert found.cause == "tls-name"
    assert "api.ngc.test" in found.detail


def test_a_certificate_that_has_expired(net: BrokenNet, prober: Prober) -> None:
    host = net.host(Host("api.ngc.test"))
    ended = datetime.now(timezone.utc) - timedelta(hours=2)
    net.expire(host, valid_until=ended)
    found = fault(prober.trace(host.url))
    assert found.cause == "tls-expired"
    assert f"{ended:%Y-%m-%d %H:%M}" in found.detail


def test_a_certificate_that_only_our_clock_calls_expired(net: BrokenNet, prober: Prober) -> None:
    ended = datetime.now(timezone.utc) - timedelta(minutes=30)
    host = net.host(Host("api.ngc.test", clock_offset_s=-3600))
    net.expire(host, valid_until=ended)
    found = fault(prober.trace(host.url))
    assert found.cause == "clock"
    assert re.search(r"is (59m 59s|1h 0m 0s) ahead of that of api\.ngc\.test", found.detail)


def test_a_clock_that_is_off_is_measured(net: BrokenNet, prober: Prober) -> None:
    host = net.host(Host("api.ngc.test", clock_offset_s=3600))
    trace = prober.trace(host.url)
    assert trace.fault is None
    assert trace.clock_difference_s == pytest.approx(3600, abs=1)


def test_a_server_that_never_answers(net: BrokenNet, prober: Prober) -> None:
    host = net.host(Host("api.ngc.test", silent=True))
    prober.timeout_s = 0.5
    started = time.monotonic()
    found = fault(prober.trace(host.url))
    assert found.cause == "timeout"
    assert "sent no answer within 0.5 s" in found.detail
    assert time.monotonic() - started < 2


def test_a_server_that_does_not_speak_tls(net: BrokenNet, prober: Prober) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        found = fault(prober.trace(f"https://api.ngc.test:{listener.getsockname()[1]}/"))
        thread.join()
    assert found.cause == "tls"
    assert "plain HTTP" in found.next_step


@pytest.mark.parametrize(
    ("said", "cause"),
    [(b"", "cut"), (b"SSH-2.0-OpenSSH_9.2\r\n", "unexpected"), (b"HTTP/1.1 200 OK\r\n", "cut")],
)
def test_answers_that_are_none(net: BrokenNet, prober: Prober, said: bytes, cause: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        trace = prober.trace(f"http://localhost:{listener.getsockname()[1]}/")
        thread.join()
    if said.startswith(b"HTTP"):
        assert (trace.status, trace.headers) == (200, {})
    else:
        assert fault(trace).cause == cause


def test_a_sustained_read_is_measured(net: BrokenNet, prober: Prober) -> None:
    host = net.host(Host("files.ngc.test", bodies={"/blob": b"x" * FILE_BYTES}))
    trace = prober.trace(f"{host.url}/blob", read_bytes=2 * MIB, read_limit_s=5)
    assert trace.fault is None
    assert trace.read is not None
    assert (trace.read.bytes_read, trace.read.bytes_wanted) == (2 * MIB, 2 * MIB)
    assert trace.read.rate_bytes_per_s > MIB


def test_a_connection_cut_after_one_mebibyte(net: BrokenNet, prober: Prober) -> None:
    host = net.host(Host("files.ngc.test", bodies={"/blob": b"x" * FILE_BYTES}, cut_at=MIB))
    trace = prober.trace(f"{host.url}/blob", read_bytes=2 * MIB, read_limit_s=5)
    found = fault(trace)
    assert found.cause == "cut"
    assert "after 1 MB (1048576 bytes) of 2 MB" in found.detail
    assert trace.read is not None
    assert trace.read.bytes_read == MIB


def test_a_read_that_takes_too_long_is_no_failure(net: BrokenNet, prober: Prober) -> None:
    host = net.host(Host("files.ngc.test", bodies={"/blob": b"x" * FILE_BYTES}, bytes_per_s=MIB))
    trace = prober.trace(f"{host.url}/blob", read_bytes=FILE_BYTES, read_limit_s=0.6)
    assert trace.fault is None
    assert trace.read is not None
    assert trace.read.out_of_time
    assert 0 < trace.read.bytes_read < FILE_BYTES
    assert trace.read.duration_s < 1.5


class TestProxy:
    def test_requests_go_through_it(
        self, net: BrokenNet, prober: Prober, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host, proxy = net.host(Host("api.ngc.test")), net.proxy()
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", "http://me:p%40ss@"))
        trace = prober.trace(host.url)
        assert trace.fault is None
        assert trace.status == 200
        assert trace.proxy == proxy.url
        assert proxy.targets == [host.url.removeprefix("https://")]
        assert proxy.logins == ["Basic bWU6cEBzcw=="]
        assert "api.ngc.test" not in net.queries

    def test_no_proxy_is_obeyed(
        self, net: BrokenNet, prober: Prober, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host, proxy = net.host(Host("api.ngc.test")), net.proxy(403)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "ngc.test")
        trace = prober.trace(host.url)
        assert (trace.fault, trace.proxy, proxy.targets) == (None, "", [])

    @pytest.mark.parametrize(("status", "advice"), [(403, "NO_PROXY"), (407, "USER:PASSWORD")])
    def test_it_refuses(
        self, net: BrokenNet, prober: Prober, monkeypatch: pytest.MonkeyPatch, status: int, advice: str
    ) -> None:
        proxy = net.proxy(status)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        found = fault(prober.trace("https://api.ngc.test/"))
        assert found.cause == "proxy"
        assert f"HTTP {status}" in found.detail
        assert advice in found.next_step

    def test_nothing_listens_there(
        self, net: BrokenNet, prober: Prober, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pr0xy-pass@proxy.ngc.test:{net.closed_port()}")
        found = fault(prober.trace("https://api.ngc.test/"))
        assert found.cause == "proxy"
        assert "pr0xy-pass" not in found.detail + found.next_step

    def test_its_name_does_not_resolve(
        self, net: BrokenNet, prober: Prober, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        net.unknown.add("proxy.ngc.test")
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.ngc.test:3128")
        assert fault(prober.trace("https://api.ngc.test/")).cause == "proxy"

    def test_it_is_of_a_kind_we_do_not_know(
        self, net: BrokenNet, prober: Prober, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.ngc.test:1080")
        assert fault(prober.trace("https://api.ngc.test/")).cause == "proxy"


@pytest.mark.parametrize("url", ["", "api.ngc.test", "ftp://api.ngc.test/", "https://[", "https://h:99999/"])
def test_addresses_that_are_none(prober: Prober, url: str) -> None:
    assert fault(prober.trace(url)).cause == "unexpected"


def test_a_bundle_of_certificates_that_is_not_there(net: BrokenNet) -> None:
    host = net.host(Host("api.ngc.test"))
    found = fault(Prober(ca_bundle="/nowhere.pem").trace(host.url))
    assert found.cause == "tls-untrusted"
    assert "/nowhere.pem" in found.detail


def test_within_gives_up_and_hands_on() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.05, lambda: never.wait(20))
    never.set()
    assert within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)


class TestCertificate:
    def test_it_agrees_with_openssl(self, net: BrokenNet) -> None:
        leaf = net.ca.issue_cert("api.ngc.test", common_name="api.ngc.test", organization_name="Acme")
        der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
        found = read_certificate(der)
        from cryptography import x509

        known = x509.load_der_x509_certificate(der)
        assert found.not_before == known.not_valid_before_utc
        assert found.not_after == known.not_valid_after_utc
        assert found.issuer == "Good CA"
        assert found.subject == "Acme, api.ngc.test"

    @given(st.binary(max_size=200))
    def test_garbage_is_refused(self, garbage: bytes) -> None:
        with pytest.raises(ValueError):
            read_certificate(garbage)

    @given(st.data())
    def test_a_damaged_certificate_is_read_or_refused(self, data: st.DataObject) -> None:
        der = bytearray(_der())
        for _ in range(data.draw(st.integers(1, 4))):
            der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(ValueError):
            read_certificate(bytes(der))


_made: list[bytes] = []


def _der() -> bytes:
    if not _made:
        import trustme

        leaf = trustme.CA().issue_cert("api.ngc.test")
        _made.append(ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode()))
    return _made[0]
