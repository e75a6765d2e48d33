"""Table of the ``ngc registry`` groups."""

from __future__ import annotations

from ngc_cli.cli.groups import Verbs, not_supported

verbs = Verbs("Models, model-scripts and container images.")
verbs.module("image", "ngc_cli.cli.registry.image", "Container images, with or without a Docker daemon.")
verbs.module("model", "ngc_cli.cli.registry.model", "Models and their versions.")
verbs.module("model-script", "ngc_cli.cli.registry.model_script", "Model-scripts and their versions.")
verbs.module(
    "resource", "ngc_cli.cli.registry.model_script", "Model-scripts under their modern name.", hidden=True
)
for _name in ["chart", "collection", "csp", "encryption-key", "label-set", "usage"]:
    verbs.command(_name, hidden=True)(not_supported(f"ngc registry {_name}"))
