"""How an image is run: its configuration, the line, the run itself, and SIF files, against the embedded registry."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import MakeShell, Shell
from support.engine import engine
from support.images import add_image
from support.registry import RunningRegistry

from ngc_cli.oci.layout import Layout

CONFIG = {
    "Entrypoint": ["/opt/start", "--now"],
    "User": "1000",
    "ExposedPorts": {"5000/tcp": {}},
    "Env": ["A=b"],
    "Labels": {"vendor": "\x1b[31mx"},
}
BUILDS = """\
#!/bin/sh
case "$1" in
  --version) echo "apptainer version 1.3.0" ;;
  build)
    pwd > "$RECORD.folder"; echo "$@" > "$RECORD"; /usr/bin/env > "$RECORD.env"
    /bin/cp -r image/blobs "$RECORD.blobs"
    echo sif > "$2" ;;
esac
"""


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def org(registry: RunningRegistry) -> str:
    return registry.org()


@pytest.fixture
def key(registry: RunningRegistry, org: str) -> str:
    return registry.key(org=org, role="REGISTRY_ADMIN")


@pytest.fixture
def ngc(shell: MakeShell, registry: RunningRegistry, org: str, key: str, tmp_path: Path) -> Shell:
    """A shell where ``<org>/digits:1`` is in the registry, and ``bin`` is all of PATH."""
    (tmp_path / "bin").mkdir()
    made = shell(registry, key, org, DOCKER_HOST=f"unix://{tmp_path}/d.sock", PATH=str(tmp_path / "bin"))
    add_image(Layout.create(Path("source")), tag="1", runs=CONFIG)
    made.ok(f"registry image push {org}/digits:1 --source oci:source")
    return made


@pytest.fixture
def name(registry: RunningRegistry, org: str) -> str:
    return f"{registry.url.partition('://')[2]}/{org}/digits:1"


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    """Puts a program into PATH."""

    def make(name: str, text: str) -> Path:
        path = tmp_path / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    return make


def test_info_shows_how_an_image_wants_to_be_run(ngc: Shell, org: str) -> None:
    config = ngc.json(f"registry image info {org}/digits:1 --config")["config"]
    assert config["entrypoint"] == ["/opt/start", "--now"]
    assert (config["user"], config["exposed_ports"], config["environment"]) == ("1000", ["5000/tcp"], ["A=b"])
    shown = ngc.ok(f"registry image info {org}/digits:1 --config")
    assert "Entry Point: /opt/start --now" in shown
    assert "\x1b" not in shown
    assert ngc(f"registry image info {org}/digits --config").code == 2


def test_a_line_with_every_option(ngc: Shell, org: str, name: str, tmp_path: Path) -> None:
    line = ngc.ok(
        f"registry image run-line {org}/digits:1 --with docker --gpus 0,1 --detach --name digits --volume ./data:/data:ro "
        "--user me --shm-size 2g"
    )
    assert shlex.split(line) == [
        *("docker", "run", "--gpus", '"device=0,1"', "--name", "digits", "-d", "-p", "8888:5000"),
        *("-v", f"{tmp_path}/data:/data:ro", "-u", f"{os.getuid()}:{os.getgid()}", "--shm-size=2g", name),
    ]


def test_what_follows_two_hyphens_is_the_command(ngc: Shell, org: str, name: str) -> None:
    line = f"registry image run-line {org}/digits:1 --with podman --interactive --publish 1:5000 --format_type json"
    done = ngc(f"{line} -- sh -c 'a  b' --debug").data
    assert done["steps"] == [
        {
            "command": [
                *("podman", "run", "--device", "nvidia.com/gpu=all", "-it", "--rm", "-p", "1:5000", name),
                *("sh", "-c", "a  b", "--debug"),
            ],
            "environment": {},
        }
    ]
    assert shlex.split(done["run_command"]) == done["steps"][0]["command"]


def test_the_line_is_that_of_the_machine(ngc: Shell, org: str, name: str, tmp_path: Path) -> None:
    done = ngc(f"registry image run-line {org}/digits:1")
    assert (done.code, "--with" in done.err) == (1, True)
    with engine(str(tmp_path / "d.sock"), "18.09.1", Runtimes={"nvidia": {}}, DefaultRuntime="runc"):
        line = ngc.ok(f"registry image run-line {org}/digits")
    assert line == f"docker run --runtime=nvidia -it --rm -p 8888:5000 {name}\n"
    assert ngc(f"registry image run-line {org}/digits:2 --with docker").code == 12
    assert ngc(f"registry image run-line {org}/digits:1 --with rkt").code == 2


def test_run_does_what_the_line_says(
    ngc: Shell, org: str, name: str, program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    program("nvidia-docker", f'#!/bin/sh\necho "$NV_GPU $@" > {tmp_path}/ran\nexit 9\n')
    done = ngc(f"registry image run {org}/digits:1 --with nvidia-docker --gpus 1,2 -- train -v")
    assert done.code == 9
    assert Path("ran").read_text() == f"1,2 run --rm -p 8888:5000 {name} train -v\n"
    assert f"NV_GPU=1,2 nvidia-docker run --rm -p 8888:5000 {name} train -v" in done.err
    assert done.out == ""
    ngc(f"registry image run {org}/digits:1 --with nvidia-docker")
    assert "-it" not in Path("ran").read_text(), "no terminal is asked for where there is none"


class TestSif:
    def test_a_pull_makes_one_from_verified_layers(
        self,
        ngc: Shell,
        org: str,
        key: str,
        program: Callable[[str, str], Path],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        program("apptainer", BUILDS)
        monkeypatch.setenv("RECORD", str(tmp_path / "record"))
        monkeypatch.setenv("SINGULARITY_DOCKER_PASSWORD", key)
        data = ngc.json(f"registry image pull {org}/digits:1 --output sif:")
        assert data["output"] == f"sif:{tmp_path}/digits_1.sif"
        assert Path("digits_1.sif").read_text() == "sif\n"
        assert Path("record").read_text() == "build made.sif oci:image:1\n"
        assert key not in Path("record.env").read_text()
        given = dict(
            line.split("=", 1) for line in Path("record.env").read_text().splitlines() if "=" in line
        )
        assert given["TMPDIR"] == Path("record.folder").read_text().strip()
        blobs = {path.name for path in Path("record.blobs").rglob("*") if path.is_file()}
        assert blobs == {path.name for path in Path("source/blobs").rglob("*") if path.is_file()}
        bind = f"-B {tmp_path}:/host_pwd --pwd /host_pwd {tmp_path}/digits_1.sif /bin/bash"
        assert data["run_command"] == f"apptainer exec --nv {bind}"
        assert not Path(".ngc-transfer").exists()

    def test_without_a_program_the_line_for_elsewhere_is_told(self, ngc: Shell, org: str, name: str) -> None:
        done = ngc(f"registry image pull {org}/digits:1 --output sif:my.simg --format_type json")
        assert done.code == 17
        assert done.error["hint"].endswith(f"apptainer build my.simg docker://{name}")
        assert not Path("my.simg").exists()

    def test_a_build_that_fails_says_why_and_leaves_the_layers(
        self, ngc: Shell, org: str, program: Callable[[str, str], Path]
    ) -> None:
        program(
            "singularity",
            "#!/bin/sh\n[ $1 = build ] || exit 0\necho first; echo FATAL: no squashfs >&2; exit 255\n",
        )
        done = ngc(f"registry image pull {org}/digits:1 --output sif:my.sif")
        assert done.code == 1
        assert "FATAL: no squashfs" in done.err
        assert not Path("my.sif").exists()
        again = ngc(f"registry image pull {org}/digits:1 --output sif:my.sif --dry-run")
        assert again.code == 0

    def test_a_version_before_layouts_is_refused(
        self, ngc: Shell, org: str, program: Callable[[str, str], Path]
    ) -> None:
        program("singularity", "#!/bin/sh\necho 2.5.2-dist\n")
        done = ngc(f"registry image pull {org}/digits:1 --output sif:my.sif")
        assert (done.code, "too old" in done.err) == (17, True)

    def test_it_is_no_source_and_holds_one_platform(self, ngc: Shell, org: str) -> None:
        assert ngc(f"registry image push {org}/digits:2 --source sif:my.sif").code == 2
        assert ngc(f"registry image pull {org}/digits:1 --all-platforms --output sif:my.sif").code == 2


@pytest.mark.parametrize(
    ("shell_name", "first"),
    [
        ("sh", "export SINGULARITY_DOCKER_USERNAME='$oauthtoken'"),
        ("csh", "setenv SINGULARITY_DOCKER_USERNAME '$oauthtoken'"),
        ("fish", "set -gx SINGULARITY_DOCKER_USERNAME '$oauthtoken'"),
        ("powershell", "$env:SINGULARITY_DOCKER_USERNAME = '$oauthtoken'"),
    ],
)
def test_login_lines_for_shells(ngc: Shell, shell_name: str, first: str) -> None:
    shown = ngc.ok(f"registry image login --print-env apptainer --shell {shell_name}").splitlines()
    assert shown[0] == first
    assert len(shown) == 4
    assert ngc("registry image login --print-env apptainer --shell zsh5").code == 2
    assert ngc("registry image login --shell sh").code == 2


def test_json_of_a_line_is_one_document(ngc: Shell, org: str) -> None:
    done = ngc(f"registry image run-line {org}/digits:1 --with apptainer --format_type json")
    assert [step["command"][1] for step in json.loads(done.out)["steps"]] == ["build", "exec"]
