"""Which slot a request gets, and what of its prompt lies in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rollout.engines.slots import Slot, Slots, common_prefix

prompts = st.lists(st.integers(0, 1), min_size=1, max_size=60)


@given(a=prompts, b=prompts)
def test_the_common_prefix_is_the_longest(a: list[int], b: list[int]) -> None:
    length = common_prefix(a, tuple(b))
    assert a[:length] == b[:length]
    assert length in (len(a), len(b)) or a[length] != b[length]


class Lending(RuleBasedStateMachine):
    """Requests of few episodes over three slots, whose contents are modelled as lists."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[int]] = [[], [], []]
        self.slots = Slots(3, self.copy)
        self.lent: dict[str, tuple[Slot, list[int]]] = {}

    def copy(self, source: int, target: int, tokens: int) -> None:
        assert source != target
        assert len(self.rows[source]) >= tokens
        self.rows[target] = self.rows[source][:tokens]

    @rule(episode=st.sampled_from("abcde"), prompt=prompts)
    def ask(self, episode: str, prompt: list[int]) -> None:
        assert self.slots.full == (len(self.lent) == 3)
        if episode in self.lent or self.slots.full:
            return
        source, length = self.slots.best_prefix(episode, prompt)
        assert 0 <= length < len(prompt)
        assert self.rows[source.index][:length] == prompt[:length]
        slot = self.slots.lend(episode, prompt, source, length)
        assert slot.ids == prompt[: len(slot.ids)]
        assert all(slot is not other for other, _ in self.lent.values())
        self.rows[slot.index] = self.rows[slot.index][: len(slot.ids)]
        self.lent[episode] = slot, prompt

    @rule(episode=st.sampled_from("abcde"), whole=st.booleans())
    def finish(self, episode: str, whole: bool) -> None:
        if episode in self.lent:
            slot, prompt = self.lent.pop(episode)
            computed = prompt if whole else prompt[: len(slot.ids)]
            self.rows[slot.index] = list(computed)
            slot.ids = list(computed)
            self.slots.give_back(slot)

    @rule(episode=st.sampled_from("abcde"))
    def release(self, episode: str) -> None:
        self.slots.release(episode)

    @rule()
    def forget(self) -> None:
        self.slots.forget()
        self.rows = [[], [], []]

    @invariant()
    def slots_say_what_lies_in_them(self) -> None:
        assert all(self.rows[slot.index][: len(slot.ids)] == slot.ids for slot in self.slots)


TestLending = Lending.TestCase


def test_an_episode_comes_back_to_its_own_slot_and_computes_only_what_is_new() -> None:
    slots = Slots(2, lambda *_: None)
    first = slots.lend("a", [1, 2, 3], *slots.best_prefix("a", [1, 2, 3]))
    first.ids = [1, 2, 3]
    slots.give_back(first)
    source, length = slots.best_prefix("a", [1, 2, 3, 4, 5])
    assert (source, length) == (first, 3)


def test_the_slot_idle_for_longest_goes_first_and_a_released_one_before_it() -> None:
    slots = Slots(3, lambda *_: None)
    lent = {}
    for episode in "abc":
        slot = slots.lend(episode, [1], *slots.best_prefix(episode, [1]))
        lent[episode] = slot
    for episode in "bac":
        slots.give_back(lent[episode])
    slots.release("c")
    assert slots.lend("d", [2], *slots.best_prefix("d", [2])) is lent["c"]
    assert slots.lend("e", [2], *slots.best_prefix("e", [2])) is lent["b"]
