"""The declarative base, the database handle and the registry's own settings."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timezone
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import DateTime, Engine, MetaData, String, create_engine, event, make_url, text
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from ngc_cli.server.metadata.upgrade import add_columns, add_indexes

_BUSY_TIMEOUT_MS = 30_000  # writers queue: hundreds of them, some milliseconds each, fit before one gives up
_CREATE_ATTEMPTS = 5  # several processes that start at once each create some tables; 2 are enough in practice
# the second attempt finds the row that the first collided with, unless that was removed again
_WRITE_ATTEMPTS = 3
_POOL_SIZE, _POOL_OVERFLOW = (
    20,
    30,
)  # Starlette runs at most 40 sync endpoints at a time: none waits for a connection
_WRITES = "registry_writes"
# Uploads under way of versions before ``upload_sessions``, parts first. They must go: their rows would hold on to
# contents for ever. The uploads are begun anew; the contents of versions and images are in other tables.
_RETIRED_TABLES = ("upload_parts", "uploads", "blob_upload_parts", "blob_uploads")
_QUERY_CHUNK = 900  # SQLite before 3.32 takes 999 parameters in a statement, and some are conditions
_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, aware on both sides, also where the database stores it without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC on the way in."""
        return value.astimezone(timezone.utc) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Marked as UTC on the way out."""
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012


def sorted_text(length: int) -> String:
    """Text that lists are sorted by or cut by prefix: compared byte for byte on every database, as SQLite does."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Setting(Base):
    """A value that all processes of one registry share, such as the signing secret."""

    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str]


class Database:
    """One database; ``reading`` and ``writing`` open a short transaction each.

    SQLite runs in WAL mode with ``synchronous=FULL``: what was answered is on the disk, also after a power cut. That is
    one sync for each transaction that changes something. Writers queue at their first statement, so none fails half-way.
    """

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(
            url, hide_parameters=True, pool_size=_POOL_SIZE, max_overflow=_POOL_OVERFLOW
        )
        self._turn: AbstractContextManager[Any] = nullcontext()
        if make_url(url).get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _tune_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            # SQLite's writers poll for their turn, and the unlucky wait for seconds: those of one process queue here.
            self._turn = threading.Lock()
        self._writing_engine = self.engine.execution_options(**{_WRITES: True})

    def create_tables(self) -> None:
        """Create what is missing and drop what older versions left; several processes may do so at the same time."""
        for attempt in range(_CREATE_ATTEMPTS):
            try:
                with self._writing_engine.begin() as connection:
                    for name in _RETIRED_TABLES:
                        connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
                    add_columns(connection, Base.metadata)
                    Base.metadata.create_all(connection)
                    add_indexes(connection, Base.metadata)
                return
            except DBAPIError:  # another process was quicker with the same table
                if attempt == _CREATE_ATTEMPTS - 1:
                    raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one consistent state and changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are committed together when the block ends without an exception."""
        with (
            self._turn,
            Session(self._writing_engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def write(self, work: Callable[[Session], _Result]) -> _Result:
        """Run ``work`` in a writing session and commit; retry when a concurrent writer inserted the same unique row.

        ``work`` must be idempotent: it may run more than once, and the next run finds the other writer's row.
        """
        for attempt in range(_WRITE_ATTEMPTS):
            try:
                with self.writing() as session:
                    return work(session)
            except IntegrityError:
                if attempt == _WRITE_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def secret(self, name: str) -> bytes:
        """The shared secret of this name, made on first use."""
        with self.reading() as session:
            found = session.get(Setting, name)
        return bytes.fromhex(found.value if found else self.write(partial(_make_secret, name)))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _make_secret(name: str, session: Session) -> str:
    found = session.get(Setting, name) or Setting(name=name, value=secrets.token_hex(32))
    session.add(found)
    return found.value


def _tune_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin_sqlite
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock up front: a transaction that reads first and writes later could not wait for it."""
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def is_database_full(error: BaseException) -> bool:
    """Whether a statement failed because the disk of the database has no room left."""
    if not isinstance(error, DBAPIError):
        return False
    # SQLite has no code for it before Python 3.11; that of PostgreSQL is disk_full
    return "disk is full" in str(error.orig) or getattr(error.orig, "sqlstate", None) == "53100"


def chunked(items: Sequence[_Item]) -> Iterable[Sequence[_Item]]:
    """The items in slices that fit into the parameters of one statement."""
    return (items[start : start + _QUERY_CHUNK] for start in range(0, len(items), _QUERY_CHUNK))
