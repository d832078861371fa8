"""Seconds of one GRPO iteration on ALFWorld at the shape of Qwen2.5-1.5B, with random weights, on one GPU.

    python tests/benchmarks/gpu_iteration.py [--engine vllm|hf] [--iterations 2] [--tokens 64] [--batch 2] [--tiny]

16 tasks of generated games in rooms of full size, 8 episodes each, are played by a run's own engine and learned from by
its own trainer: bfloat16 over weights in float32, gradient checkpointing, all tokens of an episode in one row.
The goal is 150 s on one H200; verl-agent reports 288 s on two H100 for the same number of episodes of a trained model.

Random weights say nothing that means anything, so three things are not theirs. A turn is `--tokens` long, since they
never end one. In the place of what they say a command is carried out that is possible, drawn by what they said. An
episode's score is drawn by its name, so that every group has a signal. Games are hardly ever solved by such a player,
so nearly all episodes have all of their 50 turns: an upper bound of what a trained model plays.

`--tiny` is the same on a CPU with a tiny shape, in a minute: to see that the script runs, not how fast.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TRL_EXPERIMENTAL_SILENCE="1", WANDB_MODE="disabled")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import tiny_models  # noqa: E402
import torch  # noqa: E402
from transformers import Qwen2Config, Qwen2ForCausalLM  # noqa: E402

from configs import TrainConfig  # noqa: E402
from envs.base import Info  # noqa: E402
from envs.protocol import Message, Reading  # noqa: E402
from envs.protocols import PlainProtocol  # noqa: E402
from eval.history import read_metrics  # noqa: E402
from rollout.loading import best_device  # noqa: E402
from rollout.trajectory import Trajectory  # noqa: E402
from trainers.arguments import quiet  # noqa: E402
from trainers.generation import Played, Stopped  # noqa: E402
from trainers.online import train_online  # noqa: E402
from trainers.opening import open_session  # noqa: E402

GOAL, VERL_AGENT = 150, 288
"""Seconds an iteration: on one H200, and what verl-agent's users report on two H100."""

QWEN: dict[str, Any] = {
    "vocab_size": 151_936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32_768,
}
TINY: dict[str, Any] = {
    "vocab_size": 4096,
    "hidden_size": 128,  # 32 a head: less is too few for vLLM on a CPU
    "intermediate_size": 384,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}


class Wanderer(PlainProtocol):
    """Carries out a possible command, whatever is said."""

    name = "wanderer"

    def read(self, message: Message, info: Info, earlier: Any = ()) -> Reading:
        # The text of help fills the context as no player does twice.
        commands = [command for command in info["admissible_commands"] if command != "help"]
        return Reading((commands[crc32(message.content.encode()) % len(commands)],), valid=True)


def luck(trajectory: Trajectory) -> Trajectory:
    """A score from 0 to 1 that has nothing to do with what was played, and is the same in every run."""
    return replace(trajectory, score=crc32(trajectory.id.encode()) / 2**32)


@dataclass
class Some:
    """A session's generation that stops the run after some iterations, and before a checkpoint of them is written."""

    generation: Any
    left: int

    def play(self) -> Played:
        if not self.left:
            raise Stopped
        self.left -= 1
        played: Played = self.generation.play()
        return played

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generation, name)


def make_model(folder: Path, shape: dict[str, Any]) -> int:
    """Write random weights of a shape, and a tokenizer that knows the first few of its ids. Returns their number."""
    words = tiny_models.tokenizer("qwen2_5")
    ends: dict[str, Any] = {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    config = Qwen2Config(**shape, **ends, rope_theta=1e6, rms_norm_eps=1e-6, tie_word_embeddings=True)
    torch.manual_seed(0)
    with torch.device(best_device()):
        model: Any = Qwen2ForCausalLM(config)
    model = model.to(torch.bfloat16)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=("auto", "hf", "vllm"), default="auto", help="auto: vllm where it runs")
    parser.add_argument("--iterations", type=int, default=2, help="the first also warms up; each is printed")
    parser.add_argument("--tokens", type=int, help="of a turn (64)")
    parser.add_argument("--batch", type=int, default=2, help="rows of one forward pass of the trainer")
    parser.add_argument("--tiny", action="store_true", help="a tiny shape, 8 episodes of 6 turns")
    return parser.parse_args()


