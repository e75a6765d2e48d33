"""Refusals and their bodies in the two dialects of the registry.

NGC: ``{"requestStatus": {...}}`` (docs/protocol/conventions.md#errors). OCI: ``{"errors": [...]}`` (OCI
distribution-spec v1.1, error codes). The request id also stands in the header ``X-Request-Id``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from starlette.responses import JSONResponse, Response

REQUEST_ID_HEADER = "X-Request-Id"

_NGC_CODES = {
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    422: "UNPROCESSABLE_ENTITY",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_ERROR",
    507: "INSUFFICIENT_STORAGE",
}
_OCI_CODES = {
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "NAME_UNKNOWN",
    413: "SIZE_INVALID",
    429: "TOOMANYREQUESTS",
    500: "UNKNOWN",
    507: "UNKNOWN",
}


class ErrorFormat(Enum):
    """Which error body a route answers with."""

    NGC = "ngc"
    OCI = "oci"


class Problem(Exception):
    """A request that is refused: HTTP status, one sentence, and where the status does not say it all, a code.

    ``code`` is a ``statusCode`` of the NGC error_format or an error code of the OCI error_format, ``detail`` any JSON value
    for the OCI error_format.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        detail: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


def unauthorized(message: str) -> Problem:
    """401: no credentials, or none that are good."""
    return Problem(401, message, headers={"WWW-Authenticate": "Bearer"})


def forbidden(message: str) -> Problem:
    """403: known who, but not allowed."""
    return Problem(403, message)


def not_found(message: str) -> Problem:
    """404."""
    return Problem(404, message)


def exists(message: str) -> Problem:
    """409 for something that is to be created and is there already."""
    return Problem(409, message, code="EXISTS")


def conflict(message: str) -> Problem:
    """409 for a request that does not fit the state of things."""
    return Problem(409, message)


def unprocessable(message: str) -> Problem:
    """422: the body is not what it should be.

    Never 400, which the official client takes for success when it completes an upload
    (docs/protocol/transfers.md#completion).
    """
    return Problem(422, message)


def render(problem: Problem, error_format: ErrorFormat, request_id: str) -> Response:
    """The answer that tells of a problem."""
    body: dict[str, Any]
    if error_format is ErrorFormat.OCI:
        error = {
            "code": problem.code or _OCI_CODES.get(problem.status, "UNSUPPORTED"),
            "message": problem.message,
        }
        body = {"errors": [error if problem.detail is None else {**error, "detail": problem.detail}]}
    else:
        body = {"requestStatus": request_status(problem, request_id)}
    return JSONResponse(body, problem.status, headers={**problem.headers, REQUEST_ID_HEADER: request_id})


def request_status(problem: Problem | None, request_id: str) -> dict[str, str]:
    """The ``requestStatus`` member of an NGC answer; without a problem, that of a success."""
    if problem is None:
        return {"statusCode": "SUCCESS", "requestId": request_id}
    return {
        "statusCode": problem.code or _NGC_CODES.get(problem.status, "UNKNOWN"),
        "statusDescription": problem.message,
        "requestId": request_id,
    }
