from __future__ import annotations

from ngc_cli.errors import NotFound
from ngc_cli.services.listing import LabelEdit, full_pattern, matching, not_found


def test_a_pattern_of_names_is_completed_with_org_and_team() -> None:
    assert full_pattern("x*", "org", "team") == "org/team/x*"
    assert full_pattern("x*", "org", "") == "org/x*"
    assert full_pattern("other/x", "org", "team") == "other/x"
    assert full_pattern("", "org", "team") == ""


def test_hits_are_filtered_and_sorted_and_a_limit_keeps_the_order_of_the_server() -> None:
    found = ["o/b", "o/a", "p/c"]
    assert matching(found, str, "o/*", None) == ["o/a", "o/b"]
    assert matching(found, str, "", None) == ["o/a", "o/b", "p/c"]
    assert matching(found, str, "o/*", 1) == ["o/b"]


def test_labels_are_edited_in_their_order() -> None:
    edit = LabelEdit(add=("new", "kept"), remove=("old",))
    assert edit.applied_to(["old", "kept"]) == ("kept", "new")
    assert edit.applied_to(None) == ("new", "kept")


def test_what_was_not_found_comes_with_the_command_that_lists_it() -> None:
    error = NotFound("no", status=404)
    found = not_found(error, "model", "o/t/m", org="o", team="t", path="o/t/m")
    assert (str(found), found.hint, found.status) == (
        "model o/t/m was not found",
        "'ngc registry model list o/t/*' lists what there is.",
        404,
    )
    found = not_found(error, "image", "o/i:1", org="o", team="", path="o/i", parts="tags")
    assert found.hint == "'ngc registry image list o/i:*' lists the tags."
