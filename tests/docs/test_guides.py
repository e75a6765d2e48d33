"""The blocks of the guides that say so are run, word for word, against the embedded registry.

Programs that a test machine has not are stubs; the address of the registry and the key come from the environment.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.engine import engine
from support.images import add_image
from support.modelstore import MNIST, write
from support.pages import ROOT
from support.program import Ngc
from support.registry import RunningRegistry

from ngc_cli.oci.layout import Layout

BLOCK = re.compile(r"^```sh\n# run by tests/docs/test_guides\.py\n(.*?)^```", re.MULTILINE | re.DOTALL)
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
IMAGES = {
    "nvidia/namd:2.13": {},
    "nvidia/pytorch:20.04-py3": {"8888/tcp": {}},
    "nvidia/digits:21.04-tensorflow": {"5000/tcp": {}},
}
STUB = '#!/bin/sh\n[ "$1" != build ] || echo sif > "$2"\necho "$0 $*" >> "$HOME/calls"\ncat > /dev/null\n'
MEMORY = "--shm-size=1g --ulimit memlock=-1 --ulimit stack=67108864"
WITH_DOCKER = ("digits.md", "docker-and-podman.md")
TOLD = {
    "digits.md": f"docker run --gpus all --name digits -d -p 8888:5000 -v /home/username/data:/data -v /home/username/digits-jobs:/workspace/jobs {MEMORY}",
    "docker-and-podman.md": f"-p 8888:8888 {MEMORY}",
    "singularity-and-apptainer.md": "APPTAINERENV_CUDA_VISIBLE_DEVICES=0,1 apptainer exec --nv -B",
    "inference-server.md": "1 models, and nothing is wrong with them.",
    "from-docker-login.md": "docker, podman, skopeo and buildah now use the API key",
}


@pytest.fixture
def reader(
    make_ngc: Callable[..., Ngc], registry: RunningRegistry, tmp_path: Path
) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs a block as somebody with a key of org nvidia, in a folder of their own."""
    team = registry.team(registry.org("nvidia"), "myteam")
    key = registry.key(org="nvidia", role="REGISTRY_ADMIN")
    ngc = make_ngc(registry, key, NGC_CLI_ORG="nvidia", DOCKER_HOST=f"unix://{tmp_path}/d.sock")
    for name in ("apptainer", "docker", "podman", "nvidia-ctk"):
        write(tmp_path, {f"bin/{name}": STUB})
        (tmp_path / "bin" / name).chmod(0o755)
    environ = {**ngc.variables(), "HOST": registry.url.partition("://")[2]}
    environ["PATH"] = f"{tmp_path}/bin:{environ['PATH']}"
    assert team == "myteam"
    for name, ports in IMAGES.items():
        layout = Layout.create(tmp_path / "images" / name.replace("/", "-").replace(":", "-"))
        add_image(layout, tag="x", seed=name, runs={"Cmd": ["bash"], "ExposedPorts": ports})
        ngc.run(["registry", "image", "push", name, "--source", f"oci:{layout.root}"])
    files = {"mnist_labels.txt": "a", "model6_1.plan": "6", "model7_0.plan": "7", "config.pbtxt": MNIST}
    source = write(tmp_path / "mnist", files)
    if ngc.run("registry model info nvidia/myteam/trt_mnist", code=None).returncode:
        ngc.run("registry model create nvidia/myteam/trt_mnist")
        ngc.run(f"registry model upload-version nvidia/myteam/trt_mnist:1 --source {source}")
    ngc.run("registry model remove nvidia/myteam/copy -y", code=None)
    (tmp_path / "work").mkdir()

    def run(block: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-euc", block],
            cwd=tmp_path / "work",
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return run


@pytest.mark.parametrize("guide", GUIDES, ids=[path.name for path in GUIDES])
def test_the_blocks_of_a_guide_do_what_they_say(
    guide: Path, reader: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    blocks = BLOCK.findall(guide.read_text(encoding="utf-8"))
    assert blocks
    told = ""
    with contextlib.ExitStack() as stack:
        if guide.name in WITH_DOCKER:
            stack.enter_context(engine(str(tmp_path / "d.sock"), "24.0.7", Runtimes={}))
        for block in blocks:
            done = reader(block)
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            told += done.stdout
    assert TOLD[guide.name] in told
