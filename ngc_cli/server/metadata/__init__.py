"""Tables of the registry, one module per noun; importing this package makes all of them known.

No statement here or elsewhere in the server is SQLite's own: PostgreSQL is a matter of the URL.
"""

from ngc_cli.server.metadata.artifacts import Artifact, ArtifactTerm, File, Version
from ngc_cli.server.metadata.base import Base, Database, Setting, chunked, is_database_full
from ngc_cli.server.metadata.contents import Content, UploadPart, UploadSession, store_content
from ngc_cli.server.metadata.images import (
    ImageBlob,
    ImageManifest,
    ImageReference,
    ImageRepository,
    ImageTag,
    ImageTerm,
)
from ngc_cli.server.metadata.people import ApiKey, Invitation, KeyKind, Membership, Org, Team, User

__all__ = [
    "ApiKey",
    "Artifact",
    "ArtifactTerm",
    "Base",
    "Content",
    "Database",
    "File",
    "ImageBlob",
    "ImageManifest",
    "ImageReference",
    "ImageRepository",
    "ImageTag",
    "ImageTerm",
    "Invitation",
    "KeyKind",
    "Membership",
    "Org",
    "Setting",
    "Team",
    "UploadPart",
    "UploadSession",
    "User",
    "Version",
    "chunked",
    "is_database_full",
    "store_content",
]
