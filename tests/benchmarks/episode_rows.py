"""Whole episodes as rows against one row a turn: tokens through the model, time of an update, peak memory.

    OMP_NUM_THREADS=1 python tests/benchmarks/episode_rows.py [--episodes 4] [--turns 20] [--layers 4] [--width 128]

Episodes of generated ALFWorld games, played at random to their step limit and rendered by a chat template. Three ways
to learn from the same replies, each in a process of its own, an episode a micro-batch:

- `whole`: one row an episode, as `trainers.batch` makes it;
- `turns`: a row a turn with all that went before, which gives the same gradient (its difference is printed);
- `window`: a row a turn with the opening and the last 2 turns, which is what verl-agent trains on: other prompts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import tiny_models  # noqa: E402
import torch  # noqa: E402
from transformers import PreTrainedModel  # noqa: E402

from rollout import Trajectory, collect, read_trajectories  # noqa: E402
from rollout.rendering import Renderer  # noqa: E402
from trainers.batch import Row, collate, rows_of  # noqa: E402
from trainers.supervised import with_tokens  # noqa: E402

WAYS = ("whole", "turns", "window")


def rows(way: str, episode: Trajectory) -> list[Row]:
    """The rows of one episode, with an advantage for each turn."""
    tokenizer = tiny_models.tokenizer("qwen2_5_training")
    whole = with_tokens(replace(episode, window=2 if way == "window" else None), tokenizer, Renderer(tokenizer))
    values = np.cos(np.arange(len(whole.steps)))
    if way == "whole":
        return rows_of(whole, values)
    found = []
    for turn, (step, prompt) in enumerate(zip(whole.steps, whole.prompts(), strict=True)):
        assert step.tokens is not None
        alone = replace(step, tokens=replace(step.tokens, prompt_ids=prompt))
        found += rows_of(replace(whole, steps=(alone,), window=0), values[turn : turn + 1])
    return found


def update(model: PreTrainedModel, batches: Sequence[Sequence[Row]]) -> torch.Tensor:
    """The gradient of the policy's loss, a sum over tokens divided by their number, an episode a micro-batch."""
    total = sum(row.trained for batch in batches for row in batch)
    model.zero_grad()
    for batch in batches:
        tensors = collate(batch, 0)
        ids = torch.cat([tensors["prompt_ids"], tensors["completion_ids"]], 1)
        mask = torch.cat([tensors["prompt_mask"], tensors["completion_mask"]], 1)
        width = tensors["completion_ids"].shape[1]
        logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=width + 1).logits[:, :-1]
        logps = -torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), tensors["completion_ids"].flatten(), reduction="none"
        ).view_as(tensors["completion_ids"])
        (-(logps * tensors["advantages"] * tensors["tool_mask"]).sum() / total).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def measure(way: str, folder: Path, layers: int, width: int) -> None:
    """Print the figures of one way as JSON, and leave its gradient beside the episodes."""
    torch.set_num_threads(1)
    batches = [rows(way, episode) for episode in read_trajectories(folder)]
    model = tiny_models.model(layers=layers, width=width)
    update(model, batches[:1])  # what is done once only is no part of an update
    begin = time.thread_time()
    gradient = update(model, batches)
    seconds = time.thread_time() - begin
    torch.save(gradient, folder / f"{way}.pt")
    every = [row for batch in batches for row in batch]
    figures = {
        "rows": len(every),
        "tokens": sum(map(len, every)),
        "trained": sum(row.trained for row in every),
        "seconds": seconds,
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        measure(args.way, args.folder, args.layers, args.width)
        return
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        settings = {"data": "generated", "max_steps": args.turns, "length": 100}
        collect("alfworld", "random", output=folder, split="train", env_args=settings, episodes=args.episodes)
        found = {}
        for way in WAYS:
            words = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
            size = ["--layers", str(args.layers), "--width", str(args.width)]
            done = subprocess.run([*words, *size], check=True, capture_output=True, text=True)
            found[way] = json.loads(done.stdout)
        gradients = {way: torch.load(folder / f"{way}.pt") for way in ("whole", "turns")}
    whole = found["whole"]
    print(f"{args.episodes} episodes of {args.turns} turns, {args.layers} layers of width {args.width}")
    for way, figures in found.items():
        print(
            f"{way:>7}: {figures['rows']:4} rows, {figures['tokens']:7} tokens through the model for "
            f"{figures['trained']} trained (x{figures['tokens'] / whole['tokens']:.1f}), {figures['seconds']:.2f} s of "
            f"processor an update (x{figures['seconds'] / whole['seconds']:.1f}), "
            f"{figures['mebibytes']:.0f} MiB at peak"
        )
    difference = (gradients["whole"] - gradients["turns"]).norm() / gradients["turns"].norm()
    print(f"gradient of whole against turns: relative difference {difference:.1e}")


if __name__ == "__main__":
    main()
