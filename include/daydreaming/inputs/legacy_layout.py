"""Where a data folder of the Dagster original keeps its files. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from daydreaming.errors import InputError
from daydreaming.inputs.records import Stage

Kind = Literal[
    "generation_response", "evaluation_response", "generation_prompt", "evaluation_prompt", "essay"
]
#: By kind: the stage, and the folder below that of the stage.
KIND_FOLDERS: Mapping[Kind, tuple[Stage, str]] = {
    "generation_response": ("generation", "generation_responses"),
    "evaluation_response": ("evaluation", "evaluation_responses"),
    "generation_prompt": ("generation", "generation_prompts"),
    "evaluation_prompt": ("evaluation", "evaluation_prompts"),
    "essay": ("generation", "parsed_generation_responses"),
}
#: The original wrote both, at different times.
_STAGE_FOLDERS: Mapping[Stage, tuple[str, ...]] = {
    "generation": ("3_generation", "03_generation"),
    "evaluation": ("4_evaluation", "04_evaluation"),
}
_RAW_FOLDERS = ("1_raw", "01_raw")
_TASK_FOLDERS = ("2_tasks", "02_tasks")
_ENDING = ".txt"


@dataclass(frozen=True)
class Unplaced:
    """Something of the folder that is not imported.

    Attributes:
        kind: A ``Kind``, or ``table``, ``template``, ``concept``, ``combination``, ``folder``, ``file``.
        file: Path below the folder that is imported.
        reason: Why, and what to do.
    """

    kind: str
    file: str
    reason: str


@dataclass(frozen=True)
class LegacyFile:
    """One text file of the original.

    Attributes:
        relative: Path below the folder that is imported, with forward slashes.
        legacy_id: The original's ID: the path below the kind's folder without ``.txt``. A model name
            with a slash in an ID makes a subfolder.
    """

    kind: Kind
    path: Path
    relative: str
    legacy_id: str

    @property
    def stage(self) -> Stage:
        """``generation`` or ``evaluation``."""
        return KIND_FOLDERS[self.kind][0]


@dataclass(frozen=True)
class LegacyLayout:
    """What was found, by place.

    Attributes:
        raw: Folders of inputs.
        tasks: Folders of task tables.
        files: Answers, prompts and essays, sorted by kind and path.
        strangers: Files and folders beside them whose shape is not known.
    """

    root: Path
    raw: tuple[Path, ...]
    tasks: tuple[Path, ...]
    files: tuple[LegacyFile, ...]
    strangers: tuple[Unplaced, ...]

    def relative(self, path: Path) -> str:
        """``path`` as reports name it."""
        return path.relative_to(self.root).as_posix()


def find_layout(root: Path) -> LegacyLayout:
    """Look through a data folder; reads no file.

    Raises:
        InputError: No such folder, or nothing of the original in it.
    """
    if not root.is_dir():
        what = "is no folder" if root.exists() else "no such folder"
        raise InputError(
            f"{root}: {what}. Name the data folder of the Dagster original, which holds 3_generation."
        )
    found = [item for kind in KIND_FOLDERS for item in _files_of(root, kind)]
    files = tuple(item for item in found if isinstance(item, LegacyFile))
    if not files:
        raise InputError(_nothing_found(root))
    strangers = [item for item in found if isinstance(item, Unplaced)]
    strangers += [item for stage in _STAGE_FOLDERS for item in _strangers_of(root, stage)]
    return LegacyLayout(
        root, _present(root, _RAW_FOLDERS), _present(root, _TASK_FOLDERS), files, tuple(strangers)
    )


def _present(root: Path, names: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(root / name for name in names if (root / name).is_dir())


def _files_of(root: Path, kind: Kind) -> Iterator[LegacyFile | Unplaced]:
    stage, name = KIND_FOLDERS[kind]
    for folder in (stage_folder / name for stage_folder in _present(root, _STAGE_FOLDERS[stage])):
        for path in _visible_files(folder):
            relative = path.relative_to(root).as_posix()
            if path.name.endswith(_ENDING):
                legacy_id = path.relative_to(folder).as_posix().removesuffix(_ENDING)
                yield LegacyFile(kind, path, relative, legacy_id)
            else:
                yield Unplaced(kind, relative, "its name does not end in .txt. Rename or delete it.")


def _strangers_of(root: Path, stage: Stage) -> Iterator[Unplaced]:
    known = {name for _, name in KIND_FOLDERS.values()}
    for stage_folder in _present(root, _STAGE_FOLDERS[stage]):
        for path in sorted(stage_folder.iterdir()):
            relative = path.relative_to(root).as_posix()
            if path.is_file() and not path.name.startswith("."):
                yield Unplaced("file", relative, "its place says nothing of what it is.")
            elif path.is_dir() and path.name not in known and (count := len(_visible_files(path))):
                yield Unplaced(
                    "folder", relative, f"a folder of this name is not read; it holds {count} files."
                )


def _visible_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _nothing_found(root: Path) -> str:
    folders = ", ".join(
        f"{_STAGE_FOLDERS[stage][0]}/{name}" for stage, name in KIND_FOLDERS.values() if "prompts" not in name
    )
    inner = next(
        (p for p in (root / "data", root.parent) if _present(p, sum(_STAGE_FOLDERS.values(), ()))), None
    )
    hint = f"Did you mean {inner}?" if inner else "Name the data folder of the Dagster original."
    return f"{root}: nothing of the Dagster original is here: no text file in {folders}. {hint}"
