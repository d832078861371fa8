"""A report: one self-contained HTML file with every episode in it.

Data are chunks of zlib in base64, which the page unpacks by the browser's own `DecompressionStream` when an episode is
opened. A content security policy allows this page's script and style by their hashes and nothing else, so that no text
of an episode can run or load anything, whatever it holds.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from eval.episode import Episode
from eval.metrics import summarise
from eval.result import Result
from eval.view.pack import Packer, TokensOf, compress
from rollout.files import atomic_file
from rollout.trajectory import Trajectory

SCRIPTS = ("data.js", "list.js", "transcript.js", "page.js")
COLUMNS = (
    *("id", "task", "type", "sample", "success", "score", "steps", "ending", "failure", "invalid", "inadmissible"),
    *("completion_tokens", "prompt_tokens", "seconds", "link"),
)


def write_report(
    trajectories: Iterable[Trajectory],
    path: str | Path,
    *,
    title: str,
    result: Result | None = None,
    links: Mapping[str, str] | None = None,
    tokens_of: TokensOf | None = None,
    section: str = "",
) -> Path:
    """Write a report of episodes.

    Args:
        trajectories: read once; only one chunk of them is held at a time.
        path: the HTML file; written whole or not at all.
        title: of the page.
        result: gives the statistics, the fingerprint and the links; without it the statistics are made of the
            trajectories. Episodes that only the result has are listed without a transcript.
        links: the file and line of each episode by its id, where the result does not say.
        tokens_of: from token ids to one string each, such as `token_strings(tokenizer)`. Without it a transcript shows
            messages and no tokens.
        section: HTML above the episodes, such as a learning curve; it goes onto the page as it is.

    Returns:
        The path.

    Raises:
        StoreError: if the file cannot be written.
        ValueError: if an episode stands there twice, or `tokens_of` does not give one string an id.
    """
    links = {**(links or {}), **({row.id: row.link for row in result.episodes if row.link} if result else {})}
    rows: list[Episode] = []
    places: list[tuple[int, int] | None] = []
    with atomic_file(Path(path)) as file:
        file.write(_head(title, section))
        packer = Packer(tokens_of, lambda number, data: _block(file, f"chunk-{number}", data))
        for trajectory in trajectories:
            rows.append(Episode.of(trajectory, links.get(trajectory.id, "")))
            places.append(packer.add(trajectory))
        packer.flush()
        known = {row.id for row in rows}
        rows += [row for row in result.episodes if row.id not in known] if result else []
        places += [None] * (len(rows) - len(places))
        _block(file, "vocabulary", compress(json.dumps(packer.vocabulary.plain())))
        _block(file, "index", compress(json.dumps(_index(rows, places, result), allow_nan=False)))
        file.write(f"<script>{_script()}</script>\n</body>\n</html>\n".encode())
    return Path(path)


def permalink(path: str | Path, id: str) -> str:
    """The address of an episode in a report."""
    return f"{path}#{quote(id, safe='', errors='replace')}"


def _index(rows: Sequence[Episode], places: Sequence[tuple[int, int] | None], result: Result | None) -> dict[str, Any]:
    summary = result.summary if result else summarise(rows)
    return {
        "protocol": result.protocol if result else None,
        "model": result.model if result else None,
        "fingerprint": result.fingerprint if result else None,
        "summary": summary.to_dict(),
        "columns": {name: [getattr(row, name) for row in rows] for name in COLUMNS},
        "places": places,
    }


def _head(title: str, section: str) -> bytes:
    style = _text("page.css")
    policy = f"default-src 'none'; script-src '{_hash(_script())}'; style-src '{_hash(style)}'; base-uri 'none'"
    page = _text("page.html").replace("{{policy}}", policy).replace("{{style}}", style)
    # Apart first: a title may hold what stands for the section.
    above, below = page.split("{{section}}")
    return (above.replace("{{title}}", html.escape(title)) + section + below).encode("utf-8", "replace")


def _script() -> str:
    return '"use strict";\n' + "\n".join(_text(name) for name in SCRIPTS)


def _text(name: str) -> str:
    return (files("eval.view") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _block(file: BinaryIO, name: str, data: bytes) -> None:
    file.write(b'<script type="application/octet-stream" id="%s">%s</script>\n' % (name.encode(), data))
