"""What an adapter has learned reaches the engine and the next run, though the weights below have 16 bits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import PreTrainedModel

from rollout.cluster.weights import Adapter
from rollout.engine import EngineError, Sampling
from rollout.engines.hf import HFEngine
from rollout.errors import ModelError
from rollout.loading import load_model
from tests import tiny_models
from trainers.adapters import with_adapter, with_trained_adapter
from trainers.checkpoints import load_weights, save_model
from trainers.engines import _sent
from trainers.errors import TrainingError
from trainers.start import Start, adapter_settings, find_start

WORDS = tiny_models.tokenizer()
IDS = torch.tensor([[10, 20, 30, 40]])
RATE = 3e-6


def sixteen(seed: int = 0) -> PreTrainedModel:
    return tiny_models.model(layers=1, width=32, seed=seed).bfloat16()


def updated(model: PreTrainedModel, updates: int = 1, rate: float = RATE) -> PreTrainedModel:
    """After updates of AdamW at the rate of a preset."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
    for _ in range(updates):
        model(input_ids=IDS).logits.float().log_softmax(-1)[0, :-1, 0].sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    return model


def layers(model: torch.nn.Module) -> Iterator[tuple[str, LoraLayer]]:
    return ((name, layer) for name, layer in model.named_modules() if isinstance(layer, LoraLayer))


def effective(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """W + s BA of each layer with an adapter, in float64."""
    found = {}
    for name, layer in layers(model):
        (active,) = layer.active_adapters
        below, above = layer.lora_A[active].weight.double(), layer.lora_B[active].weight.double()
        change = layer.scaling[active] * above @ below
        found[name.removeprefix("base_model.model.")] = layer.base_layer.weight.double() + change
    return found


def frozen(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in model.named_parameters() if not weight.requires_grad}


def survives(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], start: PreTrainedModel) -> float:
    """The largest error of what arrived, as a share of what was learned."""
    first = {name: layer.weight.double() for name, layer in start.named_modules() if name in wanted}
    assert found.keys() == wanted.keys() == first.keys()
    with torch.no_grad():
        return max(float((found[name] - wanted[name]).norm() / (wanted[name] - first[name]).norm()) for name in wanted)


@pytest.fixture
def adapted(tmp_path: Path) -> Path:
    """A folder with an adapter after one update, on a model of 16 bits."""
    save_model(tmp_path / "model", sixteen(), WORDS)
    below, _ = load_model(tmp_path / "model", dtype="bfloat16", device="cpu")
    torch.manual_seed(0)
    save_model(tmp_path / "adapter", updated(with_adapter(below, r=4, alpha=8)), WORDS)
    return tmp_path / "adapter"


