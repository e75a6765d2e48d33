"""Every command line of the guide's sections 2, 3.2, 3.4 and 6.1, as printed there, against ``ngc local``.

Rulings on what the guide gets wrong: docs/guide.md. Placeholders in angle brackets and the
absolute ``/path/to`` are filled in; ``nvc`` is ``ngc`` (G-1).
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from support.program import Ngc

TARGET = "nvidia/myteam/final_review_model"
CREATE = r"""ngc registry model create \
--application OBJECT_DETECTION \
--format "format" --framework "TensorFlow" \
--precision "FP16" \
--short-desc "A model for object detection using TensorFlow" \
--built-by "My Name" \
--display-name "Final Review Model" \
--label "fast" --label "sparkly" \
--owner-name "MyTeam" \
--overview-filename path/to/my/overview/file.md \
--publisher "NVIDIA MyTeam" \
--public-dataset-license "<license>" \
--public-dataset-link "www.example.com" \
--public-dataset-name "200_10x200_images" \
nvidia/myteam/final_review_model"""
UPLOAD = r"""ngc registry model upload-version \
--accuracy-reached FP32 \
--batch-size 2000 \
--gpu-model "SomeGPUModel" \
--memory-footprint 4GB \
--num-epochs 100 \
--desc "A new and exciting version: 1" \
--link "www.example.com/model/v1" \
--link-type Other \
--owner-name "My Name" \
--source path/to/my/model/version/dir \
nvidia/myteam/final_review_model:1"""
UPLOAD_METRICS = r"""ngc registry model upload-version \
--accuracy-reached FP32 \
--batch-size 2000 \
--gpu-model "SomeGPUModel" \
--memory-footprint 4GB \
--num-epochs 100 \
--desc "A new and exciting version: 1" \
--link "www.example.com/model/v1" \
--link-type Other \
--owner-name "My Name" \
--metrics-file zeppelin_table.json \
--metrics-file rhcp_table.json \
--source-path/to/my7model/version/dir \
nvidia/myteam/final_review_model:1"""
ZEPPELIN = """{
  "name": "ZeppelinTable",
  "attributes": [
    {"key": "Robert", "value": "Plant"},
    {"key": "Jimmy", "value": "Page"},
    {"key": "John", "value": "Bonham"},
    {"key": "John", "value": "Paul Jones"}
  ]
}"""
RHCP = """{
  "name": "RHCPTable",
  "attributes": [
    {"key": "Anthony", "value": "Keidis"},
    {"key": "Michael", "value": "Balzary"},
    {"key": "John", "value": "Frusciante"},
    {"key": "Chad", "value": "Smith"}
  ]
}"""
MODEL_BLOCK = """Successfully created model 'nvidia/myteam/final_review_model'.
--------------------------------------------------
  Model Information
    Name: final_review_model
    Application: OBJECT_DETECTION
    Framework: TensorFlow
    Model Format: format
    Precision: FP16
    Short Description: A model for object detection using TensorFlow
    Display Name: Final Review Model
    Logo:
    Org: nvidia
    Team: myteam
    Built By: My Name
    Owner Name: MyTeam
    Publisher: NVIDIA MyTeam
    Created Date: TIME
    Updated Date: TIME
    Labels:
        fast
        sparkly
    Latest Version ID:
    Latest Version Size (bytes):
    Public Dataset Used:
        Name: 200_10x200_images
        Link: www.example.com
        License: <license>
    Overview:
        # Overview
        A good model.
--------------------------------------------------
"""
VERSION_BLOCK = """--------------------------------------------------
  Model Version Information
    Id: 1
    Batch Size: 2000
    Memory Footprint: 4GB
    Number Of Epochs: 100
    Accuracy Reached: FP32
    GPU Model: SomeGPUModel
    Owner Name: My Name
    Created Date: TIME
    Description:
        A new and exciting version: 1
    Status: UPLOAD_COMPLETE
    Total File Count: 3
    Total Size: 2 KB
    Additional Resources:
        Other: www.example.com/model/v1
    Metrics 'ZeppelinTable':
        Robert: Plant
        Jimmy: Page
        John: Bonham
        John: Paul Jones
    Metrics 'RHCPTable':
        Anthony: Keidis
        Michael: Balzary
        John: Frusciante
        Chad: Smith
