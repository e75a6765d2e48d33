"""Keys in memory and in the OS keyring: never shown, never waited for without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null

from ngc_cli.config.secrets import KeyringUnavailable, OsKeyring, Secret, check_key

KEY = "canary-of-the-keyring"


class InMemory(KeyringBackend):
    """A keyring that works."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


class Forgetful(InMemory):
    """A keyring that says yes and keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class Locked(InMemory):
    """A keyring that refuses."""

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError("the collection is locked")


class Silent(InMemory):
    """A keyring that answers only when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = threading.Event()
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        self.answer.wait(30)
        return super().get_password(service, username)


class PlainText(InMemory):
    """What keyrings.alt offers: a file anybody can read."""


PlainText.__module__ = "keyrings.alt.file"


@pytest.fixture(autouse=True)
def restored_keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    yield


def use(backend: KeyringBackend) -> None:
    keyring.set_keyring(backend)


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret(KEY)
    assert (repr(secret), str(secret), f"{secret}") == ("Secret(***)",) * 3
    assert secret.reveal() == KEY
    assert secret.masked() == "****ring"
    assert Secret("short").masked() == "****"


def test_a_secret_is_read_when_first_needed_and_once() -> None:
    reads: list[int] = []
    secret = Secret(lambda: reads.append(1) or KEY)
    assert not reads
    assert secret
    assert (secret.reveal(), secret.reveal(), len(reads)) == (KEY, KEY, 1)


@pytest.mark.parametrize("text", ["", "a b", "a\n", "kéy", "a\x00"])
def test_what_cannot_travel_in_a_header_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="empty or has blanks"):
        check_key(text)


def test_keys_are_kept_by_profile_and_config_file(tmp_path: Path) -> None:
    use(InMemory())
    one, two = OsKeyring(tmp_path / "one"), OsKeyring(tmp_path / "two")
    one.write("default", KEY)
    two.write("default", "other")
    assert (one.read("default"), two.read("default"), one.read("work")) == (KEY, "other", None)
    one.delete("default")
    one.delete("default")
    assert (one.read("default"), two.read("default")) == (None, "other")


@pytest.mark.parametrize("backend", [fail.Keyring(), null.Keyring(), PlainText()])
def test_fakes_and_plain_text_count_as_none(tmp_path: Path, backend: KeyringBackend) -> None:
    use(backend)
    with pytest.raises(KeyringUnavailable, match="there is no usable OS keyring"):
        OsKeyring(tmp_path).write("default", KEY)


def test_of_a_chain_the_first_safe_one_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    safe, plain = InMemory(), PlainText()
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [plain, safe])
    use(chainer.ChainerBackend())
    OsKeyring(tmp_path).write("default", KEY)
    assert (list(safe.entries.values()), plain.entries) == ([KEY], {})


def test_a_key_that_was_not_kept_is_noticed(tmp_path: Path) -> None:
    use(Forgetful())
    with pytest.raises(KeyringUnavailable, match="did not keep the key"):
        OsKeyring(tmp_path).write("default", KEY)


def test_what_a_keyring_complains_about_is_told(tmp_path: Path) -> None:
    use(Locked())
    with pytest.raises(KeyringUnavailable, match="cannot be used: the collection is locked"):
        OsKeyring(tmp_path).read("default")


def test_a_silent_keyring_is_given_up_once_for_all(tmp_path: Path) -> None:
    backend = Silent()
    use(backend)
    started = time.monotonic()
    store = OsKeyring(tmp_path, deadline_s=0.2)
    for _ in range(3):
        with pytest.raises(KeyringUnavailable, match=r"did not answer within 0\.2 s"):
            store.read("default")
    assert time.monotonic() - started < 2
    assert backend.asked == 1
    backend.answer.set()


def test_a_late_keyring_changes_nothing(tmp_path: Path) -> None:
    backend = Silent()
    backend.set_password(f"ngc-cli {tmp_path}", "default", KEY)
    use(backend)
    with pytest.raises(KeyringUnavailable):
        OsKeyring(tmp_path, deadline_s=0.2).delete("default")
    waiting = [thread for thread in threading.enumerate() if thread.name == "keyring"]
    backend.answer.set()
    for thread in waiting:
        thread.join(10)
    assert list(backend.entries.values()) == [KEY]
