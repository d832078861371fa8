"""The history of a training run: `metrics.jsonl`, a record a line, as the run wrote it.

Two kinds of records are known. An `iteration` holds what its episodes and its update were like; an `evaluation` holds
the success on held-out tasks, with its interval, after an iteration. Any other key may be missing.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

METRICS = "metrics.jsonl"
"""The file of a run's folder."""

Record = Mapping[str, Any]
"""A line of it."""


def read_metrics(run: str | Path) -> list[dict[str, Any]]:
    """The records of a run, in the order of writing; none where there is no file.

    A line that holds no record, such as one torn by a kill, is skipped with a warning.
    """
    path = Path(run) / METRICS
    records: list[dict[str, Any]] = []
    if not path.is_file():
        return records
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            int(record["iteration"])
        except (ValueError, KeyError, TypeError):
            log.warning("skipped %s:%d: it holds no record", path, number)
            continue
        records.append(record)
    return records


def of_kind(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The records of one kind."""
    return [record for record in records if record.get("kind") == kind]


def number(record: Record, *keys: str) -> float | None:
    """The finite number at a path of keys, or None."""
    value: Any = record
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def flat(record: Record, prefix: str = "") -> dict[str, float]:
    """The numbers of a record, by their paths: `{"seconds": {"play": 2}}` gives `{"seconds/play": 2.0}`."""
    found: dict[str, float] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{key}"] = float(value)
    return found
