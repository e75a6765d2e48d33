"""Download a model into the store of an inference server, or upload one version out of it.

The server may be running, so it must never see half a version. Everything is fetched, arranged and checked in a
staging folder beside the store, and appears by one rename: of the whole model if it is new, else of the version. Files
are arranged as hard links, so that a run that was killed leaves what it fetched to the next one.
Source: docs/guides/inference-server.md.
"""

from __future__ import annotations

import errno
import filecmp
import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from ngc_cli.api.kinds import MODEL
from ngc_cli.errors import AlreadyExists, LocalFileError, UsageError
from ngc_cli.file_names import STATE_FOLDER, name_fault
from ngc_cli.files import sync_folder
from ngc_cli.refs import ArtifactRef
from ngc_cli.services.artifacts import download as downloads
from ngc_cli.services.artifacts import upload as uploads
from ngc_cli.services.artifacts.model_config import CONFIG_FILE, BrokenConfig, ModelConfig, read_config
from ngc_cli.services.artifacts.model_staging import staging
from ngc_cli.services.artifacts.model_store import (
    TRITON,
    VERSION_NUMBER,
    BrokenModel,
    ModelView,
    Problem,
    check_model,
    made_config,
    refuse_broken,
)
from ngc_cli.services.transfers import Outcome, Plan, TransferLimits, state_key
from ngc_cli.transfer.manager import Cancelled
from ngc_cli.transfer.tree import disk_errors

if TYPE_CHECKING:
    from ngc_cli.api.client import ApiClient
    from ngc_cli.events import Progress

# Folders of a model that are no versions: other configurations, warm-up data, states (Triton's model repository).
_FOLDERS_OF_MODELS: Final = frozenset({"configs", "warmup", "initial_state"})
_HIDDEN: Final = (".*", "*/.*")


@dataclass(frozen=True)
class Request:
    """Which version of a model goes into which store, and how.

    ``name`` and ``store_version`` are empty for what the configuration and the version say.
    """

    ref: ArtifactRef
    store: Path
    name: str = ""
    store_version: str = ""
    era: str = TRITON
    replace_config: bool = False
    make_config: bool = False
    resume: bool = True
    check_space: bool = True
    limits: TransferLimits = field(default_factory=TransferLimits)


def place(client: ApiClient, request: Request, progress: Progress, cancel: threading.Event) -> Outcome:
    """Download a version into the store; what is there already is not fetched again.

    Raises UsageError for a version or name that cannot be one of the store, AlreadyExists for other content under the
    same name, BrokenModel for what the server would not serve, and what a download raises. Then the store is as it
    was. ``local_path`` of the outcome is the folder of the version, or of the model when there are several.
    """
    return _Placing(client, request, progress, cancel).run()


def upload(
    client: ApiClient,
    request: uploads.Request,
    model: Path,
    era: str,
    progress: Progress,
    cancel: threading.Event,
) -> Outcome:
    """Upload one version out of the store: the files of its folder, with the configuration and labels of the model.

    ``model`` is ``<store>/<name>``, and the version of the target names the folder. Raises UsageError when there is
    no such folder, BrokenModel before anything is sent, and what an upload raises.
    """
    model = Path(os.path.realpath(model))
    view = ModelView(model.name, (model,))
    version = request.ref.version
    folder = model / version
    if not VERSION_NUMBER.fullmatch(version) or not folder.is_dir():
        there = ", ".join(map(str, sorted(view.versions))) or "none"
        raise UsageError(
            f"'{model}' has no version {version}",
            hint=f"The number of a folder is the version; there: {there}.",
        )
    refuse_broken(str(folder), check_model(view, era, {int(version)}))
    store = model.parent
    _refuse_other_disk(store)
    key = state_key("upload", client.base_url, str(request.ref), str(model))
    with staging(store.parent / STATE_FOLDER / key, progress) as stage:
        source = stage.path / "content"
        with disk_errors(source):
            shutil.rmtree(source, ignore_errors=True)
            _link_tree(folder, source)
            for name in _files_of_model(model):
                _link(model / name, source / name)
        outcome = uploads.upload(client, replace(request, source=source), progress, cancel)
        if not outcome.failed:
            stage.discard()
    return replace(outcome, local_path=folder)


