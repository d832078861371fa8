"""Every official game against TextWorld: a random walk each, texts, commands, `won` and facts compared at every step.

    python tests/benchmarks/alfworld_against_textworld.py --data FOLDER --split valid_seen [--games N] [--steps 30]

TextWorld takes 1.3 s to load a game and 60 ms a step, so the whole of train takes hours. TextWorld also keeps some 3 MB
of each game, so that they are played in processes of 50 games. What was compared is kept in --log; a run with the same
log goes on with the games that are not in it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from envs.alfworld.data import load_split  # noqa: E402
from envs.alfworld.game import load_game  # noqa: E402

GAMES_A_PROCESS = 50


def compare(task_id: str, path: str, steps: int) -> dict[str, object]:
    """One walk, drawn by the task's id."""
    from tests.envs.alfworld.walks import differences

    rng = random.Random(task_id)
    name_seed = rng.choice([None, None, rng.randrange(1000)])
    return {
        "id": task_id,
        "steps": steps,
        "differences": differences(load_game(path), Path(path), steps, rng, name_seed),
    }


def main() -> int:
    """Compare, and print the sum. Returns 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="valid_seen")
    parser.add_argument("--games", type=int, help="how many of them; all by default")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--log", type=Path, default=Path("alfworld_against_textworld.jsonl"))
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.log.read_text().splitlines()] if options.log.exists() else []
    known = {row["id"] for row in rows}
    tasks = list(load_split(options.split, data=options.data).tasks)
    random.Random(0).shuffle(tasks)
    todo = [task for task in tasks[: options.games] if task.id not in known]
    with ProcessPoolExecutor(1, max_tasks_per_child=GAMES_A_PROCESS) as pool, options.log.open("a") as log:
        for number, task in enumerate(todo, start=1):
            rows.append(pool.submit(compare, task.id, str(task.path), options.steps).result())
            log.write(json.dumps(rows[-1]) + "\n")
            log.flush()
            print(f"\r{number} of {len(todo)}", end="", file=sys.stderr)
    wrong = [text for row in rows for text in row["differences"]]
    print(f"{len(rows)} games, {sum(row['steps'] for row in rows)} states, {len(wrong)} differences")
    print(*wrong[:20], sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