def config_of(asked: argparse.Namespace, model: Path, folder: Path) -> TrainConfig:
    tiny = asked.tiny
    tasks, size = (2, 4) if tiny else (16, 8)
    return TrainConfig(
        env="alfworld",
        env_args={"data": "generated", "size": "tiny" if tiny else "full", "length": 64},
        model=str(model),
        output_dir=folder,
        protocol="plain",
        engine=asked.engine,
        algo="grpo",
        tasks=tasks,
        num_generations=size,
        capacity=tasks * size,
        max_turns=6 if tiny else None,
        max_completion_length=asked.tokens or (8 if tiny else 64),
        max_length=2048 if tiny else 10_240,
        per_device_train_batch_size=asked.batch,
        bf16=True,
        gradient_checkpointing=True,
        eval_tasks=0,
        select_tasks=0,
        iterations=asked.iterations + 1,  # the last one is not played (`Some`)
        save_steps=asked.iterations + 1,
    )


def main() -> None:
    asked = options()
    quiet()
    with TemporaryDirectory() as place:
        model, folder = Path(place) / "model", Path(place) / "run"
        count = make_model(model, TINY if asked.tiny else QWEN)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU"
        shape = "a tiny shape" if asked.tiny else "Qwen2.5-1.5B's shape"
        print(f"{shape}, {count / 1e6:,.1f} M random weights (real ones cannot be had here), on {device}", flush=True)
        session = open_session(config_of(asked, model, folder), folder)
        stage = session.rollouts.stage
        talk = Wanderer(stage.protocol.instructions)
        session.rollouts.stage = replace(stage, protocol=talk, scorer=luck)
        generation: Any = Some(session.generation, asked.iterations)
        session.generation = generation
        print(f"engine: {type(session.scored.engine).__name__}", flush=True)  # type: ignore[attr-defined]
        try:
            with session.display:
                train_online(session)
        except Stopped:
            report(read_metrics(folder), asked.tiny)
        finally:
            session.close()


def report(records: list[dict[str, Any]], tiny: bool) -> None:
    for record in records:
        seconds = record["seconds"]
        parts = [f"{cause} {seconds.get(cause, 0.0):.1f}" for cause in ("sync", "play", "train")]
        turns = record["sampled_tokens"] / record["tokens_per_turn"]
        print(f"iteration {record['iteration']}: {sum(seconds.values()):.1f} s = {' + '.join(parts)}")
        print(
            f"  {record['sampled_tokens']:,} tokens sampled in {turns:,.0f} turns "
            f"({record['sampled_tokens'] / seconds['play']:,.0f} a second of playing), {record['batch_tokens']:,} in "
            f"{record['rows']} rows trained on ({record['batch_tokens'] / seconds['train']:,.0f} a second of training)"
        )
        slots = ", ".join(f"{cause} {share:.0%}" for cause, share in record["slots"].items())
        print(f"  engine busy {record['engine_busy']:.0%} of the time; slots while playing: {slots}")
        ended = f"failed {record['failed'] or 'none'}, context full {record['overlong']:.0%}"
        print(f"  loss {record['loss']:.4f}, gradient {record['grad_norm']:.3f}; {ended}")
    print(f"memory: {memory()}")
    last = sum(records[-1]["seconds"].values())
    beside = f"goal {GOAL} s on one H200; verl-agent {VERL_AGENT} s on two H100, with trained weights"
    print("no figure: a tiny shape" if tiny else f"{last:.0f} s an iteration with random weights ({beside})")


def memory() -> str:
    """The peak: of PyTorch's allocator, which serves trainer and engine here, or of the process."""
    if not torch.cuda.is_available():
        return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB of this process at most"
    free, total = torch.cuda.mem_get_info()
    held, most = torch.cuda.max_memory_reserved() / 2**30, torch.cuda.max_memory_allocated() / 2**30
    rest = f"{(total - free) / 2**30:.1f} of {total / 2**30:.1f} GiB of the device in use at the end"
    return f"{most:.1f} GiB in tensors and {held:.1f} GiB held by PyTorch at most; {rest}"


if __name__ == "__main__":
    main()
