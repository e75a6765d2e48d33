"""Every command line of the guide's section 6.2, as printed there, against ``ngc local``.

Rulings on what the guide gets wrong: docs/guide.md (G-3 to G-8, G-10, G-12, G-13).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.program import Ngc

TARGET = "nvidia/myteam/final_review_model_script"
CREATE = r"""ngc registry model-script create \
--application CLASSIFICATION \
--format FORMAT \
--framework TensorFlow \
--precision FP16 \
--short-desc "A short description of this model-script." \
--advanced-filename path/to/my/advanced/guide.md \
--built-by "My Name" \
--display-name "Model Script for Model Final Review Model" \
--label "a" --label "b" --label "c" \
--logo "www.example.com/mylogo.jpeg" \
--overview-file path/to/overview/file.md \
--performance-filename path/to/perf/chart.txt \
--public-dataset-license LicenseType \
--public-dataset-link "www.example.com/my/dataset" \
--public-dataset-name "My Dataset" \
--publisher NVIDIA \
--quick-start-guide-filename path/to/quick/start.md \
--setup-filename path/to/setup/instructions.md \
nvidia/myteam/final_review_model_script"""
UPLOAD = r"""ngc registry model-script upload-version \
--accuracy-reached FP16 \
--batch-size 2000 \
--gpu-model "GPU MODEL" \
--memory-footprint 16GB \
--num-epochs 100 \
--desc "A full description of the target version" \
--performance-filename path/to/perf/chart.txt \
--quick-start-guide-filename path/to/quick/start.md \
--release-notes-filename path/to/release/notes.md \
--setup-filename path/to/setup/file.md \
--source path/to/model/script/version/dir \
nvidia/myteam/final_review_model_script:v1"""
TEXTS = {
    "path/to/my/advanced/guide.md": "# Advanced\r\n\ttabs, \u00fcml\u00e4uts \u6a21\n\n",
    "path/to/overview/file.md": "# Overview\n",
    "path/to/perf/chart.txt": "fast\n",
    "path/to/new/perf/chart.txt": "faster\n",
    "path/to/quick/start.md": "1. Start.\n",
    "path/to/setup/instructions.md": "Install.",
    "path/to/setup/file.md": "Install this version.\n",
    "path/to/release/notes.md": "- new\n",
}
BLOCK = """Successfully created model-script 'nvidia/myteam/final_review_model_script'.
--------------------------------------------------
  Model-script Information
    Name: final_review_model_script
    Application: CLASSIFICATION
    Training Framework: TensorFlow
    Model Format: FORMAT
    Precision: FP16
    Short Description: A short description of this model-script.
    Public Dataset Used:
        Name: My Dataset
        Link: www.example.com/my/dataset
        License: LicenseType
    Display Name: Model Script for Model Final Review Model
    Logo: www.example.com/mylogo.jpeg
    Org: nvidia
    Team: myteam
    Built By: My Name
    Publisher: NVIDIA
"""
SUMMARY = r"""Downloaded 58.64 KB in \d+s, Download speed: .*/s
-{50}
Transfer id: resnet50_v1_5_v1
Download status: Completed
Downloaded local path: /.*%sresnet50_v1_5_v1
Total files downloaded: 24
Total downloaded size: 58.64 KB
Started at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d
Completed at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d
Duration taken: \d+s
-{50}
"""


@pytest.fixture
def ngc(local_ngc: Ngc) -> Ngc:
    """An ngc in a folder with the files that the guide's lines name."""
    for name, text in TEXTS.items():
        path = local_ngc.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    write_files(local_ngc.folder / "path/to/model/script/version/dir")
    return local_ngc


