"""What must not leave the machine with a diagnosis: secrets, secret parts of addresses, the home folder.

``http.redact`` masks what is secret; this adds what names a person, and counts, so that a reader can see where
something was taken out.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from ngc_cli.http.redact import MASK, redact_text, register_secret

_SECRET_NAMES = re.compile(r"(?i)(?:^|_)(?:\w*key|token|secret|passw(?:or)?d|pass)$")
_SECRET_SETTINGS = re.compile(r"(?im)^\s*[\w-]*(?:key|token|secret|password)\s*[=:]\s*(\S+)")
_PARAMETERS = re.compile(
    r"(?i)\b((?:x-amz-|x-goog-)?(?:signature|sig|credential|security-token|token|policy|key-pair-id|password|secret))"
    r"=[^\s&\"'<>]+"
)
# Shorter values (yes, 1, none) stand in ordinary text as well and would blank it.
_SECRET_SHORTEST = 8
# A home folder such as "/" would be found everywhere.
_ENCODED_HOME_SHORTEST = 5


@dataclass(frozen=True)
class Redaction:
    """Something that was taken out of a text: where, what, how many times."""

    place: str
    what: str
    count: int


class Redactor:
    """Takes secrets and home folders out of texts, and remembers where it did."""

    def __init__(self, homes: Mapping[str, str]) -> None:
        """``homes`` is the path of each folder to hide and what to show instead; the longest is tried first."""
        self._homes: list[tuple[re.Pattern[str], str]] = []
        for home, shown in sorted(homes.items(), key=lambda item: -len(item[0])):
            if home.strip("/"):
                self._homes.append((_forms_of(home), shown))
        self._counts: Counter[tuple[str, str]] = Counter()

    def text(self, text: str, place: str = "") -> str:
        """The text as it may be shown."""
        for pattern, shown in self._homes:
            text = self._count(pattern.subn(shown, text), place, "home folder")
        text = self._count(_PARAMETERS.subn(rf"\1={MASK}", text), place, "value of a parameter")
        masked = redact_text(text)
        if masked != text:
            self._counts[place, "secret"] += max(masked.count(MASK) - text.count(MASK), 1)
        return masked

    def value(self, value: Any, place: str = "") -> Any:
        """A JSON value with every text in it as it may be shown."""
        if isinstance(value, str):
            return self.text(value, place)
        if isinstance(value, Mapping):
            return {self.text(str(name), place): self.value(member, place) for name, member in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(member, place) for member in value]
        return value

    @property
    def redactions(self) -> list[Redaction]:
        """Everything taken out so far, by place."""
        return [Redaction(place, what, count) for (place, what), count in sorted(self._counts.items())]

    def _count(self, result: tuple[str, int], place: str, what: str) -> str:
        text, count = result
        if count:
            self._counts[place, what] += count
        return text


def register_surroundings(environ: Mapping[str, str], config_file: Path | None) -> None:
    """Make known, for every text from now on, the secrets in the environment and in the config file.

    The file is searched line by line, since it may be too broken to be read as what it should be.
    """
    for name, value in environ.items():
        if name.lower().endswith("_proxy"):
            _register_login(value)
        elif _SECRET_NAMES.search(name) and len(value.strip()) >= _SECRET_SHORTEST:
            register_secret(value.strip())
    try:
        text = config_file.read_text(encoding="utf-8", errors="replace") if config_file is not None else ""
    except OSError:
        return
    for match in _SECRET_SETTINGS.finditer(text):
        register_secret(match[1])


def _register_login(proxy: str) -> None:
    """The password in the address of a proxy, as written and as sent."""
    try:
        login = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        return
    if login.password:
        for password in {login.password, unquote(login.password)}:
            register_secret(password)
        register_secret(f"{unquote(login.username or '')}:{unquote(login.password)}")


def _forms_of(home: str) -> re.Pattern[str]:
    """The folder as such, not as the beginning of another name; and quoted for URLs or in base64 anywhere."""
    forms = [rf"{re.escape(home.rstrip('/'))}(?![\w-]|\.\w)"]
    if len(home) >= _ENCODED_HOME_SHORTEST:
        forms += [
            quote(home, safe=""),
            re.escape(base64.b64encode(home.encode()).decode().rstrip("=")) + "=*",
        ]
    return re.compile("|".join(forms))
