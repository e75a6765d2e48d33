"""``ngc diag``: find out why something does not work (docs/cli.md#diag)."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ngc_cli import __version__
from ngc_cli.cli.groups import Command, Group
from ngc_cli.cli.help import Example
from ngc_cli.cli.options import options_from
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ngc_cli.diagnostics.bundle import Bundle
    from ngc_cli.diagnostics.examination import Examination
    from ngc_cli.diagnostics.survey import Finding, Form, Survey


_FORMS = {
    "all": "Everything below.",
    "client": "This machine: system, disk, memory, environment, GPUs, container tools.",
    "install": "The installation of this program.",
    "server": "The servers: can they be reached, and what is in the way if not.",
    "user": "Configuration, user and roles.",
}


class _DiagGroup(Group):
    """A group in which a comma list of commands is a command as well (docs/guide.md, G-23)."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of the first word, when all words are commands."""
        words = cmd_name.split(",")
        return super().get_command(ctx, words[0]) if all(word in self.commands for word in words) else None


class _DiagCommand(Command):
    """One of the forms of ``diag``, which are the same function."""

    @property
    def examples(self) -> list[Example]:
        """What help shows; the first one is this form."""
        return [
            Example(f"ngc diag {self.name} --no-external-ip", str(self.short_help)),
            Example("ngc diag client,user", "Two of them."),
            Example("ngc diag client --output ticket.zip", "A bundle for a support ticket, without secrets."),
        ]


app = typer.Typer(
    cls=_DiagGroup, help="Find out why something does not work. Paste the output into a support ticket."
)


@dataclass(frozen=True)
class Options:
    """What to leave out, how much to read, and where to put a bundle."""

    no_external_ip: Annotated[
        bool, typer.Option("--no-external-ip", help="Do not ask anybody for the address we are seen from.")
    ] = False
    no_dir_size: Annotated[bool, typer.Option("--no-dir-size", help="Do not walk the current directory.")] = (
        False
    )
    read_size: Annotated[
        str,
        typer.Option(
            "--read-size", metavar="SIZE", help="How much to read from the file host; 0 for nothing."
        ),
    ] = "8M"
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.zip", help="Write a bundle for a support ticket, too."),
    ] = None


@options_from(options=Options)
def diag(ctx: typer.Context, options: Options) -> None:
    """Show facts and run checks; each failure comes with its cause and what to do next.

    Secrets and the home folder are left out: the output is made to be pasted into a support ticket. The exit code
    is 1 when a check failed. --timeout SECONDS limits each check (5 by default); it all takes 30 seconds at most.
    """
    from ngc_cli.diagnostics.bundle import Bundle
    from ngc_cli.diagnostics.survey import FORMS
    from ngc_cli.units import parse_size

    words = str(ctx.info_name).split(",")
    forms = [form for form in FORMS if form in words or "all" in words]
    read_bytes = parse_size(options.read_size)
    run = Runtime.of(ctx)
    with Bundle(options.output) if options.output else nullcontext() as bundle:
        examination = _examination(run, forms)
        survey = examination.survey(
            external_ip=not options.no_external_ip, dir_size=not options.no_dir_size, read_bytes=read_bytes
        )
        findings = _show(run, examination, survey, forms)
        failed = [finding for finding in findings if finding.status == "failed"]
        if bundle is not None:
            _write_bundle(bundle, examination, findings, forms)
            run.output.note(f"The bundle is in {options.output}. Have a look into it before you send it.")
    if failed:
        run.output.note(_verdict(failed, len(findings)))
        raise typer.Exit(ExitCode.ERROR)


for _name, _help in _FORMS.items():
    app.command(_name, cls=_DiagCommand, short_help=_help)(diag)


def _examination(run: Runtime, forms: Sequence[Form]) -> Examination:
    """The examination over the settings and clients of this command."""
    from ngc_cli.cli.config_views import current_table
    from ngc_cli.diagnostics.examination import TIMEOUT_S, Clients, Examination

    # A check must end soon, and a second try would hide what is to be seen.
    run.override(timeout=run.flags.timeout or TIMEOUT_S, retries="0")
    clients = Clients(
        flags=replace(run.flags, profile=None),
        settings=lambda: run.settings,
        api=lambda: run.api,
        ping=lambda: run.images.registry.ping(),
        settings_rows=lambda settings: current_table(settings, lambda warning: None).data,
    )
    return Examination(clients, forms)


def _show(run: Runtime, examination: Examination, survey: Survey, forms: Sequence[Form]) -> list[Finding]:
    """Run the survey and show it: to people each block when it is known, to programs all of it at the end."""
    from ngc_cli.cli import diag_views
    from ngc_cli.cli.formats import Table

    findings: list[Finding] = []
    for finding in survey.run(forms):
        findings.append(finding)
        block = examination.redactor.text(diag_views.block(finding, examination.places))
        run.output.text(("\n" if len(findings) > 1 else "") + block + "\n")
    redacted = examination.redactor.value
    run.output.data(
        lambda: Table(
            ["check", "label", "value"],
            redacted(diag_views.rows(findings)),
            redacted(diag_views.data(findings, forms)),
        )
    )
    return findings


def _write_bundle(
    bundle: Bundle, examination: Examination, findings: Sequence[Finding], forms: Sequence[Form]
) -> None:
    from ngc_cli.cli import diag_views

    about = {
        "program": f"ngc {__version__}",
        "forms": forms,
        "failed_sections": [finding.section.name for finding in findings if finding.status == "failed"],
    }
    blocks = [diag_views.block(finding, examination.places) for finding in findings]
    bundle.write(about, diag_views.data(findings, forms), "\n\n".join(blocks) + "\n", examination.redactor)


def _verdict(failed: Sequence[Finding], total: int) -> str:
    """What failed, by cause."""
    by_cause: dict[str, list[str]] = {}
    for finding in failed:
        by_cause.setdefault(finding.fault.cause if finding.fault else "", []).append(finding.section.name)
    causes = "; ".join(f"{cause}: {', '.join(names)}" for cause, names in by_cause.items())
    return f"{len(failed)} of {total} checks failed ({causes})."
