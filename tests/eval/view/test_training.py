"""The learning curve of a training run, as a picture and on top of its report."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from eval.episode import Episode
from eval.errors import ResultError
from eval.metrics import summarise
from eval.result import Result
from eval.view.training import (
    MOST_POINTS,
    learning_curve_svg,
    training_section,
    write_learning_curve,
    write_training_report,
)
from rollout.store import Store, read_trajectories

SVG = "{http://www.w3.org/2000/svg}"


def iteration(number: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": "iteration",
        "iteration": number,
        "episodes": 100 * number,
        "success": 0.5,
        "entropy": 0.4,
        "kl": 0.01,
        "signal_share": 0.7,
        "inadmissible": 0.5,
        "seconds": {"play": 10.0, "train": 5.0},
        **more,
    }


def evaluation(number: int, value: float, name: str = "valid_seen", **more: Any) -> dict[str, Any]:
    success = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 50}
    return {"kind": "evaluation", "iteration": number, "name": name, "success": success, **more}


def drawn(records: list[dict[str, Any]]) -> ElementTree.Element:
    return ElementTree.fromstring(learning_curve_svg(records))


def words(records: list[dict[str, Any]]) -> list[str]:
    return [element.text or "" for element in drawn(records).iter(f"{SVG}text")]


def dots(records: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Of the evaluations, as they stand in the main panel: 882 pixels from 54 on, and 258 down from 46 on."""
    found = drawn(records).iter(f"{SVG}circle")
    return [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in found]


