"""Run lines word by word, as a shell reads them (container guide, chapters 6 and 7; DIGITS guide, 3.1)."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from ngc_cli.errors import NgcError, UsageError
from ngc_cli.oci.copy import RemoteImage
from ngc_cli.oci.descriptor import Descriptor
from ngc_cli.refs import ImageRef
from ngc_cli.services.images import run_line as lines
from ngc_cli.services.images.gpu_support import DockerFacts
from ngc_cli.services.images.image_config import ImageConfig, config_of, parse_config
from ngc_cli.services.images.run_line import Gpus, RunOptions, Runtime, run_line

CAFFE = "nvcr.io/nvidia/caffe:16.12"
NAMD = "nvcr.io/hpc/namd:2.12-171025"
DIGITS = "nvcr.io/nvidia/digits:21.04-tensorflow"
MEMORY = ["--shm-size=1g", "--ulimit", "memlock=-1", "--ulimit", "stack=67108864"]
NVIDIA_BY_DEFAULT = DockerFacts(default_runtime="nvidia")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def words(runtime: Runtime, image: str, config: ImageConfig | None = None, **options: Any) -> list[str]:
    """What a shell makes of the line."""
    if "gpus" in options:
        options["gpus"] = Gpus.parse(options["gpus"])
    return shlex.split(run_line(runtime, image, RunOptions(**options), config or ImageConfig()).text)


RUN = ["docker", "run"]
END = ["-it", "--rm", NAMD]


@pytest.mark.parametrize(
    ("runtime", "gpus", "expected"),
    [
        (Runtime("docker"), "all", [*RUN, "--gpus", "all", *END]),
        (Runtime("docker"), "2", [*RUN, "--gpus", "2", *END]),
        (Runtime("docker"), "0,1", [*RUN, "--gpus", '"device=0,1"', *END]),
        (Runtime("docker"), "device=1", [*RUN, "--gpus", "device=1", *END]),
        (Runtime("docker"), "GPU-ab12-34,1", [*RUN, "--gpus", '"device=GPU-ab12-34,1"', *END]),
        (Runtime("docker"), "none", [*RUN, *END]),
        (Runtime("nvidia-docker2"), "all", [*RUN, "--runtime=nvidia", *END]),
        (
            Runtime("nvidia-docker2"),
            "0,1",
            [*RUN, "--runtime=nvidia", "-e", "NVIDIA_VISIBLE_DEVICES=0,1", *END],
        ),
        (
            Runtime("nvidia-docker2"),
            "2",
            [*RUN, "--runtime=nvidia", "-e", "NVIDIA_VISIBLE_DEVICES=0,1", *END],
        ),
        (Runtime("nvidia-docker2"), "none", [*RUN, *END]),
        (Runtime("nvidia-docker2", NVIDIA_BY_DEFAULT), "all", [*RUN, *END]),
        (
            Runtime("nvidia-docker2", NVIDIA_BY_DEFAULT),
            "none",
            [*RUN, "-e", "NVIDIA_VISIBLE_DEVICES=void", *END],
        ),
        (Runtime("nvidia-docker"), "all", ["nvidia-docker", "run", *END]),
        (Runtime("nvidia-docker"), "0,1", ["NV_GPU=0,1", "nvidia-docker", "run", *END]),
        (Runtime("nvidia-docker"), "none", [*RUN, *END]),
        (Runtime("podman"), "all", ["podman", "run", "--device", "nvidia.com/gpu=all", *END]),
        (
            Runtime("podman"),
            "0,GPU-ab",
            ["podman", "run", "--device", "nvidia.com/gpu=0", "--device", "nvidia.com/gpu=GPU-ab", *END],
        ),
        (Runtime("podman"), "none", ["podman", "run", *END]),
    ],
)
def test_gpus(runtime: Runtime, gpus: str, expected: list[str]) -> None:
    assert words(runtime, NAMD, gpus=gpus) == expected


@pytest.mark.parametrize("text", ["0", "1000", "", "0,,1", "0 1", "$(x)", "device=", "0,'"])
def test_what_names_no_gpu(text: str) -> None:
    with pytest.raises(UsageError):
        Gpus.parse(text)


class TestDigits:
    """DIGITS guide, 3.1 and 4.1.1."""

    config = ImageConfig(exposed_ports=("5000/tcp",))
    volumes = ("/home/username/data:/data", "/home/username/digits-jobs:/workspace/jobs")
    printed = (
        "docker run --gpus all --name digits -d -p 8888:5000 -v /home/username/data:/data "
        f"-v /home/username/digits-jobs:/workspace/jobs {DIGITS}"
    )

    def test_the_line_of_the_guide_with_data_and_jobs(self) -> None:
        options = RunOptions(detach=True, name="digits", volumes=self.volumes, shm_size="none")
        assert run_line(Runtime("docker"), DIGITS, options, self.config).text == self.printed

    def test_with_the_memory_that_the_guide_recommends(self) -> None:
        found = words(
            Runtime("docker"), DIGITS, self.config, detach=True, name="digits", volumes=self.volumes
        )
        assert found == [*self.printed.split()[:-1], *MEMORY, DIGITS]

    def test_a_port_that_is_given_is_the_port(self) -> None:
        found = words(Runtime("docker"), DIGITS, self.config, ports=("80:5000",), shm_size="none")
        assert found == [*RUN, "--gpus", "all", "-it", "--rm", "-p", "80:5000", DIGITS]


def test_the_background_keeps_the_container_for_its_logs() -> None:
    found = words(Runtime("docker"), NAMD, detach=True)
    assert found == [*RUN, "--gpus", "all", "-d", NAMD]


def test_a_command_runs_without_a_terminal_unless_one_is_wanted() -> None:
    command = ("caffe", "time", "-model", "a b", "$HOME", "it's")
    assert words(Runtime("docker"), CAFFE, command=command) == [
        *[*RUN, "--gpus", "all", "--rm", *MEMORY, CAFFE],
        *command,
    ]
    assert "-it" in words(Runtime("docker"), CAFFE, command=("bash",), interactive=True)
    assert "-it" not in words(Runtime("docker"), CAFFE, terminal=False)


def test_memory_user_and_ports() -> None:
    config = ImageConfig(exposed_ports=("8000/tcp", "53/udp", "8001", "x", "0", "70000"), user="1000")
    found = words(Runtime("docker"), NAMD, config, gpus="none", shm_size="8g", user="me", name="n")
    me = f"{os.getuid()}:{os.getgid()}"
    ports = ["-p", "53:53/udp", "-p", "8000:8000", "-p", "8001:8001"]
    assert found == [*RUN, "-it", "--rm", "--name", "n", *ports, "-u", me, "--shm-size=8g", NAMD]
    assert words(Runtime("podman"), NAMD, gpus="none", user="me")[4:7] == ["--userns=keep-id", "-u", me]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("data:/data", "data:/data"),
        ("./a b:/data:ro", "HERE/a b:/data:ro"),
        ("data/x:/data", "HERE/data/x:/data"),
        (".:/work", "HERE:/work"),
        ("/raid/imagedata:/images", "/raid/imagedata:/images"),
        ("~/data:/data", "HOME/data:/data"),
    ],
)
def test_volumes(given: str, expected: str, tmp_path: Path) -> None:
    found = words(Runtime("docker"), NAMD, volumes=(given,))
    expected = expected.replace("HERE", str(tmp_path)).replace("HOME", str(Path.home()))
    assert found[found.index("-v") + 1] == expected


@pytest.mark.parametrize(
    "options",
    [
        {"volumes": ("data",)},
        {"volumes": (":/data",)},
        {"volumes": ("/a:b",)},
        {"ports": ("8888",)},
        {"ports": ("x; rm",)},
        {"name": "--privileged"},
        {"user": "a b"},
        {"shm_size": "1 g"},
    ],
)
def test_values_that_no_runtime_takes(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        words(Runtime("docker"), NAMD, **options)


class TestSingularity:
    """Container guide, 7.3 and 7.4."""

    def test_converts_once_and_runs_in_this_folder(self, tmp_path: Path) -> None:
        options = RunOptions(command=("/opt/namd/namd-multicore",), volumes=("./in:/in:ro",))
        line = run_line(Runtime("singularity"), NAMD, options, ImageConfig(), "oci:/d/namd:2.12-171025")
        bind = ["-B", f"{tmp_path}:/host_pwd", "-B", f"{tmp_path}/in:/in:ro", "--pwd", "/host_pwd"]
        assert [list(step.words) for step in line.steps] == [
            ["singularity", "build", "namd_2.12-171025.sif", "oci:/d/namd:2.12-171025"],
            ["singularity", "exec", "--nv", *bind, "namd_2.12-171025.sif", "/opt/namd/namd-multicore"],
        ]
        assert shlex.split(line.text) == [*line.steps[0].words, "&&", *line.steps[1].words]

    def test_a_shell_on_some_gpus_without_ports(self, tmp_path: Path) -> None:
        options = RunOptions(gpus=Gpus.parse("0,1"), ports=("1:1",), user="me")
        line = run_line(Runtime("apptainer"), NAMD, options, ImageConfig(), "namd.simg")
        bind = ["-B", f"{tmp_path}:/host_pwd", "--pwd", "/host_pwd"]
        start = ["APPTAINERENV_CUDA_VISIBLE_DEVICES=0,1", "apptainer", "exec", "--nv"]
        assert shlex.split(line.text) == [*start, *bind, "namd.simg", "/bin/bash"]
        assert line.note.endswith("no -p, --user.")

    def test_no_gpus_and_no_background(self) -> None:
        assert "--nv" not in words(Runtime("apptainer"), NAMD, gpus="none")
        with pytest.raises(UsageError):
            words(Runtime("apptainer"), NAMD, detach=True)

    def test_what_is_here_is_not_fetched_again(self, tmp_path: Path) -> None:
        ref = ImageRef.parse(NAMD)
        assert lines.source_of(ref, NAMD) == f"docker://{NAMD}"
        (tmp_path / "namd_2.12-171025").mkdir()
        (tmp_path / "namd_2.12-171025" / "index.json").touch()
        assert lines.source_of(ref, NAMD) == f"oci:{tmp_path}/namd_2.12-171025:2.12-171025"
        (tmp_path / "namd_2.12-171025.simg").touch()
        assert lines.source_of(ref, NAMD) == "namd_2.12-171025.simg"
        (tmp_path / "namd_2.12-171025.sif").touch()
        assert len(run_line(Runtime("apptainer"), NAMD, RunOptions(), ImageConfig()).steps) == 1


def test_an_image_without_a_command_needs_one() -> None:
    config = ImageConfig(user="root")
    assert "after --" in run_line(Runtime("docker"), NAMD, RunOptions(), config).note
    assert run_line(Runtime("docker"), NAMD, RunOptions(command=("x",)), config).note == ""


def test_nothing_here_runs_containers(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none"}
    with pytest.raises(NgcError, match="nothing on this machine"):
        lines.choose("", environ)
    assert lines.choose("podman", environ) == Runtime("podman")
    assert lines.choose("nvidia-docker2", environ).name == "nvidia-docker2"


def test_a_line_is_run_with_its_variables_until_a_command_fails(tmp_path: Path) -> None:
    note = tmp_path / "ran"
    steps = [
        lines.Step(("sh", "-c", f'echo "$NV_GPU" >> {note}'), {"NV_GPU": "0,1"}),
        lines.Step(("sh", "-c", "exit 7")),
        lines.Step(("sh", "-c", f"echo never >> {note}")),
    ]
    assert lines.execute(lines.RunLine(tuple(steps)), os.environ) == 7
    assert note.read_text() == "0,1\n"
    with pytest.raises(NgcError, match="cannot be run"):
        lines.execute(lines.RunLine((lines.Step(("no-such-program",)),)), os.environ)


def test_a_configuration_as_images_have_it() -> None:
    content = (
        b'{"config": {"Entrypoint": ["/run"], "Cmd": ["a", 3], "User": "u", "WorkingDir": "/w", '
        b'"ExposedPorts": {"8000/tcp": {}}, "Volumes": {"/d": {}}, "Env": ["A=b"], "Labels": {"x": "y", "z": 1}}}'
    )
    one = Descriptor("x", "sha256:" + "0" * 64, 1)
    image = RemoteImage(one, one, None, (), (), {"sha256:": content})
    assert config_of(image) == ImageConfig(
        ("/run",), ("a",), "u", "/w", ("8000/tcp",), ("/d",), ("A=b",), {"x": "y", "z": ""}
    )


@pytest.mark.parametrize(
    "content", [b"[]", b"no json", b'{"config": []}', b"{}", b'{"config": {"Cmd": "x", "Env": 1}}']
)
def test_a_configuration_that_is_none(content: bytes) -> None:
    one = Descriptor("x", "sha256:" + "0" * 64, 1)
    assert config_of(RemoteImage(one, one, None, (), (), {"x": content})) == ImageConfig()
    assert parse_config(None) == ImageConfig()