--------------------------------------------------
"""
MODEL_LIST = (
    "| Final Review Model | nvidia/myteam/final_review_model | 1              | OBJECT_DETECTION | TensorFlow |"
    " FP16      | DAY  | locked     |"
)
UPLOAD_SUMMARY = r"""Uploaded 2 KB in \d+s, Upload speed: .*/s
-{50}
Transfer id: final_review_model_v1
Upload status: Completed
Uploaded local path: /.*/path/to/my7model/version/dir
Total files uploaded: 3
Total uploaded size: 2 KB
Started at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d
Completed at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d
Duration taken: \d+s
Version Status: UPLOAD_COMPLETE
-{50}
"""
DOWNLOAD_SUMMARY = r"""Downloaded 2 KB in \d+s, Download speed: .*/s
-{50}
Transfer id: trt_onnx_vgg16_v100_16g_int8_v1
Download status: Completed
Downloaded local path: /.*%strt_onnx_vgg16_v100_16g_int8_v1
Total files downloaded: 3
Total downloaded size: 2 KB
Started at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d
Completed at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d
Duration taken: \d+s
-{50}
"""


def steady(text: str) -> str:
    """The text with moments and days replaced by words."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", text)
    return re.sub(r"[A-Z][a-z]{2} \d\d, \d{4}", "DAY", text)


@pytest.fixture
def ngc(local_ngc: Ngc) -> Ngc:
    """An ngc in a folder with the files that the guide's lines name."""
    folder = local_ngc.folder
    for name, text in {
        "path/to/my/overview/file.md": "# Overview\nA good model.\n",
        "path/to/my/updated/overview/file.md": "# Overview\nAn even better model.\n",
        "zeppelin_table.json": ZEPPELIN,
        "rhcp_table.json": RHCP,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for source in ("path/to/my/model/version/dir", "path/to/my7model/version/dir"):
        write_model(folder / source)
    return local_ngc


def write_model(folder: Path) -> None:
    """Three files, 2 KB in all."""
    for name, size_bytes in {"a.bin": 2000, "sub/b.bin": 48, "empty": 0}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.urandom(size_bytes))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_chapters_2_and_3(local_ngc: Ngc) -> None:
    assert re.fullmatch(r"NGC Registry CLI \d+\.\d+\.\d+\n", local_ngc.run("ngc --version").stdout)
    assert "REGISTRY_ADMIN" in local_ngc.run("ngc user who").stdout
    assert "Commands:" in local_ngc.run("ngc -h").stdout
    assert "pull" in local_ngc.run("ngc registry image -h").stdout
    assert "--details" in local_ngc.run("ngc registry image info -h").stdout


def test_6_1_1_before_you_begin(local_ngc: Ngc) -> None:
    current = local_ngc.run("ngc config current").stdout
    assert re.search(r"\| org +\| nvidia +\| user settings +\|", current)
    local_ngc.run("ngc config set --org nvidia --team myteam")
    current = local_ngc.run("ngc config current").stdout
    assert re.search(r"\| team +\| myteam +\| user settings +\|", current)


def test_6_1_1_to_6_1_4(ngc: Ngc) -> None:
    assert "--application" in ngc.run("ngc registry model create -h").stdout
    assert "--metrics-file" in ngc.run("ngc registry model upload-version -h").stdout
    assert steady(ngc.run(CREATE).stdout) == MODEL_BLOCK

    uploaded = ngc.run(UPLOAD)
    assert "Upload status: Completed\n" in uploaded.stdout
    ngc.run(f"registry model remove -y {TARGET}:1")
    refused = ngc.run(UPLOAD_METRICS, code=2)
    assert "Did you mean: --source path/to/my7model/version/dir" in refused.stderr
    done = ngc.run(UPLOAD_METRICS.replace("--source-path", "--source path"))
    assert re.fullmatch(UPLOAD_SUMMARY, done.stdout)

    assert MODEL_LIST in steady(ngc.run("ngc registry model list").stdout)
    info = ngc.run(f"ngc registry model info {TARGET}").stdout
    assert "    Latest Version ID: 1\n    Latest Version Size (bytes): 2048\n" in info
    assert steady(ngc.run(f"ngc registry model info {TARGET}:1").stdout) == VERSION_BLOCK
    metrics = ngc.json(f"registry model info {TARGET}:1")["customMetrics"]
    assert metrics == [json.loads(ZEPPELIN), json.loads(RHCP)]

    assert "--accuracy-reached" in ngc.run("ngc registry model update -h").stdout
    updated = ngc.run(
        'ngc registry model update \\\n--overview-filename "path/to/my/updated/overview/file.md" \\\n'
        "nvidia/myteam/final_review_model"
    ).stdout
    assert updated.startswith("Successfully updated model 'nvidia/myteam/final_review_model'.\n")
    assert "        An even better model.\n" in updated
    updated = ngc.run(
        "ngc registry model update \\\n--accuracy-reached FP16 \\\n--memory-footprint 16GB \\\n"
        "nvidia/myteam/final_review_model:1"
    ).stdout
    assert "    Memory Footprint: 16GB\n" in updated
    assert "    Accuracy Reached: FP16\n" in updated


