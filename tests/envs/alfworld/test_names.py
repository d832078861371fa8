"""Display names, compared with alfworld's own demangler."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.alfworld.game import Game
from envs.alfworld.names import display_names

_entities = st.sets(
    st.builds(
        "{}_bar_{}{}".format,
        st.sampled_from(["apple", "cabinet", "sink", "bathtub", "loc"]),
        st.sampled_from(["_plus_01_dot_2", "_minus_00_dot_5_bar__plus_1", "3_bar_sinkbasin", "4_bar_bathtubbasin"]),
        st.integers(min_value=0, max_value=99),
    )
    | st.sampled_from(["agent1", "cabinettype", "sinkbasintype"]),
    max_size=40,
)


def test_numbers_are_handed_out_descending_in_the_order_of_ids() -> None:
    names = display_names(["cabinet_bar_1", "cabinet_bar_2", "desk_bar_1", "sink_bar_1", "sink_bar_1_bar_sinkbasin"])
    assert list(names.values()) == ["cabinet 2", "cabinet 1", "desk 1", "sink 1", "sinkbasin 1"]


@given(_entities, st.none() | st.integers(min_value=0, max_value=2**32))
def test_names_are_those_of_alfworlds_demangler(entities: set[str], seed: int | None) -> None:
    misc = pytest.importorskip("alfworld.agents.utils.misc", reason="alfworld is not installed")
    if seed is not None:
        random.seed(seed)
    infos = {id_: SimpleNamespace(id=id_) for id_ in entities}
    demangler = misc.Demangler(game_infos=infos, shuffle=seed is not None)
    assert display_names(sorted(entities), seed) == {id_: demangler.demangle_alfred_name(id_) for id_ in entities}


def test_a_seed_renames_and_leaves_the_rest_alone(kitchen: Game) -> None:
    plain = kitchen.start()
    seeded = [kitchen.start(name_seed=seed) for seed in range(20)]
    assert {play.step("go to countertop 1") for play in seeded} == {
        "You arrive at countertop 1. On the countertop 1, you see a apple 1, a bowl 1, a knife 1, and a plate 1.",
        "You arrive at countertop 1. On the countertop 1, you see a apple 2, a bowl 1, a knife 1, and a plate 1.",
    }
    plain.step("go to countertop 1")
    assert all(play.facts() == plain.facts() for play in seeded)
    assert kitchen.start(name_seed=3).admissible_commands == kitchen.start(name_seed=3).admissible_commands
