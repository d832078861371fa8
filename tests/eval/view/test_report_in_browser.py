"""The report as a reader uses it, in a real browser, from disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envs.protocol import Message, ToolCall
from eval.view import write_report
from eval.view.report import permalink
from rollout.trajectory import Failure, Tokens, Trajectory

HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<!-- <script> --> ]]> &lt;b&gt; {{title}} {{style}}",
    "\ud800 lone \udfff surrogates \x00 \x1b[31m \u2028 \u202e reversed",
    "${window.hacked = 1} `window.hacked = 1` javascript:window.hacked=1",
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, players: Any) -> Path:
    player = players()
    played = [player.play(i) for i in range(300)]
    path: Path = tmp_path_factory.mktemp("report") / "report of a run.html"
    return write_report(played, path, title="A run", tokens_of=player.words.strings)


@pytest.fixture
def page(browser: Any, report: Path) -> Any:
    browser.colours("light")
    browser.resize(1500, 900)
    browser.open(report)
    return browser


def ids(page: Any) -> list[str]:
    return list(page.run("[...document.querySelectorAll('.row')].map(row => row.title)"))


def cells(page: Any, number: int) -> list[str]:
    return list(page.run(f"[...document.querySelectorAll('.row')].map(row => row.children[{number}].textContent)"))


def click(page: Any, selector: str) -> None:
    page.run(f"document.querySelector({selector!r}).click()")


def text(page: Any, selector: str) -> str:
    return str(page.run(f"document.querySelector({selector!r}).textContent"))


def choose(page: Any, select: str, value: str) -> None:
    page.run(f"(() => {{ const s = document.getElementById({select!r}); s.value = {value!r}; s.onchange(); }})()")


def test_it_opens_from_disk_and_asks_for_nothing_else(page: Any, report: Path) -> None:
    assert page.requests == [report.as_uri()]
    assert page.complaints == []
    assert text(page, "#count") == "300 of 300"
    assert text(page, "#figures div:nth-child(2) dd").startswith("300")
    assert page.run("document.fonts.size") == 0


def test_only_the_rows_in_sight_are_in_the_document(page: Any) -> None:
    assert 10 < len(ids(page)) < 60
    page.run("document.getElementById('rows').scrollTop = 1e6")
    page.wait("[...document.querySelectorAll('.row .id')].some(cell => cell.parentElement.title === 'two-0299#0')")
    assert "clean-0000#0" not in ids(page)


def test_it_is_filtered_by_type_outcome_error_and_words(page: Any) -> None:
    choose(page, "type", "=heat")
    assert text(page, "#count") == "50 of 300"
    assert set(cells(page, 2)) == {"heat"}
    click(page, "#outcome .solved")
    assert {row.split("-")[0] for row in ids(page)} == {"heat"}
    assert set(cells(page, 6)) == {"terminated"}
    choose(page, "type", "")
    click(page, "#outcome .failed")
    assert text(page, "#count") == "8 of 300"
    click(page, "#outcome .all")
    choose(page, "ending", "=env_timeout")
    assert text(page, "#count") == "8 of 300"
    choose(page, "ending", "")
    page.press("/")
    page.type("cool steps>20")
    assert set(cells(page, 2)) == {"cool"}
    assert all(int(steps) > 20 for steps in cells(page, 4))
    page.type(" nothing-like-this")
    assert text(page, "#count") == "0 of 300"
    assert "No episode fits" in text(page, "#canvas")


@pytest.mark.parametrize(("key", "number"), [("steps", 4), ("tokens", 5)])
def test_it_is_sorted_by_a_click_and_back_again(page: Any, key: str, number: int) -> None:
    before = ids(page)
    click(page, f"[data-key={key}]")
    down = [int(value.replace(",", "")) for value in cells(page, number)]
    assert down == sorted(down, reverse=True)
    assert page.run(f"document.querySelector('[data-key={key}]').ariaSort") == "descending"
    click(page, f"[data-key={key}]")
    up = [int(value.replace(",", "")) for value in cells(page, number)]
    assert up == sorted(up)
    assert up[0] < down[0]
    click(page, f"[data-key={key}]")
    assert ids(page) == before


@pytest.mark.parametrize(("key", "number"), [("type", 2), ("error", 6), ("id", 1)])
def test_words_are_sorted_too(page: Any, key: str, number: int) -> None:
    click(page, f"[data-key={key}]")
    words = ids(page) if key == "id" else cells(page, number)
    assert words == sorted(words)


def test_the_list_leaves_out_what_all_ids_share(browser: Any, player: Any, tmp_path: Path) -> None:
    names = {
        "valid/heat-Mug-308/t1#0": "heat",
        "valid/heat-Mug-308/t2#0": "heat",
        "valid/cool/4#0": "cool",
        "valid/x": "y",
    }
    played = [replace(player.play(1), id=name, task_type=kind) for name, kind in names.items()]
    played = [replace(each, sample=number) for number, each in enumerate(played)]
    browser.open(write_report(played, tmp_path / "r.html", title="t"))
    assert cells(browser, 1) == ["Mug-308/t1#0", "Mug-308/t2#0", "4#0", "x"]
    assert ids(browser) == list(names)


def test_failed_episodes_have_no_score_and_stand_last(page: Any) -> None:
    click(page, "[data-key=score]")
    page.run("document.getElementById('rows').scrollTop = 1e6")
    page.wait("[...document.querySelectorAll('.row')].at(-1).classList.contains('failed')")
    click(page, "[data-key=score]")
    page.run("document.getElementById('rows').scrollTop = 1e6")
    page.wait("[...document.querySelectorAll('.row')].at(-1).classList.contains('failed')")


def test_an_episode_is_opened_by_its_address(browser: Any, report: Path) -> None:
    browser.open(report, permalink("", "look-0285#0"))
    assert text(browser, "#episode h2") == "look-0285#0"
    assert "look-0285#0" in ids(browser)
    assert browser.run("document.querySelector('[aria-selected=true]').title") == "look-0285#0"
    browser.run("location.hash = 'heat-0002#0'")
    browser.wait("document.querySelector('#episode h2').textContent === 'heat-0002#0'")
    browser.open(report, "#no-such-episode")
    assert "Choose an episode" in text(browser, "#episode")


def test_keys_go_from_episode_to_episode_and_from_turn_to_turn(page: Any) -> None:
    page.press("j", "j", "k", "j")
    page.wait("document.querySelector('#episode h2')?.textContent === 'cool-0001#0'")
    assert page.run("location.hash") == "#cool-0001%230"
    page.press("n", "n")
    tops = page.run("[...document.querySelectorAll('.turn')].map(t => t.getBoundingClientRect().top)")
    assert abs(tops[1] - page.run("document.getElementById('episode').getBoundingClientRect().top")) < 40
    for _ in range(40):
        page.press("j")
    page.wait("document.querySelector('#episode h2')?.textContent === 'two-0041#0'")
    assert "two-0041#0" in ids(page)
    page.press("/")
    page.type("jk")
    assert page.run("document.getElementById('search').value") == "jk"
    assert page.run("location.hash") == "#two-0041%230"


def test_tokens_are_coloured_by_source_and_tell_their_logprob(page: Any, players: Any) -> None:
    twin = players()
    twin.play(0)
    played = twin.play(1)
    page.press("j", "j")
    page.wait("document.querySelectorAll('.turn').length > 1")
    assert page.run("document.querySelectorAll('.turn').length") == len(played.steps)
    first = played.steps[0]
    shown = page.run("[...document.querySelectorAll('#turn-1 .completion span')].map(token => token.textContent)")
    assert shown == twin.words.strings(first.tokens.completion_ids)
    world = page.run("[...document.querySelectorAll('#turn-1 .environment')].map(run => run.textContent)")
    assert world == [message.content for message in first.messages]
    colours = page.run(
        "['sampled', 'environment', 'template'].map(kind => { const style = getComputedStyle("
        "document.querySelector('.turn .' + kind)); return style.color + style.backgroundColor; })"
    )
    assert len(set(colours)) == 3
    page.hover("#turn-1 .completion span:nth-child(3)")
    page.wait("!document.getElementById('tip').hidden")
    logprob = round(first.tokens.logprobs[2], 3)
    assert f"id {first.tokens.completion_ids[2]} " in text(page, "#tip")
    assert f"logprob {logprob:.3f}" in text(page, "#tip")
    page.hover("#turn-1 .environment")
    page.wait("document.getElementById('tip').textContent.startsWith('environment')")


def test_a_windows_prompts_are_folded_and_show_earlier_replies_apart(browser: Any, player: Any, tmp_path: Path) -> None:
    one, two = player.play(1, steps=2).steps
    second = replace(two, tokens=player.tokens([*one.messages, one.reply, *two.messages], two.reply.content))
    played = replace(player.play(1, steps=0), steps=(one, second), window=2)
    path = write_report([played], tmp_path / "r.html", title="t", tokens_of=player.words.strings)
    browser.open(path)
    browser.press("j")
    browser.wait("document.querySelector('#turn-2 .earlier')")
    assert text(browser, "#turn-2 .earlier") == one.reply.content
    assert not browser.run("document.querySelector('#turn-2 details').open")
    assert not browser.run("document.querySelector('#turn-1 details')")


def test_rewards_stand_beside_the_steps(page: Any) -> None:
    page.press("j", "j")
    page.wait("document.querySelectorAll('.turn').length > 1")
    rewards = page.run("[...document.querySelectorAll('.turn .reward')].map(cell => cell.textContent)")
    assert rewards == ["0"] * (len(rewards) - 1) + ["+1"]
    assert "format -0.1" in text(page, ".chips")
    assert "You won." in text(page, ".end")


def test_messages_are_shown_on_demand_and_where_there_are_no_tokens(page: Any, player: Any, tmp_path: Path) -> None:
    page.press("j")
    page.wait("document.querySelector('.completion')")
    page.press("t")
    page.wait("document.querySelector('.message.reply')")
    assert not page.run("document.querySelector('.completion')")
    call = ToolCall("1", "take_action", '{"action": "look"}')
    step = replace(player.play(0, steps=1, with_tokens=False).steps[0], reply=Message("assistant", "", (call,)))
    path = write_report([replace(player.play(0, with_tokens=False), steps=(step,))], tmp_path / "r.html", title="t")
    page.open(path)
    page.press("j")
    page.wait("document.querySelector('.message.reply')")
    assert text(page, ".message.reply .call") == 'take_action {"action": "look"}'
    assert not page.run("document.querySelector('.modes')")


def hostile(player: Any, bad: str, number: int) -> Trajectory:
    step = player.play(0, steps=1).steps[0]
    reply = Message("assistant", bad, (ToolCall(bad, bad, bad),))
    tokens = Tokens((number,), (number,), (-0.5,))
    steps = (
        replace(step, messages=(Message(bad, bad),), reply=reply, actions=(bad,), observations=(bad,), tokens=tokens),
    )
    return Trajectory(
        id=f"{bad}{number}",
        task=bad + str(number),
        task_type=bad,
        split=bad,
        first_observation=bad,
        steps=steps,
        ending="error",
        failure=Failure(bad, bad),
        rewards={bad: 1.0},
        lineage={bad: bad},
    )


@pytest.mark.parametrize("tokens", [True, False])
def test_hostile_texts_are_shown_and_do_nothing(browser: Any, player: Any, tmp_path: Path, tokens: bool) -> None:
    played = [hostile(player, bad, number) for number, bad in enumerate(HOSTILE)]
    strings = (lambda some: [HOSTILE[i] for i in some]) if tokens else None
    path = write_report(played, tmp_path / "r.html", title="".join(HOSTILE), tokens_of=strings)
    browser.open(path)
    browser.run("document.getElementById('more').click()")
    for number, bad in enumerate(HOSTILE):
        browser.press("j")
        browser.wait(f"document.querySelector('#episode .turn') && state.row.number === {number}")
        seen = str(browser.run("document.querySelector('#episode .turn').textContent.toWellFormed()"))
        assert bad.encode("utf-16", "surrogatepass").decode("utf-16", "replace") in seen
        assert browser.run("window.hacked") is None
        assert browser.run("document.querySelectorAll('img, iframe, object, a').length") == 0
        assert browser.requests == [path.as_uri()]
        assert browser.complaints == []
        browser.open(path, str(browser.run("address(state.row)")))
        assert browser.run("state.row.number") == number


def test_markup_that_got_into_the_page_could_neither_run_nor_load(browser: Any, report: Path, tmp_path: Path) -> None:
    injected = (
        b"<script>hacked = 1</script><img src=/x.png onerror='hacked = 1'><link rel=stylesheet href=x.css></body>"
    )
    spoilt = tmp_path / "spoilt.html"
    spoilt.write_bytes(report.read_bytes().replace(b"</body>", injected))
    browser.open(spoilt)
    assert browser.run("window.hacked") is None
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)
    assert text(browser, "#count") == "300 of 300"


def test_a_report_that_lost_a_block_says_so(browser: Any, report: Path, tmp_path: Path) -> None:
    whole = report.read_bytes()
    start = whole.index(b'id="vocabulary"')
    cut = tmp_path / "cut.html"
    end = whole.index(b"<script>", start)
    cut.write_bytes(whole[:start] + b"></script>" + whole[end:])
    browser.open(cut)
    assert "no block index: the file is incomplete" in text(browser, "#trouble")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_in_dark(page: Any, scheme: str) -> None:
    page.colours(scheme)
    page.press("j")
    page.wait("document.querySelector('.turn .template')")
    worst = page.run(CONTRAST)
    assert worst["ratio"] >= 4.5, worst


# WCAG 2's contrast of every element with text of its own against the colours behind it.
CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const mix = (colours) => { canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3); };
  const light = (rgb) => { const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92
    : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let worst = { ratio: 21 };
  for (const node of document.querySelectorAll('body *')) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
    if (!node.checkVisibility() || /SCRIPT|STYLE|OPTION/.test(node.tagName)) continue;
    const behind = [];
    for (let up = node; up; up = up.parentElement) behind.unshift(getComputedStyle(up).backgroundColor);
    const back = light(mix(['white', ...behind]));
    const front = light(mix(['white', ...behind, getComputedStyle(node).color]));
    const ratio = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text: node.textContent.slice(0, 40), name: node.className };
  }
  return worst;
})()"""


@pytest.mark.slow
def test_two_thousand_episodes_open(browser: Any, players: Any, tmp_path: Path) -> None:
    player = players()
    path = write_report(
        (player.play(i) for i in range(2000)), tmp_path / "r.html", title="large", tokens_of=player.words.strings
    )
    browser.open(path, permalink("", "look-1515#0"))
    assert text(browser, "#episode h2") == "look-1515#0"
    assert browser.run("document.querySelectorAll('*').length") < 6000
    assert text(browser, "#count") == "2,000 of 2,000"
    times = browser.run(
        "(() => { const at = performance.now(); const list = state.list; list.choose('text', 'heat steps>10');"
        "const filter = performance.now() - at; list.choose('text', ''); list.sortBy('tokens');"
        "document.getElementById('rows').getBoundingClientRect();"
        "return { filter_ms: filter, filter_and_sort_ms: performance.now() - at,"
        "ready_ms: performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd }; })()"
    )
    print({**times, "bytes": path.stat().st_size})
