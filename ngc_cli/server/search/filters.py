"""Fields that a search can be filtered by, each as a condition that an index serves.

Source: docs/protocol/artifacts.md#search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, false, or_, select, true

from ngc_cli.server.metadata import User
from ngc_cli.server.search.sources import Source
from ngc_cli.server.search.terms import term

_TERMS = (
    "labels",
    "accessType",
    "productNames",
    "policy",
    "releaseType",
    "application",
    "framework",
    "format",
    "precision",
    "builtBy",
    "publisher",
    "logo",
    "latestVersionIdStr",
    "latestVersionSizeInBytes",
    "latestTag",
    "size",
)


def _has_term(field: str, source: Source, value: Any) -> ColumnElement[bool]:
    if not isinstance(value, str):
        return false()
    wanted = term(field, value.lower() if field == "policy" else value)
    rows = select(source.terms.row_id).where(source.terms.term == wanted)
    return source.table.id.in_(rows)  # type: ignore[no-any-return]


def _flag(name: str, source: Source, value: Any) -> ColumnElement[bool]:
    return getattr(source.table, name).is_(value) if isinstance(value, bool) else false()


def _created_by(source: Source, value: Any) -> ColumnElement[bool]:
    """A creator may be given by the id or the client id of the user."""
    text = value if isinstance(value, str) else ""
    # ids are 64 bit numbers: no longer text is one, and a database would refuse it
    by_id = [User.id == int(text)] if text.isascii() and text.isdigit() and len(text) < 19 else []
    users = select(User.id).where(or_(User.client_id == text, *by_id))
    return source.table.owner_id.in_(users)  # type: ignore[no-any-return]


def _signed(_source: Source, value: Any) -> ColumnElement[bool]:
    """There is no signer, so nothing is signed."""
    return true() if value is False else false()


FIELDS: Mapping[str, Callable[[Source, Any], ColumnElement[bool]]] = {
    **{field: partial(_has_term, field) for field in _TERMS},
    "isPublic": partial(_flag, "is_public"),
    "guestAccess": partial(_flag, "guest_access"),
    "createdBy": _created_by,
    **dict.fromkeys(("signedModels", "signedResources", "signedImages"), _signed),
}
"""By the name of the field: the condition that a row of a source has a value there."""
