"""The OCI Distribution API, version 1.1.1: pull, push, content discovery, content management, referrers.

It shares ``/v2/`` with the NGC API; the word after it decides. A repository begins with the name of its org, and no
org is called like a word of the NGC API (``images.names.API_WORDS``). Docstrings name the endpoints by their numbers
in the specification ("end-3").
"""

from ngc_cli.server.routes.distribution import blob_uploads, blobs, manifests, tags, tokens

ROUTES = [*tokens.ROUTES, *tags.ROUTES, *manifests.ROUTES, *blob_uploads.ROUTES, *blobs.ROUTES]
