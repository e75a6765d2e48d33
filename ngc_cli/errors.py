"""Errors that a person can act on, and the exit codes they end in.

Raised where the facts are known and caught once, in ``ngc_cli.main``. Leaf module.
Source of the codes: docs/cli.md#exit-codes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, TypeVar

Error = TypeVar("Error", bound="NgcError")


class ExitCode(IntEnum):
    """Process exit codes; 10 to 18 fold to 1 under ``NGC_CLI_EXIT_CODES=compat``."""

    OK = 0
    ERROR = 1
    USAGE = 2
    TRANSFER_FAILED = 3
    TRANSFER_TERMINATED = 4
    TRANSFER_INCOMPLETE = 5
    NOT_AUTHENTICATED = 10
    FORBIDDEN = 11
    NOT_FOUND = 12
    ALREADY_EXISTS = 13
    NETWORK = 14
    SERVER = 15
    INTEGRITY = 16
    LOCAL_FILE = 17
    NOT_CONFIRMED = 18
    INTERRUPTED = 130
    TERMINATED = 143


class NgcError(Exception):
    """What happened, to what and why (``message``), and what to type next (``hint``).

    ``status``, ``request_id`` and ``request`` (method and redacted URL) are set when the error came over HTTP, and
    ``retry_after_s`` when the server said how long to wait before the next try. ``from_gateway`` tells that not an NGC
    server has answered but something on the way to it.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR
    code: ClassVar[str] = "error"
    retry_after_s: float = 0.0
    from_gateway: bool = False

    def __init__(
        self, message: str, *, hint: str = "", status: int = 0, request_id: str = "", request: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status
        self.request_id = request_id
        self.request = request

    @classmethod
    def like(cls: type[Error], error: NgcError, message: str, *, hint: str = "") -> Error:
        """This kind of error in these words, with the facts of HTTP from another one."""
        return cls(
            message, hint=hint, status=error.status, request_id=error.request_id, request=error.request
        )


class UsageError(NgcError):
    """The command line is wrong: a bad value, a bad target, options that exclude each other."""

    exit_code = ExitCode.USAGE
    code = "usage"


class ConfigError(NgcError):
    """The configuration is missing something or contradicts itself."""

    code = "config"


class PartlyFailed(NgcError):
    """Some items of a list were done and others were not; the result of each has been reported."""

    code = "partly_failed"


class TransferFailed(NgcError):
    """Some files of a transfer failed for good; the summary has been reported."""

    exit_code = ExitCode.TRANSFER_FAILED
    code = "transfer_failed"


class TransferTerminated(NgcError):
    """A transfer was interrupted by the user; what is done so far is kept for a resume."""

    exit_code = ExitCode.TRANSFER_TERMINATED
    code = "transfer_terminated"


class TransferKilled(TransferTerminated):
    """A transfer was ended by SIGTERM; what is done so far is kept for a resume."""

    exit_code = ExitCode.TERMINATED


class TransferIncomplete(NgcError):
    """A transfer ended before it was finished without a failed file."""

    exit_code = ExitCode.TRANSFER_INCOMPLETE
    code = "transfer_incomplete"


class NotAuthenticated(NgcError):
    """No key, or a key the server does not accept (HTTP 401)."""

    exit_code = ExitCode.NOT_AUTHENTICATED
    code = "not_authenticated"


class Forbidden(NgcError):
    """The key is good but the role does not allow this (HTTP 403)."""

    exit_code = ExitCode.FORBIDDEN
    code = "forbidden"


class NotFound(NgcError):
    """The named thing does not exist, or is not visible to this key (HTTP 404)."""

    exit_code = ExitCode.NOT_FOUND
    code = "not_found"


class AlreadyExists(NgcError):
    """The thing to create is there already (HTTP 409)."""

    exit_code = ExitCode.ALREADY_EXISTS
    code = "already_exists"


class NetworkError(NgcError):
    """The server could not be reached or stopped answering: DNS, proxy, TLS, time-out, reset.

    ``is_final`` tells that another try would end alike: a name that does not exist, a certificate that is not trusted.
    """

    is_final: bool = False

    exit_code = ExitCode.NETWORK
    code = "network"


class ServerError(NgcError):
    """The server answered, but wrongly: 5xx, 429 to the end, or a body that breaks the contract."""

    exit_code = ExitCode.SERVER
    code = "server"


class IntegrityError(NgcError):
    """Bytes do not have the promised size or digest."""

    exit_code = ExitCode.INTEGRITY
    code = "integrity"


class LocalFileError(NgcError):
    """A local file or disk is in the way: missing, unreadable, full, or a name that leaves its folder."""

    exit_code = ExitCode.LOCAL_FILE
    code = "local_file"


class NotConfirmed(NgcError):
    """The user answered no to a confirmation."""

    exit_code = ExitCode.NOT_CONFIRMED
    code = "not_confirmed"
