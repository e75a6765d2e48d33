"""What the lists of models, model-scripts and images share: their options, and the search these ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import typer

from ngc_cli.cli.completers import live
from ngc_cli.cli.listing_notes import note_if_cut_short, note_if_empty
from ngc_cli.cli.options import OUTPUT
from ngc_cli.cli.registry.fields import POLICIES, RELEASE_TYPES, choice, word_option
from ngc_cli.cli.runtime import Runtime
from ngc_cli.cli.selection import TableOptions
from ngc_cli.errors import UsageError
from ngc_cli.refs import ArtifactRef, ImageRef, has_wildcard

if TYPE_CHECKING:
    from ngc_cli.services.listing import Listing

_ACCESS_TYPES = ("LISTED", "EXCLUSIVE", "NOT_LISTED")


@dataclass(frozen=True)
class ListOptions(TableOptions):
    """Options of ``list``: how it looks, and filters that the search of the server understands."""

    heading: ClassVar = "Filters"

    wide: Annotated[bool, typer.Option("--wide", rich_help_panel=OUTPUT, help="Show more columns.")] = False
    mine: Annotated[bool, typer.Option("--mine", help="Only what you have created.")] = False
    owner: Annotated[
        str | None,
        typer.Option(
            "--owner",
            metavar="ORG[/TEAM]",
            autocompletion=live("orgs"),
            help="Only what belongs to this org, or team of it.",
        ),
    ] = None
    access_type: Annotated[
        str | None, word_option("--access-type", "Only those with this kind of access", _ACCESS_TYPES, "TYPE")
    ] = None
    product_name: Annotated[
        list[str] | None,
        typer.Option(
            "--product-name", metavar="NAME", help="Only what belongs to this product; may be repeated."
        ),
    ] = None
    policy: Annotated[
        list[str] | None,
        word_option("--policy", "Only what complies with this policy", POLICIES, "POLICY"),
    ] = None
    release_type: Annotated[
        str | None, word_option("--release-type", "Only this kind of release", RELEASE_TYPES, "TYPE")
    ] = None
    signed: Annotated[bool, typer.Option("--signed", help="Only those with a signed version.")] = False

    def pattern(self, target: str) -> str:
        """The target to list, below the owner if one is named; raises UsageError when the target names its own."""
        if self.owner is None:
            return target
        parts = self.owner.split("/")
        if not all(parts) or len(parts) > 2 or not set(self.owner).isdisjoint("*?[:"):
            raise UsageError(f"--owner takes ORG or ORG/TEAM, not '{self.owner}'")
        if "/" in target:
            raise UsageError("--owner excludes a target that names an org", hint="Give one of them.")
        return f"{self.owner}/{target or '*'}"


class Search(NamedTuple):
    """A search: a pattern of paths (empty: everything visible), the org and team it runs in, and its filters."""

    pattern: str
    org: str
    team: str
    filters: list[tuple[str, str | bool]]


def search_for(
    run: Runtime, ref: ArtifactRef | ImageRef | None, options: ListOptions, signed_field: str
) -> Search:
    """The search for this target; without one everything that is visible.

    Without a target, a team named on the line narrows the search to it (guide, 3.3). ``signed_field`` is what the
    search calls --signed for this noun.
    """
    org, team = run.settings.org, run.settings.team
    filters = _filters(run, options, signed_field)
    if ref is not None:
        if ref.org and not has_wildcard(ref.org):
            org, team = ref.org, "" if has_wildcard(ref.team) else ref.team
        elif ref.org:
            team = ""
        return Search(ref.path, org, team, filters)
    return Search(f"{org}/{team}/*" if run.flags.team and org and team else "", org, team, filters)


def refuse_filters(ref: ArtifactRef | ImageRef, options: ListOptions) -> None:
    """Raise UsageError for --mine where versions or tags of one name are listed: it would have no effect."""
    if options.mine:
        raise UsageError(f"--mine cannot filter what belongs to {ref.path}", hint="Leave out the target.")


def tell_found(run: Runtime, found: Listing[Any], what: str, search: Search) -> None:
    """Tell what the table does not show: where nothing was found, what a limit or missing rights left out."""
    from ngc_cli.services.listing import full_pattern

    run.output.note(found.note if found.items else "")
    note_if_cut_short(run, found)
    if search.pattern:
        where = f"match '{full_pattern(search.pattern, search.org, search.team)}'"
    else:
        team = f", team '{search.team}'" if search.team else ""
        where = f"are in org '{search.org}'{team} or public" if search.org else "are public"
    filters = " and the filters" if search.filters else ""
    guest = "" if run.settings.api_key else " for guests; an API key ('ngc config set') may show more"
    note_if_empty(run, f"No {what} {where}{filters}{guest}.", found)


def tell_parts(run: Runtime, found: Listing[Any], parts: str, ref: ArtifactRef | ImageRef) -> None:
    """The same for the versions or tags of one name."""
    note_if_cut_short(run, found)
    wanted = ref.version if isinstance(ref, ArtifactRef) else ref.tag
    text = f"No {parts} of {ref.path} match '{wanted}'." if wanted else f"{ref.path} has no {parts} yet."
    note_if_empty(run, text, found)


def _filters(run: Runtime, options: ListOptions, signed_field: str) -> list[tuple[str, str | bool]]:
    """Search fields and values (docs/protocol/artifacts.md#search)."""
    access = choice("--access-type", options.access_type, _ACCESS_TYPES)
    release = choice("--release-type", options.release_type, tuple(RELEASE_TYPES))
    policies = [choice("--policy", name, POLICIES) for name in options.policy or ()]
    pairs: list[tuple[str, str | bool]] = [("accessType", access)] if access else []
    pairs += [("productNames", name) for name in options.product_name or ()]
    pairs += [("policy", name.lower()) for name in policies if name]
    pairs += [("releaseType", f"release_type_{RELEASE_TYPES[release]}")] if release else []
    pairs += [("createdBy", _own_id(run))] if options.mine else []
    return [*pairs, (signed_field, True)] if options.signed else pairs


def _own_id(run: Runtime) -> str:
    from ngc_cli.services.people import orgs

    return str(orgs.who(run.people, run.settings.org).id)
