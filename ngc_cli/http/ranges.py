"""Bodies of answers: small ones read whole, and byte ranges that are read into a reused buffer."""

from __future__ import annotations

import contextlib
import re
from types import TracebackType

import requests
import urllib3

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import IntegrityError, ServerError
from ngc_cli.http.bodies import UnusableBody, read_limited
from ngc_cli.http.redact import redact_url
from ngc_cli.http.session import Authenticator, Http
from ngc_cli.http.status import error_from_transport

# RFC 9110 section 14.4; 18 digits hold every size of a file.
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")

_LENGTH = re.compile(r"[0-9]{1,18}")


class RangeBody:
    """The body of a (partial) answer: where it begins, how long the whole is, and its bytes."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, url: str, start: int, total_bytes: int | None) -> None:
        self.start = start
        self.total_bytes = total_bytes
        self.etag = raw.headers.get("ETag", "")
        self._raw = raw
        self._url = url

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer from the body; 0 at its end. Raises NetworkError when the body breaks off."""
        try:
            return self._raw.readinto(buffer)
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            raise error_from_transport(error, "GET", self._url) from error

    def close(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""
        self._raw.close()
        self._raw.release_conn()

    def abort(self) -> None:
        """End a read that another thread waits in."""
        with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):  # ended already
            self._raw.shutdown()

    def __enter__(self) -> RangeBody:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_range(http: Http, url: str, wanted: ByteRange, *, auth: Authenticator | None = None) -> RangeBody:
    """Open a range of the content of a URL with one try; the caller retries.

    A server without ranges answers 200: then ``start`` of the body is 0. Raises the NgcError of the status, and
    IntegrityError when the range answered is not the one asked for.
    """
    headers = {"Range": f"bytes={wanted}", "Accept-Encoding": "identity"}
    if auth is None:
        raw = http.get_once(url, headers)
    else:
        raw = http.send("GET", url, headers=headers, auth=auth, retry=False).raw
    if raw.status != 206:
        length = raw.headers.get("Content-Length", "")
        return RangeBody(raw, url, 0, int(length) if _LENGTH.fullmatch(length) else None)
    match = _CONTENT_RANGE.fullmatch(raw.headers.get("Content-Range", "").strip())
    if match is None or int(match[1]) != wanted.start or int(match[2]) >= wanted.end:
        raw.close()
        raise IntegrityError(
            f"{redact_url(url)} answered with other bytes than the asked {wanted}",
            hint="Try again; a proxy on the way may be at fault.",
        )
    return RangeBody(raw, url, wanted.start, None if match[3] == "*" else int(match[3]))


def read_body(response: requests.Response, limit_bytes: int) -> bytes:
    """A body that should be small; raises ServerError when it is not, or cannot be read, NetworkError when it breaks
    off."""
    try:
        return read_limited(response.raw, limit_bytes)
    except UnusableBody as error:
        raise ServerError(f"{redact_url(response.url)} {error}") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise error_from_transport(error, response.request.method or "", response.url) from error