def test_6_1_2_sharing(ngc: Ngc) -> None:
    for team in ("team_a", "team_b"):
        ngc.run(f"org add-team {team} {team}")
    ngc.run("registry model create nvidia/team_a/cmr_gnmt")
    ngc.run("registry model upload-version --source path/to/my/model/version/dir nvidia/team_a/cmr_gnmt:1")
    broken = ngc.run("ngc registry model download-version --dest ./models nvidia/team_a/", code=2)
    assert "join the line" in broken.stderr
    ngc.run("ngc registry model download-version --dest ./models nvidia/team_a/cmr_gnmt:1")
    source = content(ngc.folder / "path/to/my/model/version/dir")
    assert content(ngc.folder / "models" / "cmr_gnmt_v1") == source
    created = ngc.run("ngc registry model create nvidia/team_b/cmr_gnmt")
    assert "Not specified: --application, --framework, --format, --precision, --short-desc." in created.stderr
    shared = ngc.run("ngc registry model upload-version --source ./models nvidia/team_b/cmr_gnmt:1")
    assert "'cmr_gnmt_v1'" in shared.stderr
    assert "--strip-top" in shared.stderr
    files = ngc.json("registry model info --files nvidia/team_b/cmr_gnmt:1")["file_list"]
    assert [item["path"] for item in files] == [f"cmr_gnmt_v1/{path}" for path in sorted(source)]


def test_6_1_5_downloading(ngc: Ngc) -> None:
    ngc.run("registry model create nvidia/trt_onnx_vgg16_v100_16g_int8")
    source = "path/to/my/model/version/dir"
    ngc.run(f"registry model upload-version --source {source} nvidia/trt_onnx_vgg16_v100_16g_int8:1")
    done = ngc.run("ngc registry model download-version nvidia/model/trt_onnx_vgg16_v100_16g_int8:1")
    assert re.fullmatch(DOWNLOAD_SUMMARY % "", done.stdout)
    assert "'model' in nvidia/model/trt_onnx_vgg16_v100_16g_int8:1 is not a team" in done.stderr
    done = ngc.run(
        "ngc registry model download-version nvidia/model/trt_onnx_vgg16_v100_16g_int8:1 -d ./models"
    )
    assert re.fullmatch(DOWNLOAD_SUMMARY % "models/", done.stdout)
    for folder in (ngc.folder, ngc.folder / "models"):
        assert content(folder / "trt_onnx_vgg16_v100_16g_int8_v1") == content(ngc.folder / source)


def test_6_1_6_deleting(ngc: Ngc) -> None:
    ngc.run(CREATE)
    ngc.run(UPLOAD)
    line = f"ngc registry model remove {TARGET}"
    for target in (line, f"{line}:1"):
        refused = ngc.run(target, code=2)
        assert "Add -y" in refused.stderr
    removed = ngc.run(f"{line}:1 -y")
    assert removed.stdout == f"Successfully removed model version '{TARGET}:1'.\n"
    ngc.run(f"registry model info {TARGET}:1", code=12)
    removed = ngc.run(f"{line} -y")
    assert removed.stdout == f"Successfully removed model '{TARGET}'.\n"
    ngc.run(f"registry model info {TARGET}", code=12)
