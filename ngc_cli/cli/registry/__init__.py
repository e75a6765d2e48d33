"""``ngc registry``: its sub-groups, one module for each noun."""

from __future__ import annotations

from typing import ClassVar

import typer

from ngc_cli.cli.groups import Group, Subgroup


class _RegistryGroup(Group):
    subgroups: ClassVar = {
        "image": Subgroup("ngc_cli.cli.registry.image", "Container images, with or without a Docker daemon."),
        "model": Subgroup("ngc_cli.cli.registry.model", "Models and their versions."),
        "model-script": Subgroup("ngc_cli.cli.registry.model_script", "Model-scripts and their versions."),
        "resource": Subgroup(
            "ngc_cli.cli.registry.model_script", "Model-scripts under their modern name.", hidden=True
        ),
    }
    not_supported = ("chart", "collection", "csp", "encryption-key", "label-set", "usage")


app = typer.Typer(cls=_RegistryGroup, help="Models, model-scripts and container images.")
