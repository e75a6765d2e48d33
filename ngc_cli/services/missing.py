"""What is missing when something was not found, and what may have been meant: the org, the team, the name, a part.

All of it is asked for only after a failure, and an answer that does not come leaves the error as it was.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from ngc_cli.api.client import ApiClient, Target
from ngc_cli.api.orgs import OrgApi
from ngc_cli.errors import Forbidden, NgcError, NotFound
from ngc_cli.services.listing import Instead
from ngc_cli.services.people import orgs
from ngc_cli.similar import did_you_mean

# Names to compare with: ten pages of the search, and no wait for a catalog with many more.
_NAMES_LOOKED_AT = 1000
_SHOWN = 3


def list_command(noun: str, target: str) -> str:
    """The command that lists a target, as it can be pasted into any shell."""
    return shlex.join(["ngc", "registry", noun, "list", target])


@dataclass(frozen=True)
class Part:
    """A version or tag that was looked for: ``words`` names its kind, ``names`` lists those there are."""

    name: str
    words: str
    names: Callable[[], Iterable[str]]


@dataclass(frozen=True)
class Catalog:
    """Where the things of one noun are looked for: ``paths`` searches for a pattern in an org or team of it.

    ``noun`` is the command group too.
    """

    noun: str
    client: ApiClient
    paths: Callable[[str, str, str], Iterable[str]]

    @property
    def _orgs(self) -> OrgApi | None:
        return None if self.client.credentials.is_guest else OrgApi(self.client)

    def explained(self, error: NgcError, ref: Target, path: str, part: Part | None = None) -> NgcError:
        """The NotFound or Forbidden of a target in words, with the next command to type.

        One that comes from a gateway says nothing about the target, and stays as it is.
        """
        if error.from_gateway:
            return error
        place = self.explained_place(error, ref.org, ref.team)
        if place is not error or not isinstance(error, NotFound):
            return place
        shown = f"{path}:{part.name}" if part is not None else path
        names = _names(part.names) if part is not None else None
        if part is not None and names is not None:
            hint = did_you_mean(part.name, names, at_most=_SHOWN, prefix=f"{path}:")
            hint = hint or f"See its {part.words} with: {list_command(self.noun, f'{path}:*')}"
        else:
            shown = path
            hint = self._near(ref, path)
        return NotFound.like(error, f"{self.noun} {shown} was not found", hint=hint)

    def explained_place(self, error: NgcError, org: str, team: str) -> NgcError:
        """The error for an org or a team that does not exist or may not be seen; the error itself if they do."""
        api = self._orgs
        if api is None or not org or error.from_gateway:
            return error
        mine = _names(lambda: (item.name for item in orgs.list_orgs(api).items))
        if mine and org not in mine:
            near = did_you_mean(org, mine)
            if near or isinstance(error, Forbidden):
                text = f"org '{org}' does not exist, or you are not in it"
                return type(error).like(error, text, hint=near or "'ngc org list' shows your orgs.")
        if team:
            try:
                orgs.require_team(api, org, team)
            except NotFound as missing:
                return missing
            except NgcError:
                pass
        return error

    def require_place(self, org: str, team: str, paths: Iterable[str]) -> None:
        """Raise Forbidden or NotFound for an org or team that does not exist or may not be seen.

        A search tells nothing of that: it is empty there (docs/protocol/conventions.md#errors). So this is asked
        when none of the ``paths`` that were found lies in the org.
        """
        if org and not any(path.startswith(f"{org}/") for path in paths):
            nothing = Forbidden(f"org '{org}' shows nothing")
            if (explained := self.explained_place(nothing, org, team)) is not nothing:
                raise explained

    def instead(self, typed: str, ref: Target, path: str, error: NgcError) -> Instead:
        """What to list for a name that is none: an org's things, a team's, or all that have the word in their names.

        Raises the explained error when nothing of that is there.
        """
        word = typed if "/" not in typed else ""
        if word and self._is_org(word, ref.org):
            return Instead(f"{word}/*", f"'{word}' is an org: these are its {self.noun}s.")
        if not ref.team or word:
            team = f"{ref.org}/{ref.name}/*"
            if ref.org and (self._is_team(ref.org, ref.name) or self._any(team, ref.org)):
                return Instead(
                    team, f"'{ref.name}' is a team of org '{ref.org}': these are its {self.noun}s."
                )
        if word:
            pattern = f"*/*{word.lower()}*"
            if self._any(pattern, ref.org):
                return Instead(
                    pattern, f"There is no {self.noun} {path}: these have '{word}' in their names."
                )
        raise self.explained(error, ref, path) from error

    def _is_org(self, word: str, org: str) -> bool:
        api = self._orgs
        mine = _names(lambda: (item.name for item in orgs.list_orgs(api).items)) if api is not None else None
        return word == org or word in (mine or ()) or self._any(f"{word}/*", word)

    def _is_team(self, org: str, name: str) -> bool:
        api = self._orgs
        try:
            return api is not None and bool(api.team(org, name).name)
        except NgcError:
            return False

    def _any(self, pattern: str, org: str) -> bool:
        return bool(_names(lambda: self.paths(pattern, org, ""), 1))

    def _near(self, ref: Target, path: str) -> str:
        """Paths in the org that are like this one, or have its name in another team; else how to list them."""
        paths = _names(lambda: self.paths(f"{ref.org}/*", ref.org, "")) or []
        same_name = [item for item in paths if item.rpartition("/")[2] == ref.name]
        if same_name:
            return f"Did you mean {' or '.join(map(repr, same_name[:_SHOWN]))}?"
        place = path.removesuffix(ref.name)
        names = [item.removeprefix(place) for item in paths if item.startswith(place)]
        near = did_you_mean(ref.name, names, at_most=_SHOWN, prefix=place)
        return near or f"See what there is with: {list_command(self.noun, f'{place}*')}"


def _names(get: Callable[[], Iterable[str]], at_most: int = _NAMES_LOOKED_AT) -> Sequence[str] | None:
    """Names for a comparison, also those that came before a refusal; None when there are none to have."""
    names: list[str] = []
    try:
        names.extend(islice(get(), at_most))
    except NgcError:
        return names or None
    return names
