"""Shell patterns in SQL mean what they mean in Python."""

import fnmatch

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert, select

from ngc_cli.server.search.patterns import matching

NAMES = [
    "acme/bert",
    "acme/nlp/bert_large",
    "acme/Bert",
    "a[b",
    "a*b",
    "a?b",
    "a^",
    "acme",
    "b-c",
    "über",
    "a_b%c",
    "a.b",
    "]",
]
TABLE = Table("t", MetaData(), Column("path", String))
ENGINE = create_engine("sqlite://")
TABLE.create(ENGINE)
with ENGINE.begin() as _connection:
    _connection.execute(insert(TABLE), [{"path": name} for name in NAMES])
# No lone dash or exclamation mark: Python reads a reversed range before one as the negation of the set.
PIECES = st.sampled_from(
    [
        "*",
        "?",
        "a",
        "b",
        "acme/",
        "bert",
        "[ab]",
        "[!a]",
        "[a-c]",
        "[",
        "]",
        "[]]",
        "[^a]",
        "^",
        "_",
        "%",
        ".",
        "\\",
        "[c-a]",
        "[!c-a]",
        "[]-a]",
        "[--a]",
        "[!^]",
        "[^-]",
        "[a^-]",
    ]
)


@settings(deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=5).map("".join))
@example("acme/*")
@example("acme/bert")
@example("*")
@example("*bert*")
@example("a[[]b")
@example("a[*]b")
def test_a_pattern_finds_the_same_names_as_in_python(pattern: str) -> None:
    condition = matching(TABLE.c.path, pattern, "sqlite")
    query = select(TABLE.c.path) if condition is None else select(TABLE.c.path).where(condition)
    with ENGINE.connect() as connection:
        found = set(connection.scalars(query))
    assert found == {name for name in NAMES if fnmatch.fnmatchcase(name, pattern)}
