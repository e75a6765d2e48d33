"""A development certificate authority, kept in the data directory so that its clients' trust lasts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ngc_cli.files import write_atomically

if TYPE_CHECKING:
    import trustme

_LOCAL = ("localhost", "127.0.0.1", "::1")


def ca_bundle(data_dir: Path) -> Path:
    """Where the authority's certificate is; clients trust the registry through this file."""
    return data_dir / "tls" / "ca.pem"


def self_signed_certificate(data_dir: Path, host: str, alias: str = "") -> Path:
    """A file with key and certificate for ``host`` and this machine's own names, by the data directory's authority.

    With an ``alias`` it is for that name as well.
    """
    wildcards = ("", "0.0.0.0", "::")  # noqa: S104 - names to leave out, nothing is bound
    names = dict.fromkeys(
        (*_LOCAL, *(() if host in wildcards else (host,)), *filter(None, [alias.partition(":")[0]]))
    )
    leaf = _authority(data_dir).issue_cert(*names)
    path = data_dir / "tls" / "server.pem"
    write_atomically(path, leaf.private_key_and_cert_chain_pem.bytes())
    return path


def _authority(data_dir: Path) -> trustme.CA:
    import trustme

    certificate, key = ca_bundle(data_dir), data_dir / "tls" / "ca-key.pem"
    certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if certificate.exists() and key.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    made = trustme.CA(organization_name="ngc-registry development")
    write_atomically(key, made.private_key_pem.bytes())
    write_atomically(certificate, made.cert_pem.bytes(), mode=0o644)
    return made
