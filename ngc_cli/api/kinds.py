"""What "model" and "model-script" are: one record a kind, with every name it has. Imports nothing heavy.

Source: docs/protocol/artifacts.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ArtifactKind:
    """A kind of artifact: ``noun`` is its command group and its name in texts, the others are names on the wire.

    ``segment`` stands in paths, ``member`` and those below are members of JSON objects, ``search_type`` is the type
    of its search hits, and ``signed_filter`` the search field of those with a signed version.
    """

    noun: str
    segment: str
    member: str
    version_member: str
    versions_member: str
    files_member: str
    search_type: str
    signed_filter: str

    @property
    def other(self) -> ArtifactKind:
        """The other kind, for lines that name the wrong one."""
        return MODEL_SCRIPT if self is MODEL else MODEL


MODEL = ArtifactKind(
    noun="model",
    segment="models",
    member="model",
    version_member="modelVersion",
    versions_member="modelVersions",
    files_member="modelFiles",
    search_type="MODEL",
    signed_filter="signedModels",
)
MODEL_SCRIPT = ArtifactKind(
    noun="model-script",
    segment="resources",
    member="recipe",
    version_member="recipeVersion",
    versions_member="recipeVersions",
    files_member="recipeFiles",
    search_type="RECIPE",
    signed_filter="signedResources",
)
