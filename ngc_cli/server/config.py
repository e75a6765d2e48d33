"""Settings of one registry process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TOKEN_TTL_S = 3600  # clients renew at the end; a longer life gains nothing, since the key is looked up anyway
# The official client asks for all links first, never for a new one, and keeps zeros where a link has ended
# (tests/interop/test_sdk_links.py): 6 hours carry 20 GB at 1 MB/s. What allowed a link ends it sooner (auth/links.py).
LINK_TTL_S = 6 * 3600
# JSON and manifests, which have up to 4 MiB.
BODY_LIMIT_BYTES = 8 * 1024 * 1024
# A commit of 4,000 files with long paths has 5 MB; a path may be escaped to six times its length.
COMMIT_LIMIT_BYTES = 32 * 1024 * 1024
# The longest key has 84 characters, percent-quoted three times as many.
FORM_LIMIT_BYTES = 4096
# A command holds up to 16 at once, and one process serves 100 MB/s to a few dozen: others wait in its queue.
MAX_CONNECTIONS = 1000
# Several people behind one address; of loopback and of proxies there is no telling who it is.
MAX_CONNECTIONS_PER_CLIENT = 250
# Longer than a push or download takes between two steps, so that gc never removes what is in use.
GRACE_S = 3600
ABANDONED_S = 7 * 24 * 3600  # an upload that breaks off on a Friday resumes on Monday


@dataclass(frozen=True)
class ServerConfig:
    """Where the registry keeps its data and how long what it signs stays good.

    ``database_url`` empty means SQLite in ``data_dir``. ``files_url`` is the origin of signed links; empty means
    the origin the request used. ``content_store`` names one of ``content.backends.BACKENDS``. ``instance`` is what
    this process answers with when it is asked which it is. ``strict_user`` takes keys from the user ``$oauthtoken`` only. ``alias``
    is a further host name that the development certificate is for.
    """

    data_dir: Path
    database_url: str = ""
    files_url: str = ""
    token_ttl_s: int = TOKEN_TTL_S
    link_ttl_s: int = LINK_TTL_S
    access_log: Path | None = None
    content_store: str = "folder"
    instance: str = ""
    strict_user: bool = False
    alias: str = ""

    @property
    def sqlalchemy_url(self) -> str:
        """The database as an SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'registry.db'}"
