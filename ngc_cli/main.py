"""The entry point: the one place where errors become text and exit codes.

Imports nothing at the top but the version, so that ``ngc --version`` costs little more than Python itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from ngc_cli import __version__

if TYPE_CHECKING:
    from types import FrameType

    from ngc_cli.cli.globals import GlobalFlags
    from ngc_cli.cli.runtime import Runtime
    from ngc_cli.errors import NgcError


class _Terminated(BaseException):
    """SIGTERM arrived."""


def run() -> NoReturn:
    """Console script ``ngc``.

    Rare garbage collections and an exit without tearing the interpreter down save a fifth of a short command's
    time; the exit also leaves workers behind that hang in a system call after a Ctrl-C.
    """
    import gc
    import os

    gc.set_threshold(100_000, 20, 20)
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    os._exit(code)


def main(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; never raises and never shows a traceback by itself."""
    if list(argv) == ["--version"]:
        sys.stdout.write(f"NGC Registry CLI {__version__}\n")
        return 0
    from ngc_cli.cli.globals import GlobalFlags, hoist
    from ngc_cli.errors import ExitCode, UsageError

    try:
        flags, rest = hoist(argv)
    except UsageError as error:
        return _report(error, GlobalFlags(), None)
    if flags.version:
        sys.stdout.write(f"NGC Registry CLI {__version__}\n")
        return ExitCode.OK
    return _run_command(flags, rest)


def _run_command(flags: GlobalFlags, words: list[str]) -> int:
    import os
    import signal

    import typer
    from typer.exceptions import TyperException

    from ngc_cli.cli.app import root
    from ngc_cli.cli.runtime import Runtime
    from ngc_cli.errors import ExitCode, NgcError

    if "_NGC_COMPLETE" in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
    runtime = Runtime(flags)
    previous = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        result = root().main(words, prog_name="ngc", standalone_mode=False, obj=runtime)
        sys.stdout.flush()
        return result if isinstance(result, int) else ExitCode.OK
    except NgcError as error:
        return _report(error, flags, runtime)
    except TyperException as error:
        return _report_usage(error, flags, runtime)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        runtime.output.note("Interrupted.")
        return ExitCode.INTERRUPTED
    except _Terminated:
        runtime.output.note("Terminated.")
        return ExitCode.TERMINATED
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # the interpreter flushes stdout at exit
        return ExitCode.ERROR
    except Exception as error:  # noqa: BLE001 - a bug: shown as such, the traceback under --debug
        return _report(
            NgcError(
                f"this is a bug in ngc: {type(error).__name__}: {error}",
                hint="Run it again with --debug and report what it prints (keys are masked).",
            ),
            flags,
            runtime,
        )
    finally:
        runtime.close()
        signal.signal(signal.SIGTERM, previous)


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _report_usage(error: Exception, flags: GlobalFlags, runtime: Runtime) -> int:
    """A wrong command line; a bare group's message is its help."""
    from ngc_cli.errors import UsageError

    context = getattr(error, "ctx", None)
    message = str(getattr(error, "format_message", error.__str__)())
    if context is not None and message.startswith("Usage:"):
        sys.stderr.write(message + "\n")
        return UsageError.exit_code
    hint = f"'{context.command_path} -h' shows the options." if context is not None else ""
    near = " 'json' as an output is --format_type json." if "--format" in message.split() else ""
    return _report(UsageError(message.rstrip("."), hint=hint + near), flags, runtime)


def _report(error: NgcError, flags: GlobalFlags, runtime: Runtime | None) -> int:
    """Write one error to stderr and return its exit code (cli-surface 1.6)."""
    import os

    from ngc_cli.errors import ExitCode

    code: int = error.exit_code
    if 10 <= code <= 18 and os.environ.get("NGC_CLI_EXIT_CODES") == "compat":
        code = ExitCode.ERROR
    lines = _error_lines(error, flags, runtime, code)
    if flags.debug:
        import traceback

        from ngc_cli.http.redact import redact_text

        lines = [redact_text("".join(traceback.format_exception(error.__cause__ or error))), *lines]
    sys.stderr.write("\n".join(lines) + "\n")
    return code


def _error_lines(error: NgcError, flags: GlobalFlags, runtime: Runtime | None, code: int) -> list[str]:
    context = runtime.identity_note() if runtime is not None and error.status in (401, 403, 404) else ""
    format_type = runtime.format_type if runtime is not None else flags.format_type
    if format_type == "json":
        import json

        members = {
            "error": error.message,
            "code": error.code,
            "exit_code": code,
            "hint": error.hint,
            "context": context,
            "request_id": error.request_id,
        }
        return [
            json.dumps(
                {name: value for name, value in members.items() if value != ""}, indent=4, sort_keys=True
            )
        ]
    lines = [f"Error: {error.message}"]
    lines += [f"  {text}" for text in (context, error.hint) if text]
    if flags.debug and error.request:
        lines.append(f"  Request: {error.request} (request id {error.request_id or 'none'})")
    return lines