class _Placing:
    def __init__(
        self, client: ApiClient, request: Request, progress: Progress, cancel: threading.Event
    ) -> None:
        self.client = client
        self.request = request
        self.progress = progress
        self.cancel = cancel
        self.store = Path(os.path.realpath(request.store))
        self.folder = _staging_folder(client, request, self.store)
        self.name = request.name
        self.config: ModelConfig | None = None

    def run(self) -> Outcome:
        """All steps, in a folder that stays for the next run unless all went well."""
        _refuse_other_disk(self.store)
        with staging(self.folder, self.progress) as stage:
            self.folder = stage.path
            outcome = self._steps()
            if not outcome.failed:
                stage.discard()
        return outcome

    def _steps(self) -> Outcome:
        """All steps in order."""
        paths, content = self._listed()
        numbers = self._numbers(paths)
        if CONFIG_FILE in paths:
            outcome = self._fetch_config(content)
            if outcome.failed:
                return outcome
            self.config = _config_of(content / CONFIG_FILE, self.request.ref)
        self.name = self._name()
        where = self._arrangement(paths, numbers)
        if all((self.target / number).is_dir() for number in numbers.values()):
            present = self._already_there(where, content)
            if present is not None:
                return self._ended(present, numbers)
        self._refuse_other_config(content)
        self._seed(where, content)
        outcome = self._run(self._request())
        if outcome.failed:
            return outcome
        self._arrange(where, content)
        self._check(numbers)
        self._appear(numbers)
        return self._ended(outcome, numbers)

    @property
    def target(self) -> Path:
        """The folder of the model in the store."""
        return self.store / self.name

    @property
    def arranged(self) -> Path:
        """What is to become the model, or to be added to it."""
        return self.folder / "arranged" / self.name

    # what, and under which names

    def _listed(self) -> tuple[tuple[str, ...], Path]:
        """Paths of the version's files, and the folder that they are fetched into."""
        plan = downloads.plan(self.client, _downloads(self.request, self.folder), self.progress)
        paths = tuple(path for path in plan.paths if not _is_hidden(path))
        if len(paths) < len(plan.paths):
            count = len(plan.paths) - len(paths)
            self.progress.note(f"{count} hidden files are left out: a store holds none.")
        return paths, Path(plan.extra["local_path"])

    def _numbers(self, paths: Sequence[str]) -> dict[str, str]:
        """The number in the store of each folder of the version; the folder is "" when the version is one itself."""
        given = self.request.store_version
        tops = sorted({path.partition("/")[0] for path in paths if "/" in path})
        folders = [top for top in tops if VERSION_NUMBER.fullmatch(top)] if CONFIG_FILE in paths else []
        if not folders:
            return {"": _version_number(given or self.request.ref.version)}
        if given and len(folders) > 1:
            raise UsageError(
                f"{self.request.ref} holds the versions {', '.join(folders)}, which keep their numbers",
                hint="Leave --store-version out.",
            )
        return {folder: _version_number(given) if given else folder for folder in folders}

    def _name(self) -> str:
        """The name of the model's folder: the configuration's if it has one."""
        given, told = self.request.name, self.config.name if self.config else ""
        if given and told and given != told:
            raise UsageError(
                f"--as {given} is not the name in '{CONFIG_FILE}', '{told}'",
                hint="The server wants both to be the same: leave --as out, or upload with another name.",
            )
        name = given or told or self.request.ref.name
        if name_fault(name) or "/" in name or name.startswith("."):
            kind = UsageError if given else BrokenModel
            raise kind(f"'{name}' cannot be the name of a model's folder", hint="Choose one with --as.")
        return name

    def _arrangement(self, paths: Sequence[str], numbers: dict[str, str]) -> dict[str, str]:
        """Where each file of the version goes below the model's folder."""
        if "" not in numbers:
            split = {path: path.partition("/") for path in paths}
            return {path: numbers.get(top, top) + slash + rest for path, (top, slash, rest) in split.items()}
        config = self.config
        if config is None and (self.target / CONFIG_FILE).is_file():
            config = _config_of(self.target / CONFIG_FILE, self.request.ref)
        beside = {CONFIG_FILE, *(config.label_filenames if config else ())}
        return {
            path: path
            if path in beside or path.partition("/")[0] in _FOLDERS_OF_MODELS
            else f"{numbers['']}/{path}"
            for path in paths
        }

    # what is in the store already

    def _already_there(self, where: dict[str, str], content: Path) -> Outcome | None:
        """The outcome of a version that is in the store with this content; None when its configuration is to change.

        Raises AlreadyExists for other content.
        """
        self._seed(where, content)
        outcome = downloads.verify(self.client, self._request(), self.progress, self.cancel)
        self._stop_if_cancelled()
        if not outcome.failed:
            self.progress.note(f"{self.request.ref} is in the store already.")
            return replace(outcome, only_verified=False, error=None)
        if self.request.replace_config and not any("/" in where[path] for path in outcome.failed):
            return None
        path = next(iter(outcome.failed))
        raise AlreadyExists(
            f"'{self.target}' has other content: '{where.get(path, path)}' {outcome.failed[path]}",
            hint="Choose another number with --store-version, or another name with --as.",
        )

    def _refuse_other_config(self, content: Path) -> None:
        """Raise AlreadyExists early, before the large files are fetched."""
        if self.config is not None and not self.request.replace_config:
            _refuse_other(content / CONFIG_FILE, self.target / CONFIG_FILE)

    def _seed(self, where: dict[str, str], content: Path) -> None:
        """Let the download find the files that the store has."""
        for path, place_ in where.items():
            there, wanted = self.target / place_, content / path
            if there.is_file() and not wanted.exists():
                with disk_errors(wanted):
                    _link(there, wanted)

    # the steps

    def _request(self) -> downloads.Request:
        return replace(_downloads(self.request, self.folder), exclude=_HIDDEN)

    def _fetch_config(self, content: Path) -> Outcome:
        """Fetch the configuration first, so that its faults show before the large files are fetched.

        It goes to a folder of its own: a download that ends well forgets what is half done in its folder.
        """
        request = replace(self._request(), include=(CONFIG_FILE,), dest=self.folder / "config")
        outcome = self._run(request)
        if not outcome.failed and not (content / CONFIG_FILE).exists():
            with disk_errors(content):
                _link(outcome.local_path / CONFIG_FILE, content / CONFIG_FILE)
        return outcome

    def _run(self, request: downloads.Request) -> Outcome:
        outcome = downloads.download(self.client, request, self.progress, self.cancel)
        self._stop_if_cancelled()
        return outcome

    def _stop_if_cancelled(self) -> None:
        if self.cancel.is_set():
            raise Cancelled("the download was interrupted")

    def _arrange(self, where: dict[str, str], content: Path) -> None:
        """Link the files into the shape of the store, beside it."""
        with disk_errors(self.arranged):
            shutil.rmtree(self.arranged.parent, ignore_errors=True)
            self.arranged.mkdir(parents=True)
            for path, place_ in where.items():
                _link(content / path, self.arranged / place_)

    def _check(self, numbers: dict[str, str]) -> None:
        """Raise BrokenModel for what the server would not serve, AlreadyExists for files that would be replaced."""
        view = ModelView(self.name, (self.arranged, self.target))
        if self.request.make_config and view.config is None:
            made = made_config(self.name, self.arranged / next(iter(numbers.values())))
            with disk_errors(self.arranged):
                (self.arranged / CONFIG_FILE).write_text(made, encoding="utf-8")
            self.progress.note(
                f"Made '{CONFIG_FILE}' with the name and the platform; the server finds the rest."
            )
        for name in _files_of_model(self.arranged):
            if not self.request.replace_config:
                _refuse_other(self.arranged / name, self.target / name)
        for number in numbers.values():
            there = self.target / number
            if there.is_dir() and not all(
                _same(self.arranged / number / path, there / path) for path in _files(self.arranged / number)
            ):
                raise AlreadyExists(
                    f"'{there}' has other content", hint="Choose another number with --store-version."
                )
        only = None if self.config else {int(number) for number in numbers.values()}
        refuse_broken(str(self.request.ref), check_model(view, self.request.era, only))

    def _appear(self, numbers: dict[str, str]) -> None:
        """Rename the model, or what it lacks, into the store."""
        with disk_errors(self.target):
            for folder, _, _ in os.walk(self.arranged):
                sync_folder(Path(folder))
            self.store.mkdir(parents=True, exist_ok=True)
            if not self.target.exists():
                _rename(self.arranged, self.target)
                sync_folder(self.store)
                return
            for name in _files_of_model(self.arranged):
                (self.target / name).parent.mkdir(parents=True, exist_ok=True)
                (self.arranged / name).replace(self.target / name)
            for number in numbers.values():
                if not (self.target / number).exists():
                    _rename(self.arranged / number, self.target / number)
            sync_folder(self.target)

    def _ended(self, outcome: Outcome, numbers: dict[str, str]) -> Outcome:
        """Tell which versions the server will not serve."""
        view = ModelView(self.name, (self.target,))
        policy = (read_config(view.config) if view.config else ModelConfig()).version_policy
        present = frozenset(view.versions)
        for number in numbers.values():
            if not policy.serves(int(number), present):
                self.progress.note(
                    f"The version policy of '{self.name}' does not serve version {number}: "
                    f"there are {', '.join(map(str, sorted(present)))}."
                )
        only = next(iter(numbers.values())) if len(numbers) == 1 else ""
        return replace(outcome, local_path=self.target / only)