def write(run: Path, records: list[dict[str, Any]]) -> Path:
    run.mkdir(parents=True, exist_ok=True)
    (run / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return run


def test_evaluations_stand_at_the_episodes_played_and_their_success() -> None:
    records = [evaluation(0, 0.2), *map(iteration, range(1, 11)), evaluation(5, 0.5), evaluation(10, 0.75)]
    assert dots(records) == [(54.0, 252.4), (495.0, 175.0), (936.0, 110.5)]


def test_the_bars_are_the_intervals() -> None:
    records = [*map(iteration, range(1, 11)), evaluation(5, 0.5)]
    (bar,) = drawn(records).iter(f"{SVG}path")
    assert bar.attrib["d"] == "M491.0 149.2h8m-4 0V200.8m-4 0h8"  # 0.6 and 0.4, about 495


def test_the_legend_tells_the_first_score_and_the_last() -> None:
    records = [evaluation(0, 0.42), *map(iteration, range(1, 11)), evaluation(10, 0.693)]
    assert "valid_seen 42.0% → 69.3% (bars: 95% intervals)" in words(records)
    assert "training episodes" in words(records)


def test_the_final_evaluation_takes_the_place_of_the_periodic_one_at_the_same_iteration() -> None:
    records = [*map(iteration, range(1, 11)), evaluation(10, 0.5), evaluation(10, 0.75, final=True)]
    assert dots(records) == [(936.0, 110.5)]


def test_two_sets_of_tasks_have_a_curve_each() -> None:
    records = [*map(iteration, range(1, 3)), evaluation(1, 0.3, "seen"), evaluation(1, 0.4, "unseen")]
    colours = {one.attrib["fill"] for one in drawn(records).iter(f"{SVG}circle")}
    assert len(colours) == 2


def test_panels_are_drawn_for_what_was_measured() -> None:
    titles = {"Entropy (nats a token)", "KL to the reference", "Groups with a signal", "Inadmissible actions"}
    assert titles <= set(words([iteration(1), iteration(2)]))
    shown = set(words([iteration(n, kl=None, inadmissible=float("nan"), seconds={}) for n in (1, 2)]))
    assert titles & shown == {"Entropy (nats a token)", "Groups with a signal"}


def test_a_run_of_thousands_of_iterations_is_a_small_picture() -> None:
    records = [iteration(number) for number in range(1, 5001)]
    text = learning_curve_svg(records)
    lines = [one.attrib["points"].split() for one in drawn(records).iter(f"{SVG}polyline")]
    assert max(map(len, lines)) == MOST_POINTS
    assert len(text) < 100_000


@pytest.mark.parametrize(
    "records",
    [
        [],
        [evaluation(0, 0.0)],
        [iteration(1, seconds=None)],
        [iteration(1, episodes=0)],
        [{"kind": "iteration", "iteration": 1}, {"kind": "evaluation", "iteration": 1, "success": None}],
        [iteration(1), {"kind": "evaluation", "iteration": 1, "name": "x", "success": {"value": 1.0, "low": None}}],
        [iteration(1, seconds={"play": "nan"}, entropy=0.0)],
    ],
)
def test_whatever_is_missing_there_is_a_picture(records: list[dict[str, Any]]) -> None:
    assert drawn(records).tag == f"{SVG}svg"


def test_names_are_words_and_never_markup() -> None:
    name = "</svg><script>alert(1)</script>"
    assert any(name in text for text in words([iteration(1), evaluation(1, 0.5, name)]))
    assert "<script" not in training_section([iteration(1), evaluation(1, 0.5, name)], name)


def test_the_picture_is_written_into_the_run(tmp_path: Path) -> None:
    path = write_learning_curve(write(tmp_path / "run", [iteration(1), evaluation(1, 0.5)]))
    assert path == tmp_path / "run" / "learning_curve.svg"
    assert ElementTree.parse(path).getroot().tag == f"{SVG}svg"
    with pytest.raises(ResultError, match="it holds no metrics"):
        write_learning_curve(tmp_path)


@pytest.fixture
def run(tmp_path: Path, player: Any) -> Path:
    """A training run of 100 episodes, with an evaluation of 20 in a folder of its own."""
    store = Store(write(tmp_path / "run", [iteration(1), evaluation(1, 0.5)]))
    store.append(*(replace(player.play(i), id=f"train-{i}#0", task=f"train-{i}") for i in range(100)))
    store.close()
    played = [player.play(i) for i in range(20)]
    last = Store(tmp_path / "run" / "evaluation")
    last.append(*played)
    last.close()
    rows = tuple(map(Episode.of, played))
    Result("held-out", {}, {"name": "toy"}, summarise(rows), rows).write(tmp_path / "run" / "evaluation/eval/x.json")
    return tmp_path / "run"


def index(path: Path) -> Any:
    found = re.search(r'id="index">([^<]*)</script>', path.read_text())
    assert found
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def test_a_training_report_holds_the_evaluation_and_episodes_from_the_whole_run(run: Path) -> None:
    path = write_training_report(run, run / "evaluation", most=25)
    ids = index(path)["columns"]["id"]
    trained = [int(id.removeprefix("train-").removesuffix("#0")) for id in ids if id.startswith("train-")]
    assert len(ids) == 45
    assert (trained[0], trained[-1], len(trained)) == (0, 99, 25)
    assert {after - before for before, after in pairwise(trained)} == {4, 5}
    assert index(path)["summary"]["episodes"] == 20
    text = path.read_text()
    assert "20 of 20 episodes of held-out; 25 of 100 training episodes, drawn evenly over the run" in text
    assert text.count("<svg") == 2
    assert "Where the time goes" in text
    assert "http" not in text.replace("http-equiv", "")


def test_a_training_report_needs_no_evaluation_and_skips_torn_lines(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (run / "episodes" / "episodes.jsonl").open("ab") as file:
        file.write(b'{"torn')
    path = write_training_report(run)
    assert len(index(path)["places"]) == 100
    assert "skipped a line" in caplog.text


def test_the_learning_curve_is_seen_in_a_browser_above_the_episodes(browser: Any, run: Path) -> None:
    browser.colours("dark")
    browser.resize(1500, 900)
    browser.open(write_training_report(run, run / "evaluation"))
    assert browser.complaints == []
    picture = browser.run(
        "(({left, right, width}) => [left, right, width])(document.querySelector('svg').getBoundingClientRect())"
    )
    assert picture[2] == 960
    assert picture[1] <= 1500
    assert browser.run("getComputedStyle(document.querySelector('svg rect')).fill") == "rgb(255, 255, 255)"
    assert browser.run("document.querySelectorAll('.row').length") > 3
    browser.run("document.querySelector('.training summary').click()")
    assert browser.run("document.querySelector('svg').checkVisibility()") is False


def test_the_line_of_every_episode_in_the_report_is_where_the_report_says(run: Path) -> None:
    for at in ("episodes", "evaluation/episodes"):  # lines are counted whether or not they are torn
        file = run / at / "episodes.jsonl"
        file.write_bytes(b'{"torn\n' + file.read_bytes())
    found = read_trajectories(run / "evaluation")
    rows = tuple(Episode.of(one, found.places[one.id]) for one in found)
    Result("held-out", {}, {"name": "toy"}, summarise(rows), rows).write(run / "evaluation/eval/x.json")
    columns = index(write_training_report(run, run / "evaluation", most=25))["columns"]
    assert len(columns["id"]) >= 40
    for id, link in zip(columns["id"], columns["link"], strict=True):
        path, line = link.rsplit(":", 1)
        assert json.loads((run / path).read_text().splitlines()[int(line) - 1])["id"] == id
