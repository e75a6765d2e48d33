"""The entry point: the one place where errors become text and exit codes.

Imports nothing at the top but the version, so that ``ngc --version`` costs little more than Python itself.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from ngc_cli import __version__

if TYPE_CHECKING:
    from ngc_cli.cli.root import RootGroup
    from ngc_cli.cli.runtime import Runtime
    from ngc_cli.errors import NgcError


def run() -> NoReturn:
    """Console script ``ngc``.

    Rare garbage collections and an exit without tearing the interpreter down save a fifth of a short command's
    time; the exit also leaves workers behind that hang in a system call after a Ctrl-C.
    """
    import gc

    # A command makes fewer than 100,000 container objects net before it ends, so most never collect at all.
    gc.set_threshold(100_000, 20, 20)
    _open_streams()
    code = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            code = code or _report_unwritable(error)
    os._exit(code)


def _open_streams() -> None:
    """Make stdout and stderr writable whatever the caller has closed, and whatever they can encode.

    A closed one becomes a hole, before a file or socket gets its number. What the encoding of a stream cannot hold is
    written as an escape: ASCII is what cron jobs and bare containers have.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _report_unwritable(error: OSError) -> int:
    """Say on stderr that the result is lost, if it is not just a reader that has seen enough."""
    if isinstance(error, BrokenPipeError):
        return 1
    with contextlib.suppress(OSError):
        sys.stderr.write(f"Error: the output cannot be written: {error.strerror}\n")
        sys.stderr.flush()
    return 17  # ExitCode.LOCAL_FILE, not imported: --version needs no more than this module


def main(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; never raises and never shows a traceback by itself."""
    if list(argv) == ["--version"] and "NGC_CLI_FORMAT_TYPE" not in os.environ:
        try:
            sys.stdout.write(f"NGC Registry CLI {__version__}\n")
        except OSError as error:
            return _report_unwritable(error)
        return 0
    if argv and argv[0].startswith("__"):
        from ngc_cli.completion import COMMAND, FETCH_COMMAND

        if argv[0] in (COMMAND, FETCH_COMMAND):
            from ngc_cli.cli import completion

            answer = completion.complete if argv[0] == COMMAND else completion.fetch
            return answer(argv[1:])
    from ngc_cli.cli.globals import GlobalFlags, extract_global_options
    from ngc_cli.cli.root import command_tree
    from ngc_cli.cli.runtime import Runtime
    from ngc_cli.errors import UsageError

    root = command_tree()
    try:
        flags, words = extract_global_options(argv, root.params)
    except UsageError as error:
        return _report(error, Runtime(GlobalFlags()))
    runtime = Runtime(flags)
    try:
        return _run_command(root, words, runtime)
    finally:
        runtime.close()


def _run_command(root: RootGroup, words: list[str], runtime: Runtime) -> int:
    import typer
    from typer.exceptions import TyperException

    from ngc_cli.cli.signals import Terminated, sigterm_raises
    from ngc_cli.errors import ExitCode, NgcError

    try:
        with sigterm_raises():
            if runtime.flags.version:
                runtime.output.value(f"NGC Registry CLI {__version__}", version=__version__)
                return ExitCode.OK
            try:
                result = root.main(words, prog_name="ngc", standalone_mode=False, obj=runtime)
            except NgcError:
                # After a change that was only planned the answers of the server are not those of that change.
                if not runtime.planned:
                    raise
                result = ExitCode.OK
            if runtime.planned:
                runtime.show_plan()
            sys.stdout.flush()
            return result if isinstance(result, int) else ExitCode.OK
    except NgcError as error:
        return _report(error, runtime)
    except TyperException as error:
        return _report_usage(error, runtime)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        runtime.output.note("Interrupted.")
        return ExitCode.INTERRUPTED
    except Terminated:
        runtime.output.note("Terminated.")
        return ExitCode.TERMINATED
    except BrokenPipeError:
        # The interpreter flushes stdout at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except (OSError, UnicodeEncodeError) as error:
        return _report(_refused_by_system(error), runtime)
    except Exception as error:  # noqa: BLE001 - a bug: shown as such, the traceback under --debug
        bug = NgcError(
            f"this is a bug in ngc: {type(error).__name__}: {error}",
            hint="Run it again with --debug and report what it prints (keys are masked).",
        )
        bug.__cause__ = error
        return _report(bug, runtime)


def _refused_by_system(error: OSError | UnicodeEncodeError) -> NgcError:
    """What no layer had words for: a stream or a file that cannot be written, a name that cannot be encoded."""
    from ngc_cli.errors import LocalFileError

    if isinstance(error, UnicodeEncodeError):
        text = f"'{error.object}' cannot be written in the encoding of this system ({error.encoding})"
        found = LocalFileError(text, hint="Set PYTHONUTF8=1, or a locale with UTF-8 such as LANG=C.UTF-8.")
    elif error.filename is not None:
        found = LocalFileError(f"'{error.filename}' cannot be used: {error.strerror}")
    else:
        found = LocalFileError(f"the output cannot be written: {error.strerror or error}")
    found.__cause__ = error
    return found


def _report_usage(error: Exception, runtime: Runtime) -> int:
    """A wrong command line; a bare group's message is its help."""
    from ngc_cli.errors import UsageError

    context = getattr(error, "ctx", None)
    message = str(getattr(error, "format_message", error.__str__)())
    command = f"'{context.command_path} -h'" if context is not None else "-h after the command"
    hint = f"{command} shows the options."
    if context is not None and message.startswith("Usage:"):
        runtime.output.help(message, UsageError(f"'{context.command_path}' needs a command", hint=hint))
        return UsageError.exit_code
    near = " 'json' as an output is --format_type json." if "--format" in message.split() else ""
    return _report(UsageError(message.rstrip("."), hint=hint + near), runtime)


def _report(error: NgcError, runtime: Runtime) -> int:
    """Write one error to stderr and return its exit code (docs/cli.md#exit-codes)."""
    from ngc_cli.errors import ExitCode

    code: int = error.exit_code
    if 10 <= code <= 18 and os.environ.get("NGC_CLI_EXIT_CODES") == "compat":
        code = ExitCode.ERROR
    context = runtime.identity_note() if error.status in (401, 403, 404) else ""
    if error.exit_code == ExitCode.NETWORK:
        context = runtime.local_registry_note()
    # Which request failed is the operation: told where the error does not name a thing by itself.
    told = error.request and error.status not in (401, 403, 404, 409)
    request = f"Request: {error.request.partition('?')[0]}" if told else ""
    if runtime.flags.debug:
        import traceback

        from ngc_cli.http.redact import redact_text

        runtime.output.debug(redact_text("".join(traceback.format_exception(error.__cause__ or error))))
        if error.request:
            request = f"Request: {error.request} (request id {error.request_id or 'none'})"
    runtime.output.error(error, code, context=context, request=request)
    return code
