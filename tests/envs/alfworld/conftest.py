"""A small kitchen in which every verb and every odd phrase can be tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from envs.alfworld.domain import DOMAIN, grammar
from envs.alfworld.game import Game

_RECEPTACLES = {  # id -> type, location
    "Cabinet_bar_1": ("CabinetType", "loc_bar_2"),
    "CounterTop_bar_1": ("CounterTopType", "loc_bar_2"),
    "Fridge_bar_1": ("FridgeType", "loc_bar_3"),
    "Microwave_bar_1": ("MicrowaveType", "loc_bar_4"),
    "Sink_bar_1_bar_SinkBasin": ("SinkBasinType", "loc_bar_5"),
    "Desk_bar_1": ("DeskType", "loc_bar_6"),
}
_OBJECTS = {  # id -> type, receptacles, affordances
    "Apple_bar_1": ("AppleType", ["CounterTop_bar_1"], "pickupable cleanable heatable coolable sliceable"),
    "Apple_bar_2": ("AppleType", ["Fridge_bar_1"], "pickupable cleanable heatable coolable sliceable"),
    "Bowl_bar_1": ("BowlType", ["CounterTop_bar_1"], "pickupable cleanable coolable isReceptacleObject"),
    "DeskLamp_bar_1": ("DeskLampType", ["Desk_bar_1"], "toggleable"),
    "Knife_bar_1": ("KnifeType", ["CounterTop_bar_1"], "pickupable cleanable"),
    "Plate_bar_1": ("PlateType", ["Cabinet_bar_1", "CounterTop_bar_1"], "pickupable cleanable"),
}
_OPENABLE = ("Cabinet_bar_1", "Fridge_bar_1", "Microwave_bar_1")

GOALS = {
    "pick_and_place_simple": "(exists (?r - receptacle) (exists (?o - object) (and (inReceptacle ?o ?r)"
    " (objectType ?o AppleType) (receptacleType ?r DeskType))))",
    "look_at_obj_in_light": "(exists (?t - object ?r - receptacle ?a - agent ?l - location) (and"
    " (objectType ?t DeskLampType) (toggleable ?t) (isToggled ?t) (receptacleAtLocation ?r ?l) (atLocation ?a ?l)"
    " (inReceptacle ?t ?r))) (exists (?o - object ?a - agent) (and (objectType ?o AppleType) (holds ?a ?o)))",
    "pick_clean_then_place_in_recep": "(exists (?r - receptacle) (exists (?o - object) (and (cleanable ?o)"
    " (objectType ?o AppleType) (receptacleType ?r DeskType) (isClean ?o) (inReceptacle ?o ?r))))",
    "pick_heat_then_place_in_recep": "(exists (?r - receptacle) (exists (?o - object) (and (heatable ?o)"
    " (objectType ?o AppleType) (receptacleType ?r DeskType) (isHot ?o) (inReceptacle ?o ?r))))",
    "pick_cool_then_place_in_recep": "(exists (?r - receptacle) (exists (?o - object) (and (coolable ?o)"
    " (objectType ?o AppleType) (receptacleType ?r DeskType) (isCool ?o) (inReceptacle ?o ?r))))",
    "pick_two_obj_and_place": "(exists (?r - receptacle) (exists (?o1 - object) (and (objectType ?o1 AppleType)"
    " (receptacleType ?r DeskType) (inReceptacle ?o1 ?r) (exists (?o2 - object) (and (not (= ?o1 ?o2))"
    " (objectType ?o2 AppleType) (receptacleType ?r DeskType) (inReceptacle ?o2 ?r))))))",
}


def kitchen_problem(goal: str = GOALS["pick_and_place_simple"], extra: str = "", start: str = "loc_bar_1") -> str:
    """The PDDL of the kitchen.

    Args:
        goal: the conjuncts of the goal.
        extra: more facts of the start.
        start: the agent's location; `loc_bar_1` is the one without a receptacle.
    """
    types = {type_: "rtype" for type_, _ in _RECEPTACLES.values()}
    types |= {type_: "otype" for type_, _, _ in _OBJECTS.values()} | {"ButterKnifeType": "otype"}
    names = {"agent1": "agent", **types}
    names |= dict.fromkeys(_RECEPTACLES, "receptacle") | dict.fromkeys(_OBJECTS, "object")
    names |= {f"loc_bar_{number}": "location" for number in range(1, 7)}
    facts = [f"(atLocation agent1 {start})", extra, *(f"(openable {name})" for name in _OPENABLE)]
    for name, (type_, location) in _RECEPTACLES.items():
        facts += [f"(receptacleType {name} {type_})", f"(receptacleAtLocation {name} {location})"]
    for name, (type_, inside, affordances) in _OBJECTS.items():
        facts += [f"(objectType {name} {type_})", f"(objectAtLocation {name} {_RECEPTACLES[inside[0]][1]})"]
        facts += [f"(inReceptacle {name} {receptacle})" for receptacle in inside]
        facts += [f"({affordance} {name})" for affordance in affordances.split()]
    facts += [
        f"(canContain {receptacle} {type_})"
        for receptacle in sorted({type_ for type_, _ in _RECEPTACLES.values()} - {"MicrowaveType"})
        for type_ in ("AppleType", "BowlType", "KnifeType", "PlateType")
    ]
    objects = "\n".join(f"{name} - {type_}" for name, type_ in names.items())
    return (
        f"(define (problem kitchen) (:domain household) (:objects\n{objects})\n(:init\n"
        + "\n".join(facts)
        + f"\n)\n(:goal (and {goal})))\n"
    )


def kitchen_game(type_: str = "pick_and_place_simple", **kwargs: str) -> Game:
    """The kitchen as a game of one of the six types."""
    return Game.from_texts(
        domain=DOMAIN, grammar=grammar("try the kitchen"), problem=kitchen_problem(GOALS[type_], **kwargs)
    )


@pytest.fixture(scope="session")
def kitchen_text() -> Callable[..., str]:
    """`kitchen_problem`, for tests that want an odd one."""
    return kitchen_problem


@pytest.fixture(scope="session")
def make_kitchen() -> Callable[..., Game]:
    """`kitchen_game`, for tests that want another goal or start."""
    return kitchen_game


@pytest.fixture(scope="session")
def kitchen() -> Game:
    """The kitchen with the task to put an apple on the desk."""
    return kitchen_game()