def test_one_update_survives_the_way_to_an_actors_engine(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = updated(with_adapter(sixteen(), r=4, alpha=8))
    before = frozen(trained)
    engine = HFEngine(sixteen(), WORDS)
    for number in (1, 2):
        sent = _sent(trained)
        assert isinstance(sent, Adapter)
        folder = tmp_path / str(number)
        folder.mkdir()
        sent.write(folder)
        assert asyncio.run(engine.update_adapter(folder)) == number
        assert survives(effective(engine.model), effective(trained), sixteen()) < 1e-6
        updated(trained)
    now = {name: weight for name, weight in engine.model.named_parameters() if ".lora_" not in name}
    assert all(torch.equal(now[name], weight) for name, weight in before.items())


def test_merging_in_16_bits_would_lose_it() -> None:
    """The reason for all this; if it fails, the test above proves nothing."""
    torch.manual_seed(0)
    trained = updated(with_adapter(sixteen(), r=4, alpha=8))
    wanted = effective(trained)
    rounded = {name: weight.bfloat16().double() for name, weight in wanted.items()}
    assert survives(rounded, wanted, sixteen()) > 0.9


def test_the_engine_says_what_the_trainer_says_and_an_adapter_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    below = tiny_models.model(layers=1, width=32)
    trained = updated(with_adapter(below, r=4, alpha=8), updates=5, rate=0.05)
    engine = HFEngine(tiny_models.model(layers=1, width=32), WORDS)
    trained.save_pretrained(tmp_path / "good")
    with_adapter(tiny_models.model(layers=1, width=32), r=2, alpha=4).save_pretrained(tmp_path / "narrow")

    async def played() -> None:
        for name in ("good", "good"):
            await engine.update_adapter(tmp_path / name)
            done = await engine.generate("e", [10, 20, 30], Sampling(max_new_tokens=4), 0)
            ids = torch.tensor([[10, 20, 30, *done.ids]])
            with torch.no_grad():
                said = trained(input_ids=ids).logits[0, 2:-1].log_softmax(-1)
            ours = said.gather(1, ids[0, 3:, None])[:, 0].tolist()
            assert done.logprobs == pytest.approx(ours, abs=1e-4)
        with pytest.raises(EngineError, match="could not be loaded"):
            await engine.update_adapter(tmp_path / "narrow")
        with pytest.raises(EngineError, match="nowhere"):
            await engine.update_adapter(tmp_path / "nowhere")
        await engine.close()

    asyncio.run(played())


def test_a_run_with_an_adapter_goes_on_from_another_runs_adapter_itself(adapted: Path, tmp_path: Path) -> None:
    start = find_start(str(adapted), tmp_path / "run", keep_adapter=True, resume=False)
    assert start == Start(str(tmp_path / "model"), str(tmp_path / "run" / "base"))
    below, _ = load_model(start.model, dtype="bfloat16", device="cpu")
    assert start.adapter is not None
    model = with_trained_adapter(below, start.adapter)
    kept = load_file(adapted / "adapter_model.safetensors")
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert {weight.dtype for weight in trained.values()} == {torch.float32}
    assert all(torch.equal(weight, kept[name.replace(".default", "")]) for name, weight in trained.items())
    assert len(trained) == len(kept)
    # The next run's frozen weights are the first model's, to the bit, after however many runs.
    plain = dict(sixteen().named_parameters())
    for name, weight in frozen(model).items():
        assert torch.equal(weight, plain[name.replace("base_model.model.", "").replace(".base_layer", "")])


def test_a_run_of_all_weights_begins_with_the_adapter_merged_in_float32(adapted: Path, tmp_path: Path) -> None:
    start = find_start(str(adapted), tmp_path / "run", keep_adapter=False, resume=False)
    assert start == Start(str(tmp_path / "run" / "base"))
    stored = load_file(tmp_path / "run" / "base" / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.float32}
    below, _ = load_model(tmp_path / "model", dtype="bfloat16", device="cpu")
    wanted = effective(PeftModel.from_pretrained(below, str(adapted)))
    found = {name: stored[f"{name}.weight"].double() for name in wanted}
    # Half a unit in the last place of float32 beside the whole weight.
    assert all((found[name] - wanted[name]).abs().max() <= 2**-24 * wanted[name].abs().max() for name in wanted)
    assert survives(found, wanted, sixteen()) < 0.01


def test_a_resumed_run_begins_with_its_own_copy(adapted: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = find_start(str(adapted), run, keep_adapter=True, resume=False)
    (run / "config.yaml").write_text("")
    (adapted / "adapter_model.safetensors").write_bytes(b"of another run")
    assert find_start(str(adapted), run, keep_adapter=True, resume=True) == first
    # Without --resume the folder is refused a little later, and nothing in it is touched.
    assert find_start(str(adapted), run, keep_adapter=True, resume=False) == Start(str(adapted))
    assert not (tmp_path / "run" / "base.part").exists()


def test_a_whole_model_is_where_it_is(tmp_path: Path) -> None:
    assert find_start("Qwen/Qwen3-0.6B", tmp_path, keep_adapter=True, resume=False) == Start("Qwen/Qwen3-0.6B")
    assert not list(tmp_path.iterdir())


def test_an_adapters_checkpoint_is_loaded_into_one_that_was_trained_on(adapted: Path, tmp_path: Path) -> None:
    below, _ = load_model(tmp_path / "model", dtype="bfloat16", device="cpu")
    model = updated(with_trained_adapter(below, str(adapted)), updates=3, rate=0.01)
    load_weights(model, adapted)
    again, _ = load_model(tmp_path / "model", dtype="bfloat16", device="cpu")
    assert survives(effective(model), effective(PeftModel.from_pretrained(again, str(adapted))), sixteen()) < 1e-6


@pytest.mark.parametrize(
    ("changed", "said"), [({"peft_type": "IA3"}, "kind .*IA3"), ({"target_modules": ["lm_head"]}, "part on lm_head")]
)
def test_an_adapter_that_cannot_be_trained_on_is_refused(
    changed: dict[str, object], said: str, adapted: Path, tmp_path: Path
) -> None:
    file = adapted / "adapter_config.json"
    settings = json.loads(file.read_text())
    kept = {name: settings[name] for name in ("peft_type", "base_model_name_or_path", "task_type", "target_modules")}
    file.write_text(json.dumps({**kept, **changed}))
    with pytest.raises(TrainingError, match=said):
        with_trained_adapter(sixteen(), str(adapted))


@pytest.mark.parametrize("text", ['{"r": ', "[]"])
def test_settings_of_an_adapter_that_cannot_be_read_are_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(ModelError, match=r"adapter_config.json: cannot be read"):
        adapter_settings(str(tmp_path))
