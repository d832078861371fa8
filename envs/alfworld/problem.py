"""Writes a generated household as a PDDL problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from envs.alfworld.layout import Layout, Receptacle
from envs.alfworld.places import CLEANABLE, COOLABLE, FIXED, HEATABLE, SLICEABLE, VESSELS, accepts

_AFFORDANCES = {
    "cleanable": CLEANABLE,
    "heatable": HEATABLE,
    "coolable": COOLABLE,
    "sliceable": SLICEABLE,
    "isReceptacleObject": VESSELS,
    "toggleable": frozenset({"DeskLamp"}),
}
# The domain names these, whether or not the room has such a thing.
_RTYPES_OF_DOMAIN = ("SinkBasin", "Microwave", "Fridge")
_OTYPES_OF_DOMAIN = ("Knife", "ButterKnife")

_CONDITIONS = {
    "pick_and_place_simple": "",
    "pick_clean_then_place_in_recep": "(cleanable ?o) (isClean ?o) ",
    "pick_heat_then_place_in_recep": "(heatable ?o) (isHot ?o) ",
    "pick_cool_then_place_in_recep": "(coolable ?o) (isCool ?o) ",
}
_PLACE_ONE = """\
  (:goal (exists (?r - receptacle ?o - object) (and
    (receptacleType ?r {r}Type) (objectType ?o {o}Type) {condition}(inReceptacle ?o ?r))))"""
_PLACE_TWO = """\
  (:goal (exists (?r - receptacle ?o - object ?other - object) (and
    (receptacleType ?r {r}Type) (objectType ?o {o}Type) (objectType ?other {o}Type) (not (= ?o ?other))
    (inReceptacle ?o ?r) (inReceptacle ?other ?r))))"""
_LOOK = """\
  (:goal (and
    (exists (?lamp - object ?r - receptacle ?a - agent ?l - location) (and
      (objectType ?lamp {r}Type) (toggleable ?lamp) (isToggled ?lamp) (inReceptacle ?lamp ?r)
      (receptacleAtLocation ?r ?l) (atLocation ?a ?l)))
    (exists (?o - object ?a - agent) (and (objectType ?o {o}Type) (holds ?a ?o)))))"""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object: its id in the game file, its kind, the receptacles that it is in or on, its location's number.

    A thing in no receptacle is a fixture, which nothing can reach.
    """

    id: str
    kind: str
    inside: tuple[Receptacle, ...]
    location: int


def problem_text(layout: Layout, things: Sequence[Thing], goal: tuple[str, str, str]) -> str:
    """The PDDL problem of a room.

    Args:
        layout: the furniture. The agent starts at the location after the last of it.
        things: the objects.
        goal: the task type, the thing asked for, and the receptacle kind (or the lamp) asked for.
    """
    task_type, thing, target = goal
    template = {"look_at_obj_in_light": _LOOK, "pick_two_obj_and_place": _PLACE_TWO}.get(task_type, _PLACE_ONE)
    return "\n".join(
        (
            "(define (problem generated)",
            "  (:domain household)",
            "  (:objects",
            *_declarations(layout, things),
            "  )",
            "  (:init",
            *(f"    ({fact})" for fact in _facts(layout, things)),
            "  )",
            template.format(o=thing, r=target, condition=_CONDITIONS.get(task_type, "")),
            ")",
            "",
        )
    )


def _declarations(layout: Layout, things: Sequence[Thing]) -> Iterator[str]:
    locations = {layout.locations} | {r.location for r in layout.receptacles} | {t.location for t in things}
    yield "    agent1 - agent"
    for ids, type_ in (
        (map(_location, sorted(locations)), "location"),
        ((receptacle.id for receptacle in layout.receptacles), "receptacle"),
        ((thing.id for thing in things), "object"),
        ((f"{kind}Type" for kind in sorted({*layout.kinds, *_RTYPES_OF_DOMAIN})), "rtype"),
        ((f"{kind}Type" for kind in sorted({*(t.kind for t in things), *_OTYPES_OF_DOMAIN})), "otype"),
    ):
        yield f"    {' '.join(ids)} - {type_}"


def _facts(layout: Layout, things: Sequence[Thing]) -> Iterator[str]:
    yield f"atLocation agent1 {_location(layout.locations)}"
    for receptacle in layout.receptacles:
        yield f"receptacleType {receptacle.id} {receptacle.kind}Type"
        yield f"receptacleAtLocation {receptacle.id} {_location(receptacle.location)}"
        if receptacle.openable:
            yield f"openable {receptacle.id}"
    for thing in things:
        yield f"objectType {thing.id} {thing.kind}Type"
        yield f"objectAtLocation {thing.id} {_location(thing.location)}"
        for receptacle in thing.inside:
            yield f"inReceptacle {thing.id} {receptacle.id}"
        if thing.inside and thing.kind not in FIXED:
            yield f"pickupable {thing.id}"
        for affordance, kinds in _AFFORDANCES.items():
            if thing.kind in kinds:
                yield f"{affordance} {thing.id}"
    for receptacle_kind in sorted(layout.kinds):
        for kind in sorted({thing.kind for thing in things}):
            if accepts(receptacle_kind, kind):
                yield f"canContain {receptacle_kind}Type {kind}Type"


def _location(number: int) -> str:
    return f"loc_bar_{number:02}"
