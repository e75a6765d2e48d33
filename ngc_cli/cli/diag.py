"""``ngc diag``: find out why something does not work (contract/cli-surface.md section 3)."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ngc_cli import __version__
from ngc_cli.cli.groups import Entry, Verbs
from ngc_cli.cli.options import takes
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ngc_cli.diagnostics.survey import Finding


class _Words(dict[str, Entry]):
    """The commands by word; a comma list of words is a command as well (guide, G-23)."""

    def get(self, key: str, default: Any = None) -> Any:
        words = key.split(",")
        return self[words[0]] if all(word in self for word in words) else default


verbs = Verbs("Find out why something does not work. Paste the output into a support ticket.", _Words())


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


@takes(options=Options)
def diag(ctx: typer.Context, options: Options) -> None:
    """Show facts and run checks; each failure comes with its cause and what to do next.

    Secrets and the home folder are left out: the output is made to be pasted into a support ticket. The exit code
    is 1 when a check failed. --timeout SECONDS limits each check (5 by default); it all takes 30 seconds at most.
    """
    from ngc_cli.cli import diag_views
    from ngc_cli.cli.diag_setup import Examination
    from ngc_cli.cli.formats import Table
    from ngc_cli.diagnostics.bundle import Bundle
    from ngc_cli.diagnostics.survey import FORMS
    from ngc_cli.units import parse_size

    run = Runtime.of(ctx)
    words = str(ctx.info_name).split(",")
    forms = [form for form in FORMS if form in words or "all" in words]
    read_bytes = parse_size(options.read_size)
    with ExitStack() as stack:
        bundle = stack.enter_context(Bundle(options.output)) if options.output else None
        examination = stack.enter_context(Examination(run, forms))
        survey = examination.survey(
            external_ip=not options.no_external_ip, dir_size=not options.no_dir_size, read_bytes=read_bytes
        )
        findings: list[Finding] = []
        blocks: list[str] = []
        for finding in survey.run(forms):
            findings.append(finding)
            blocks.append(diag_views.block(finding, examination.places))
            if run.format_type == "ascii":
                run.output.raw(
                    ("\n" if len(blocks) > 1 else "") + examination.redactor.text(blocks[-1]) + "\n"
                )
        report = diag_views.data(findings, forms)
        if run.format_type != "ascii":
            redacted = examination.redactor.value
            run.output.show(
                Table(["check", "label", "value"], redacted(diag_views.rows(findings)), redacted(report))
            )
        failed = [finding for finding in findings if finding.status == "failed"]
        if bundle is not None:
            about = {
                "program": f"ngc {__version__}",
                "forms": forms,
                "failed_sections": [finding.section.name for finding in failed],
            }
            bundle.write(about, report, "\n\n".join(blocks) + "\n", examination.redactor)
            run.output.note(f"The bundle is in {options.output}. Have a look into it before you send it.")
    if failed:
        run.output.note(_verdict(failed, len(findings)))
        raise typer.Exit(ExitCode.ERROR)


def _verdict(failed: Sequence[Finding], total: int) -> str:
    """What failed, by cause."""
    by_cause: dict[str, list[str]] = {}
    for finding in failed:
        by_cause.setdefault(finding.fault.cause if finding.fault else "", []).append(finding.section.name)
    causes = "; ".join(f"{cause}: {', '.join(names)}" for cause, names in by_cause.items())
    return f"{len(failed)} of {total} checks failed ({causes})."


for _word, _summary in {
    "all": "Everything below.",
    "client": "This machine: system, disk, memory, environment, GPUs, container tools.",
    "install": "The installation of this program.",
    "server": "The servers: can they be reached, and what is in the way if not.",
    "user": "Configuration, user and roles.",
}.items():
    verbs.entries[_word] = Entry(diag, _summary)
