"""The picture of where the time went: bars by iteration, and a row for each slot of the last one."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from eval.view.timeline import CELLS, COLOUR, MOST_BARS, TIMELINE, read_timeline, time_svg

SVG = "{http://www.w3.org/2000/svg}"
SLOTS = {"queue": 0.1, "prefill": 0.1, "decode": 0.4, "environment": 0.3, "idle": 0.1}
LAST = {
    "iteration": 7,
    "seconds": 44.1,
    "trainer": "s" * 42 + "." * 420 + "t" * 420,
    "slots": {"0": "e" * 42 + "q" * 42 + "p" * 42 + "d" * 336 + "." * 420, "3": "." * CELLS},
}


def iteration(number: int, **more: Any) -> dict[str, Any]:
    seconds = {"play": 30.0, "train": 10.0}
    return {"kind": "iteration", "iteration": number, "seconds": seconds, "slots": SLOTS, "engine_busy": 0.5, **more}


def drawn(iterations: list[dict[str, Any]], last: dict[str, Any] | None = None) -> ElementTree.Element:
    picture = time_svg(iterations, last)
    assert picture is not None
    return ElementTree.fromstring(picture)


def words(root: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{SVG}text")]


def bars(root: ElementTree.Element, cause: str) -> list[float]:
    """The heights of a cause's boxes, in pixels; those of the legend are 10 by 10."""
    found = [one.attrib for one in root.iter(f"{SVG}rect") if one.attrib["fill"] == COLOUR[cause]]
    return [float(one["height"]) for one in found if one["width"] != "10"]


def test_bars_are_as_high_as_what_they_stand_for() -> None:
    root = drawn([iteration(1), iteration(2, seconds={"play": 10.0, "train": 30.0})])
    assert bars(root, "play") == [135.0, 45.0]  # of 40 seconds, which are 180 pixels
    assert bars(root, "train") == [45.0, 135.0]
    assert bars(root, "decode") == [72.0, 72.0]
    assert bars(root, "idle") == [18.0, 18.0]
    assert {"Seconds an iteration", "What slots wait for", "engine busy 50%", *SLOTS} <= set(words(root))


def test_the_last_iteration_has_a_row_for_the_trainer_and_each_slot() -> None:
    root = drawn([iteration(7)], LAST)
    assert "Iteration 7: the trainer, and 2 slots under it, over its seconds" in words(root)
    paths = [one.attrib for one in root.iter(f"{SVG}path")]
    grounds = [path for path in paths if path["stroke"] == COLOUR["idle"]]
    assert len(grounds) == 3
    assert all(re.fullmatch(r"M54 [\d.]+h882", path["d"]) for path in grounds)
    (trained,) = [path["d"] for path in paths if path["stroke"] == COLOUR["train"]]
    assert re.fullmatch(r"M516 [\d.]+h420", trained)
    (decoded,) = [path["d"] for path in paths if path["stroke"] == COLOUR["decode"]]
    assert re.fullmatch(r"M180 [\d.]+h336", decoded)


def test_many_iterations_share_bars_and_slots_share_rows_of_letters() -> None:
    letters = "eqpd" * (CELLS // 4)
    last = {**LAST, "slots": {str(slot): letters for slot in range(64)}}
    text = time_svg([iteration(number) for number in range(1, 5001)], last)
    assert text is not None
    assert len(bars(ElementTree.fromstring(text), "play")) <= MOST_BARS
    assert len(text) < 1_000_000  # however short the spells are


@pytest.mark.parametrize(
    "records",
    [
        [iteration(1, slots={}, engine_busy=None)],
        [iteration(1, seconds={})],
        [iteration(1, seconds={"play": float("nan")})],
        [iteration(1, seconds={"play": 0.0})],
        [{"kind": "iteration", "iteration": 1}],
    ],
)
def test_whatever_is_missing_the_rest_is_drawn(records: list[dict[str, Any]]) -> None:
    assert drawn(records, LAST).tag == f"{SVG}svg"


def test_nothing_measured_is_no_picture() -> None:
    assert time_svg([{"kind": "iteration", "iteration": 1}], None) is None


def test_causes_are_words_and_never_markup() -> None:
    cause = "</svg><script>alert(1)</script>"
    root = drawn([iteration(1, seconds={cause: 1.0})])
    assert cause in words(root)


def test_a_timeline_is_read_from_the_run_or_is_none(tmp_path: Path) -> None:
    assert read_timeline(tmp_path) is None
    (tmp_path / TIMELINE).write_text('{"torn')
    assert read_timeline(tmp_path) is None
    (tmp_path / TIMELINE).write_text(json.dumps(LAST))
    assert read_timeline(tmp_path) == LAST