def write_files(folder: Path) -> None:
    """24 files, 58.64 KB in all."""
    folder.mkdir(parents=True)
    for number in range(24):
        (folder / f"f{number:02}.py").write_bytes(
            os.urandom(60047 // 24 + (60047 % 24 if number == 0 else 0))
        )


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_6_2_1_to_6_2_4(ngc: Ngc) -> None:
    assert "--advanced-filename" in ngc.run("ngc registry model-script create -h").stdout
    assert ngc.run(CREATE).stdout.startswith(BLOCK)
    info = ngc.json(f"registry model-script info {TARGET}")
    assert {
        name: info[name] for name in ("advanced", "description", "performance", "quickStartGuide", "setup")
    } == {
        "advanced": TEXTS["path/to/my/advanced/guide.md"],
        "description": TEXTS["path/to/overview/file.md"],
        "performance": TEXTS["path/to/perf/chart.txt"],
        "quickStartGuide": TEXTS["path/to/quick/start.md"],
        "setup": TEXTS["path/to/setup/instructions.md"],
    }

    assert "--release-notes-filename" in ngc.run("ngc registry model-script upload -h").stdout
    assert "Upload status: Completed\n" in ngc.run(UPLOAD).stdout
    version = ngc.json(f"registry model-script info {TARGET}:v1")
    assert {name: version[name] for name in ("performance", "quickStartGuide", "releaseNotes", "setup")} == {
        "performance": TEXTS["path/to/perf/chart.txt"],
        "quickStartGuide": TEXTS["path/to/quick/start.md"],
        "releaseNotes": TEXTS["path/to/release/notes.md"],
        "setup": TEXTS["path/to/setup/file.md"],
    }

    assert f"| {TARGET} | v1" in ngc.run("ngc registry model-script list").stdout
    assert "    Latest Version ID: v1\n" in ngc.run(f"ngc registry model-script info {TARGET}").stdout
    double_slash = "nvidia/myteam//final_review_model_script:v1"
    shown = ngc.run(f"ngc registry model-script info {double_slash}").stdout
    assert "  Model-script Version Information\n    Id: v1\n" in shown
    assert "    Release Notes:\n        - new\n" in shown

    assert "--performance-filename" in ngc.run("ngc registry model-script update -h").stdout
    updated = ngc.run(
        'ngc registry model-script update \\\n--display-name "Awesome Model-Script Mark 1" \\\n'
        '--link "www.example.com/corrected/url.png" \\\nnvidia/myteam/final_review_model_script'
    )
    assert "--link means the logo here" in updated.stderr
    assert (
        "    Display Name: Awesome Model-Script Mark 1\n    Logo: www.example.com/corrected/url.png\n"
        in updated.stdout
    )
    ngc.run(f"registry model-script update --link a.png --logo b.png {TARGET}", code=2)
    updated = ngc.run(
        "ngc registry model-script update \\\n--performance-filename path/to/new/perf/chart.txt \\\n"
        "nvidia/myteam/final_review_model_script:v1"
    )
    assert "    Performance:\n        faster\n" in updated.stdout
    info = ngc.json(f"registry resource info {TARGET}")
    assert info["publicDatasetUsed"]["name"] == "My Dataset"
    assert info["labels"] == ["a", "b", "c"]


def test_6_2_5_downloading(ngc: Ngc) -> None:
    ngc.run(CREATE)
    assert (
        "missing: --application"
        in ngc.run("registry model-script create nvidia/resnet50_v1_5", code=2).stderr
    )
    ngc.run(f"registry model-script create --from {TARGET} nvidia/resnet50_v1_5")
    source = "path/to/model/script/version/dir"
    ngc.run(f"registry model-script upload --source {source} nvidia/resnet50_v1_5:1")
    done = ngc.run("ngc registry model-script download-version nvidia/model-script/resnet50_v1_5:1")
    assert re.fullmatch(SUMMARY % "", done.stdout)
    done = ngc.run(
        "ngc registry model download-version nvidia/model-script/resnet50_v1_5:1 --dest ./model-scripts"
    )
    assert re.fullmatch(SUMMARY % "model-scripts/", done.stdout)
    assert "is a model-script, not a model" in done.stderr
    for folder in (ngc.folder, ngc.folder / "model-scripts"):
        assert content(folder / "resnet50_v1_5_v1") == content(ngc.folder / source)


def test_6_2_6_deleting(ngc: Ngc) -> None:
    ngc.run(CREATE)
    ngc.run(UPLOAD)
    for suffix in (":v1", ""):
        for yes in ("", " -y"):
            refused = ngc.run(f"ngc registry model remove {TARGET}{suffix}{yes}", code=12)
            assert f"Type: ngc registry model-script remove {TARGET}{suffix}" in refused.stderr
        ngc.run(f"registry model-script info {TARGET}{suffix}")
        removed = ngc.run(f"registry model-script remove {TARGET}{suffix} -y")
        assert removed.stdout.startswith("Successfully removed model-script ")
        ngc.run(f"registry model-script info {TARGET}{suffix}", code=12)


@pytest.mark.parametrize("group", ["model-script", "resource"])
def test_both_names_know_the_words_of_today(local_ngc: Ngc, group: str) -> None:
    create = f"registry {group} create --application nlp --framework pytorch --precision fpboth --format f --short-desc s nvidia/{group}"
    shown = local_ngc.run(create).stdout
    assert f"  {group.capitalize()} Information\n" in shown
    assert "    Training Framework: PyTorch\n" in shown
    assert "    Precision: FP16, FP32\n" in shown
    wrong = local_ngc.run(f"registry {group} create --application classfication nvidia/x", code=2)
    assert "Did you mean 'CLASSIFICATION'?" in wrong.stderr
    for verb in [
        "list",
        "info",
        "create",
        "update",
        "remove",
        "upload-version",
        "download-version",
        "upload",
        "download",
    ]:
        assert "Usage:" in local_ngc.run(f"registry {group} {verb} -h").stdout


@pytest.mark.parametrize(("name", "content"), [("missing.md", None), ("latin1.md", b"caf\xe9")])
def test_a_text_that_cannot_be_read_is_refused_before_anything_is_created(
    local_ngc: Ngc, name: str, content: bytes | None
) -> None:
    if content is not None:
        (local_ngc.folder / name).write_bytes(content)
    refused = local_ngc.run(f"registry model-script create --setup-filename {name} nvidia/x", code=17)
    assert name in refused.stderr
    local_ngc.run("registry model-script info nvidia/x", code=12)
