"""``ngc registry``: its sub-groups, one module for each noun."""

from __future__ import annotations

from typing import ClassVar

import typer

from ngc_cli.cli.groups import Group, Subgroup
from ngc_cli.cli.help import Example


class _RegistryGroup(Group):
    subgroups: ClassVar = {
        "image": Subgroup("ngc_cli.cli.registry.image", "Container images, with or without a Docker daemon."),
        "model": Subgroup("ngc_cli.cli.registry.model", "Models and their versions."),
        "model-script": Subgroup("ngc_cli.cli.registry.model_script", "Model-scripts and their versions."),
        "resource": Subgroup(
            "ngc_cli.cli.registry.model_script", "Model-scripts under their modern name.", hidden=True
        ),
    }
    examples = (
        Example("ngc registry model list 'nvidia/*'", "Models of an org."),
        Example(
            "ngc registry model download-version nvidia/myteam/resnet:1", "One version, into this folder."
        ),
        Example("ngc registry image list", "Images that you may see."),
    )
    not_supported = ("chart", "collection", "csp", "encryption-key", "label-set", "usage")


app = typer.Typer(cls=_RegistryGroup, help="Models, model-scripts and container images.")
