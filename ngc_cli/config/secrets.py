"""API keys: how they are held in memory, and the OS keyring with a time limit.

A keyring may be missing, locked behind a dialog nobody sees, or hang for ever; every call therefore runs in a
thread of its own that is given up at a deadline. ``keyring`` is imported only inside that thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ngc_cli.errors import ConfigError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

Result = TypeVar("Result")

# Half a second less than the 3 s promised for the whole command that meets a silent keyring.
DEADLINE_S: Final = 2.5
_NOT_SAFE = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")


def check_key(text: str) -> str:
    """The key itself, of any shape and length; raises ValueError when it could not be sent in a header."""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it is empty or has blanks or characters outside ASCII")
    return text


class KeyringUnavailable(ConfigError):
    """No usable keyring answered in time."""


class Secret:
    """A key that shows itself only to ``reveal``; read from where it is kept when first revealed."""

    __slots__ = ("_read", "_value")

    def __init__(self, value: str | Callable[[], str]) -> None:
        self._value: str | None = value if isinstance(value, str) else None
        self._read: Callable[[], str] | None = None if isinstance(value, str) else value

    def reveal(self) -> str:
        """The key in clear; raises ConfigError when the keyring that holds it does not give it out."""
        if self._value is None:
            assert self._read is not None
            self._value = self._read()
        return self._value

    @property
    def at_hand(self) -> bool:
        """Whether ``reveal`` needs no keyring."""
        return self._value is not None

    def masked(self) -> str:
        """``****`` and the last four characters, whatever the length; of a short key no character."""
        value = self.reveal()
        return f"****{value[-4:]}" if len(value) > 8 else "****"

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


class OsKeyring:
    """The keys that one config file keeps in the keyring of the operating system, by profile name.

    After the keyring failed to answer once it is not asked again: a command waits at most one deadline.
    """

    def __init__(self, config_path: Path, deadline_s: float = DEADLINE_S) -> None:
        self._service = f"ngc-cli {os.path.realpath(config_path)}"
        self._deadline_s = deadline_s
        self._given_up = False

    def backend_name(self) -> str:
        """The name of the keyring; raises KeyringUnavailable. Reads no key, so that no dialog opens."""
        return self._within_deadline(
            lambda backend, live: f"{type(backend).__module__}.{type(backend).__qualname__}"
        )

    def read(self, profile: str) -> str | None:
        """The key, None when the keyring has none; raises KeyringUnavailable."""
        return self._within_deadline(lambda backend, live: backend.get_password(self._service, profile))

    def write(self, profile: str, key: str) -> None:
        """Keep the key and read it back; raises KeyringUnavailable when it is not safely there in time."""

        def store(backend: KeyringBackend, live: Callable[[], bool]) -> None:
            if live():
                backend.set_password(self._service, profile, key)
            if backend.get_password(self._service, profile) != key:
                raise KeyringUnavailable("the OS keyring did not keep the key")

        self._within_deadline(store)

    def delete(self, profile: str) -> None:
        """Forget the key, if there is one; raises KeyringUnavailable."""

        def remove(backend: KeyringBackend, live: Callable[[], bool]) -> None:
            if backend.get_password(self._service, profile) is not None and live():
                backend.delete_password(self._service, profile)

        self._within_deadline(remove)

    def _within_deadline(self, action: Callable[[KeyringBackend, Callable[[], bool]], Result]) -> Result:
        """Run the action with the usable backend, within the deadline; its second argument tells if it still counts."""
        import threading

        silent = f"the OS keyring did not answer within {self._deadline_s:g} s"
        if self._given_up:
            raise KeyringUnavailable(silent)
        given_up = threading.Event()
        results: list[Result] = []
        failures: list[Exception] = []

        def work() -> None:
            try:
                backend = _usable_backend()
                results.append(action(backend, lambda: not given_up.is_set()))
            except Exception as error:  # noqa: BLE001 - backends raise what they like; raised again below
                failures.append(error)

        thread = threading.Thread(target=work, name="keyring", daemon=True)
        thread.start()
        thread.join(self._deadline_s)
        if thread.is_alive():
            given_up.set()
            self._given_up = True
            raise KeyringUnavailable(silent, hint="It may be locked: unlock it and try again.")
        if failures:
            if isinstance(failures[0], KeyringUnavailable):
                raise failures[0]
            raise KeyringUnavailable(
                f"the OS keyring cannot be used: {failures[0] or type(failures[0]).__name__}"
            ) from failures[0]
        return results[0]


def _usable_backend() -> KeyringBackend:
    """The backend to use; raises KeyringUnavailable where there is none but a fake or plain-text one."""
    import keyring

    backend: Any = keyring.get_keyring()
    for candidate in getattr(backend, "backends", [backend]):
        if not type(candidate).__module__.startswith(_NOT_SAFE):
            found: KeyringBackend = candidate
            return found
    raise KeyringUnavailable("there is no usable OS keyring")
