"""Every option has an effect that a test sees: a new one needs a line here, and a test that uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngc_cli.cli.groups import Group
from ngc_cli.cli.root import command_tree

TESTS = Path(__file__).parents[1]
SEEN_BY = {
    "cli/test_main.py": "--version --format_type --ace --yes --quiet --no-color --ca-bundle --debug",
    "cli/test_config_command.py": "--org --profile --api-url --api-key-stdin --no-validate --storage --auth-option "
    "--name --explain",
    "cli/test_config_account.py": "--retries",
    "cli/test_completion.py": "--install",
    "cli/test_scripting.py": "--query --input --sort --filter",
    "cli/test_diag.py": "--timeout --no-external-ip --no-dir-size --read-size --output",
    "cli/test_members.py": "--team --joined --invited --email --column --role --create-team --team-description "
    "--invitation-expiry --message --from-csv --add-role --remove-role --org-role",
    "cli/test_members_at_scale.py": "--limit",
    "cli/registry/test_image.py": "--layers --history --details --platform --all-platforms --run-hint --multinode "
    "--add-label --remove-label --stdin-to --print-env --desc",
    "cli/registry/test_model.py": "--no-progress --progress --wide --mine --owner --access-type --product-name --policy "
    "--release-type --signed --label --label-set --metrics --bias-filename --explainability-filename "
    "--privacy-filename --safety-security-filename --strict --set-latest --source --base-version --no-commit --dest "
    "--file --exclude --dest-exact --no-resume --verify-only --dry-run",
    "cli/registry/test_upload_selection.py": "--include --follow-links --allow-empty",
    "cli/registry/test_image_run.py": "--config --with --gpus --detach --interactive --name --publish --volume --user "
    "--shm-size --shell",
    "cli/registry/test_access.py": "--public --guest-access",
    "cli/registry/test_model_store.py": "--model-store --as --store-version --era --replace-config --make-config",
    "e2e/test_guide_models.py": "--display-name --built-by --publisher --overview-filename --application --framework "
    "--format --precision --short-desc --public-dataset-name --public-dataset-link --public-dataset-license "
    "--owner-name --accuracy-reached --batch-size --num-epochs --gpu-model --memory-footprint --link --link-type "
    "--metrics-file --strip-top --files",
    "e2e/test_guide_model_scripts.py": "--logo --from --advanced-filename --performance-filename "
    "--quick-start-guide-filename --setup-filename --release-notes-filename",
    "e2e/test_guide_images.py": "--threads --limit-rate",
    "e2e/test_faults.py": "--no-space-check",
    "wire/server/test_hostile.py": "--data-dir --port --tls-self-signed",
    "cli/test_local.py": "--host --keep --insecure-http --alias",
}


def options(group: Group, path: str = "ngc") -> Iterator[tuple[str, str]]:
    """Command and first name of every option that can be given."""
    for parameter in group.params:
        yield path, parameter.opts[0]
    for name, command in group.commands.items():
        for parameter in command.params:
            if parameter.param_type_name == "option":
                yield f"{path} {name}", parameter.opts[0]
    for name in group.subgroups:
        yield from options(group.get_command(None, name), f"{path} {name}")


def test_every_option_is_seen_by_a_test() -> None:
    seen = {option for line in SEEN_BY.values() for option in line.split()}
    declared = dict((option, command) for command, option in options(command_tree()))
    assert {option: command for option, command in declared.items() if option not in seen} == {}
    assert seen - set(declared) == set(), "options that are gone"


@pytest.mark.parametrize("file", SEEN_BY)
def test_the_test_that_is_named_uses_the_option(file: str) -> None:
    text = (TESTS / file).read_text()
    short = {"--yes": "-y", "--output": "-o", "--dest": "-d"}
    unused = [
        option
        for option in SEEN_BY[file].split()
        if not re.search(rf"(?<![\w-])({option}|{short.get(option, option)})(?![\w-])", text)
    ]
    assert unused == []