def plan(client: ApiClient, request: Request, progress: Progress) -> Plan:
    """What ``place`` would fetch; nothing is written."""
    store = Path(os.path.realpath(request.store))
    found = downloads.plan(client, _downloads(request, _staging_folder(client, request, store)), progress)
    return replace(found, extra={**found.extra, "local_path": str(store)})


def _downloads(request: Request, folder: Path) -> downloads.Request:
    """The download of everything into the staging folder."""
    return downloads.Request(
        kind=MODEL,
        ref=request.ref,
        dest=folder / "content",
        resume=request.resume,
        check_space=request.check_space,
        limits=request.limits,
    )


def _staging_folder(client: ApiClient, request: Request, store: Path) -> Path:
    """Beside the store: on its disk, and where the server does not look."""
    return store.parent / STATE_FOLDER / state_key("store", client.base_url, str(request.ref), str(store))


def _refuse_other_disk(store: Path) -> None:
    """Raise LocalFileError where nothing can be renamed into the store from beside it."""
    try:
        if store == store.parent or (store.exists() and store.stat().st_dev != store.parent.stat().st_dev):
            raise LocalFileError(
                f"'{store}' is a disk of its own, so a version cannot be prepared beside it",
                hint="Use a folder on that disk as the store.",
            )
    except OSError as error:
        raise LocalFileError(f"'{store}' cannot be used: {error.strerror}") from error


