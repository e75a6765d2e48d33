"""``ngc registry model-script``, also ``resource``: what model-scripts have and models have not
(contract/cli-surface.md 6)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ngc_cli.cli.groups import Spelling
from ngc_cli.cli.registry.artifact import OVERVIEW_SPELLINGS, Family, artifact_verbs
from ngc_cli.cli.registry.fields import ArtifactOptions, VersionOptions, choice, file_option
from ngc_cli.services.artifacts.catalog import MODEL_SCRIPT

if TYPE_CHECKING:
    from ngc_cli.records import Artifact

APPLICATIONS = (
    "CLASSIFICATION OBJECT_DETECTION SEGMENTATION TRANSLATION TEXT_TO_SPEECH RECOMMENDER SENTIMENT NLP "
    "KUBEFLOW_PIPELINE OTHER SPEAKER_VERIFICATION PUNCTUATION_AND_CAPITALIZATION DIALOG_STATE_TRACKING "
    "SPEAKER_DIARIZATION SPEAKER_RECOGNITION SPEECH_SYNTHESIS VOICE_ACTIVITY_DETECTION SPEECH_RECOGNITION "
    "LANGUAGE_MODELING NAMED_ENTITY_RECOGNITION TEXT_CLASSIFICATION TEXT_PROCESSING QUESTION_ANSWERING "
    "CONTENT_GENERATION"
)
FRAMEWORKS = "TensorFlow Caffe2 CNTK Torch PyTorch MXNet Keras Other TransferLearningToolkit TensorFlow2"
PRECISIONS = "FP16 FP32 INT8 FPBOTH OTHER ALL"


@dataclass(frozen=True)
class ModelScriptOptions(ArtifactOptions):
    """Options of a model-script; three of its texts are of its versions as well."""

    advanced_filename: Annotated[Path | None, file_option("--advanced-filename", "advanced guide")] = None
    performance_filename: Annotated[Path | None, file_option("--performance-filename", "performance")] = None
    quick_start_guide_filename: Annotated[
        Path | None, file_option("--quick-start-guide-filename", "quick start guide")
    ] = None
    setup_filename: Annotated[Path | None, file_option("--setup-filename", "setup instructions")] = None

    def record(self) -> Artifact:
        """The model-script; application, framework and precision are words of a list, in any case."""
        checked = dataclasses.replace(
            self,
            application=choice("--application", self.application, tuple(APPLICATIONS.split())),
            framework=choice("--framework", self.framework, tuple(FRAMEWORKS.split())),
            precision=choice("--precision", self.precision, tuple(PRECISIONS.split())),
        )
        record = super(ModelScriptOptions, checked).record()
        return dataclasses.replace(record, framework=None, training_framework=record.framework)


@dataclass(frozen=True)
class ModelScriptVersionOptions(VersionOptions):
    """Options of a version of a model-script."""

    performance_filename: Annotated[Path | None, file_option("--performance-filename", "performance")] = None
    quick_start_guide_filename: Annotated[
        Path | None, file_option("--quick-start-guide-filename", "quick start guide")
    ] = None
    release_notes_filename: Annotated[
        Path | None, file_option("--release-notes-filename", "release notes")
    ] = None
    setup_filename: Annotated[Path | None, file_option("--setup-filename", "setup instructions")] = None


verbs = artifact_verbs(
    Family(
        kind=MODEL_SCRIPT,
        artifact=ModelScriptOptions,
        version=ModelScriptVersionOptions,
        upload=ModelScriptVersionOptions,
        spellings={
            **OVERVIEW_SPELLINGS,
            "--link": Spelling("--logo", "--link means the logo here; write --logo"),
        },
    ),
    "Model-scripts and their versions.",
)
