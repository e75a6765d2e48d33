"""OCI images without a daemon: the distribution protocol, layouts and archives on disk, and Docker when it answers.

Decisions: bytes are never re-serialised, so digests survive every copy; a blob is under its final name only after
its size and digest were checked; ``descriptor`` and ``manifest`` are pure and shared with the embedded registry.
Limits: schema 1 manifests are refused, and layers are not fetched from the ``urls`` of a descriptor (deprecated by
image-spec 1.1, and an invitation to send requests to where a manifest says).
"""