def _version_number(text: str) -> str:
    """The number of a version in a store; raises UsageError."""
    if VERSION_NUMBER.fullmatch(text):
        return text
    digits = re.search(r"\d+", text)
    reason = "the server passes over leading zeros" if text.isdecimal() else "it is not a whole number"
    raise UsageError(
        f"'{text}' cannot be a version in a model store: {reason}",
        hint=f"Give one with --store-version {int(digits[0]) if digits else 1}.",
    )


def _config_of(path: Path, ref: ArtifactRef) -> ModelConfig:
    """A configuration that the server will read; raises BrokenModel."""
    try:
        return read_config(path)
    except BrokenConfig as error:
        problem = Problem(CONFIG_FILE, error.message, "6.3", "Mend the file and upload it as a new version.")
        refuse_broken(str(ref), [problem])
        raise


def _refuse_other(new: Path, there: Path) -> None:
    """Raise AlreadyExists when a file of the model would be replaced by one of other content."""
    if there.is_file() and not _same(new, there):
        raise AlreadyExists(
            f"'{there}' has other content", hint="Add --replace-config, or choose another name with --as."
        )


def _same(new: Path, there: Path) -> bool:
    return there.is_file() and (new.samefile(there) or filecmp.cmp(new, there, shallow=False))


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(path).parts)


def _files(folder: Path) -> Iterator[str]:
    """Relative paths of all files below a folder that are not hidden."""
    for place_, _, names in os.walk(folder):
        paths = ((Path(place_) / name).relative_to(folder).as_posix() for name in names)
        yield from (path for path in paths if not _is_hidden(path))


def _files_of_model(folder: Path) -> list[str]:
    """Relative paths of the files that belong to a model and to none of its versions."""
    return [path for path in _files(folder) if not VERSION_NUMBER.fullmatch(path.partition("/")[0])]


def _link(source: Path, target: Path) -> None:
    """A further name for a file; a copy where the disk has no hard links. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source.resolve())
    except FileExistsError:
        raise
    except OSError:
        shutil.copy2(source, target)


def _link_tree(source: Path, target: Path) -> None:
    for path in _files(source):
        _link(source / path, target / path)


def _rename(source: Path, target: Path) -> None:
    """Let a folder appear; raises AlreadyExists when another run was faster."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise AlreadyExists(
                f"'{target}' has appeared meanwhile", hint="Run the command again."
            ) from error
        raise
