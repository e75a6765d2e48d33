from __future__ import annotations

from ngc_cli.similar import did_you_mean


def test_the_nearest_names_are_quoted_as_they_are_written() -> None:
    assert did_you_mean("RESNET5", ["ResNet50", "bert"]) == "Did you mean 'ResNet50'?"
    assert did_you_mean("v1", ["v1.0", "v10", "x"], at_most=2, prefix="o/n:") in (
        "Did you mean 'o/n:v10' or 'o/n:v1.0'?",
        "Did you mean 'o/n:v1.0' or 'o/n:v10'?",
    )


def test_nothing_is_said_when_nothing_is_like_it() -> None:
    assert did_you_mean("resnet", ["bert"]) == ""
    assert did_you_mean("resnet", []) == ""
