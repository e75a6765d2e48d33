from __future__ import annotations

from collections.abc import Iterator

import pytest

from ngc_cli.errors import Forbidden
from ngc_cli.services.listing import LabelEdit, Listing, first, full_pattern, matching


def test_a_pattern_of_names_is_completed_with_org_and_team() -> None:
    assert full_pattern("x*", "org", "team") == "org/team/x*"
    assert full_pattern("x*", "org", "") == "org/x*"
    assert full_pattern("other/x", "org", "team") == "other/x"
    assert full_pattern("", "org", "team") == ""


def test_hits_are_filtered_and_sorted_and_a_limit_keeps_the_first_of_the_whole() -> None:
    found = ["o/b", "o/a", "p/c"]
    assert matching(found, str, "o/*", None) == Listing(["o/a", "o/b"], total=2)
    assert matching(found, str, "", None) == Listing(["o/a", "o/b", "p/c"], total=3)
    assert matching(found, str, "o/*", 1) == Listing(["o/a"], complete=False, total=2)
    assert matching(found, str, "o/*", 2).complete


def refused(*hits: str) -> Iterator[str]:
    yield from hits
    raise Forbidden("not for you")


def test_a_refusal_is_raised_unless_a_pattern_was_met_by_what_is_public() -> None:
    public = matching(refused("o/a"), str, "o/*", None)
    assert (public.items, public.note) == (["o/a"], "Only what is public is shown: not for you.")
    for hits, pattern in [((), "o/*"), (("o/a",), "x/*"), (("o/a",), "")]:
        with pytest.raises(Forbidden):
            matching(refused(*hits), str, pattern, None)


def test_a_sorted_list_is_read_no_further_than_one_item_behind_the_limit() -> None:
    source = iter("abcdef")
    assert first(source, 2) == Listing(["a", "b"], complete=False)
    assert next(source) == "d"
    assert first(iter("ab"), 2) == Listing(["a", "b"])
    assert first(iter("ab"), None) == Listing(["a", "b"])


def test_labels_are_edited_in_their_order() -> None:
    edit = LabelEdit(add=("new", "kept"), remove=("old",))
    assert edit.applied_to(["old", "kept"]) == ("kept", "new")
    assert edit.applied_to(None) == ("new", "kept")
