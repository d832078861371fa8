"""Rows of data sets: JSON, JSON lines, parquet, folders of `datasets`, and names on the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.errors import DataError
from rollout.loading import reach_hub

FORMS = (
    "--from takes a run's folder; JSON, JSON lines or parquet with `messages` (role, content) or ShareGPT's "
    "`conversations` (from, value) in each row; a folder of datasets.save_to_disk; or a data set's name on the hub."
)
_SUFFIXES = (".jsonl", ".json", ".parquet", ".ndjson")
_OF_DATASETS = ("state.json", "dataset_dict.json", "dataset_info.json", "dataset_infos.json")

Row = tuple[str, Any]
"""Where it stands, and what stands there."""


def is_run(source: Path) -> bool:
    """Whether a path holds episodes of ours: a run's folder, or a file of them; an empty folder is one without any."""
    if source.is_file():
        return source.suffix not in (".parquet", ".json") and _begins_as_ours(source)
    if not source.is_dir():
        return False
    if (source / "episodes").is_dir() or (source / "config.yaml").is_file():
        return True
    files = _files(source)
    return (not files and not _is_saved(source)) or any(_begins_as_ours(file) for file in files)


def rows(source: Path) -> Iterator[Row]:
    """All rows of a data set.

    Raises:
        DataError: if there is none, or it cannot be read; it names the file and line.
    """
    if source.is_dir():
        if _is_saved(source):
            yield from _saved(source)
            return
        for file in _files(source):
            yield from _of_file(file)
    elif source.is_file():
        yield from _of_file(source)
    elif _may_be_on_hub(source):
        yield from _of_hub(str(source))
    else:
        raise DataError("no such file or folder", where=source, remedy=FORMS)


def _of_file(file: Path) -> Iterator[Row]:
    if file.suffix == ".parquet":
        yield from _of_parquet(file)
        return
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError("this is no UTF-8 text", where=f"{file}:{line}", remedy=FORMS) from error
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror})", where=file, remedy=FORMS) from error
    if text.lstrip()[:1] == "[" or (text.lstrip()[:1] == "{" and file.suffix == ".json"):
        whole = _whole(text, file)
        if whole is not None:
            yield from whole
            return
    for line, written in enumerate(text.split("\n"), start=1):
        if written.strip():
            try:
                yield f"{file}:{line}", json.loads(written)
            except (ValueError, RecursionError) as error:
                raise DataError(f"this line is not JSON ({error})", where=f"{file}:{line}", remedy=FORMS) from error


def _whole(text: str, file: Path) -> Iterator[Row] | None:
    """The rows of a file that is one JSON value; None if it is JSON lines under another name."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return None
        raise DataError(f"this is not JSON ({error.msg})", where=f"{file}:{error.lineno}", remedy=FORMS) from error
    except RecursionError as error:
        raise DataError("this JSON is nested too deeply", where=file, remedy=FORMS) from error
    if isinstance(value, dict):
        lists = [rows for key in ("train", "data", "rows") if isinstance(rows := value.get(key), list)]
        value = lists[0] if lists else [value]
    return ((f"{file}: row {number}", row) for number, row in enumerate(value, start=1))


def _of_parquet(file: Path) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]

    try:
        table = parquet.read_table(file)
    except (ArrowException, OSError) as error:
        raise DataError(f"this parquet file cannot be read ({error})", where=file, remedy=FORMS) from error
    for number, row in enumerate(table.to_pylist(), start=1):
        yield f"{file}: row {number}", row


def _saved(folder: Path) -> Iterator[Row]:
    from datasets import DatasetDict, load_from_disk

    try:
        found = load_from_disk(str(folder))
    except Exception as error:  # whatever a broken folder makes its reader raise
        raise DataError(f"datasets.load_from_disk cannot read it ({error})", where=folder, remedy=FORMS) from error
    if isinstance(found, DatasetDict):
        name = _split([*found], str(folder), f"--from {folder}/{{}}")
        folder, found = folder / name, found[name]
    for number, row in enumerate(found, start=1):
        yield f"{folder}: row {number}", row


def _of_hub(name: str) -> Iterator[Row]:
    """`OWNER/NAME`, or `OWNER/NAME:SPLIT`."""
    from datasets import get_dataset_split_names, load_dataset

    repository, _, split = name.partition(":")
    try:
        reach_hub()
        if not split:
            split = _split(get_dataset_split_names(repository), repository, f"--from {repository}:{{}}")
        found = load_dataset(repository, split=split)
    except DataError:
        raise
    except Exception as error:  # whatever the hub, the network or the data set's files make it raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        remedy = f"Check the name and the network, or download it (hf download {repository} --repo-type dataset). "
        raise DataError(
            f"there is no such file, and no data set of this name could be loaded ({first})",
            where=name,
            remedy=remedy + FORMS,
        ) from error
    for number, row in enumerate(found, start=1):
        yield f"{repository}: row {number}", row


def _split(names: list[str], where: str, how: str) -> str:
    if "train" in names:
        return "train"
    if len(names) == 1:
        return names[0]
    raise DataError(
        f"it has several splits and none is called train: {', '.join(names)}",
        where=where,
        remedy=f"Say which: {how.format(names[0])}.",
    )


def _may_be_on_hub(source: Path) -> bool:
    """Whether a path that is not there reads as OWNER/NAME, and not as a file beside others."""
    named = len(source.parts) == 2 and source.parts[0] not in (".", "..", "~") and not source.is_absolute()
    return named and source.suffix not in _SUFFIXES and not source.parent.is_dir()


def _is_saved(folder: Path) -> bool:
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


def _files(folder: Path) -> list[Path]:
    found = [file for suffix in _SUFFIXES for file in folder.glob(f"**/*{suffix}")]
    return sorted(file for file in found if file.name not in _OF_DATASETS and file.is_file())


def _begins_as_ours(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(10) == b'{"schema":'
    except OSError:
        return False
