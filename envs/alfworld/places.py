"""Where things are kept in ALFWorld's rooms, and what can be done with them.

One table serves two readers: the generator puts things where they belong, and the expert looks for them there.
"""

from __future__ import annotations

# A line a thing: of a hundred of them, in rooms that have such a receptacle, how many lie in or on one (measured on
# the official games). What may hold a thing but never does at the start has 0.
_TABLE = """
AlarmClock: DiningTable 56, Desk 47, Dresser 38, Shelf 31, SideTable 30
Apple: DiningTable 27, CounterTop 24, Fridge 24, SideTable 17, Microwave 13, GarbageCan 12, SinkBasin 9
Book: CounterTop 58, Bed 51, CoffeeTable 32, Desk 28, DiningTable 21, Dresser 16, Sofa 16, Cabinet 14,
    ArmChair 10, Drawer 10, SideTable 7, Shelf 3, Ottoman 0
Bowl: Desk 61, Cabinet 36, DiningTable 28, TVStand 28, CoffeeTable 27, Dresser 27, CounterTop 21, Fridge 21,
    Shelf 20, SideTable 6, Microwave 3, SinkBasin 3
Box: Desk 53, DiningTable 51, CoffeeTable 27, Sofa 25, Shelf 18, Cabinet 17, Dresser 10, Ottoman 9, SideTable 9,
    TVStand 9, ArmChair 3
Bread: CounterTop 56, DiningTable 55, Fridge 12, SideTable 6, GarbageCan 1, Microwave 1
ButterKnife: CounterTop 58, DiningTable 46, SideTable 16, Drawer 9, SinkBasin 6
CD: DiningTable 49, Desk 29, Drawer 29, Dresser 29, SideTable 20, Cabinet 14, Shelf 11, ArmChair 10,
    GarbageCan 8, Safe 0
Candle: SideTable 47, CounterTop 35, Cabinet 31, Toilet 30, CoffeeTable 28, Shelf 28, Drawer 22, Cart 20,
    DiningTable 20, TVStand 18, Dresser 14
CellPhone: CounterTop 38, DiningTable 31, Bed 29, Desk 25, Drawer 22, Dresser 22, CoffeeTable 20, Ottoman 20,
    TVStand 18, SideTable 15, ArmChair 13, Sofa 13, Shelf 11, Safe 7, Cabinet 2
Cloth: Cabinet 46, BathtubBasin 42, Drawer 25, CounterTop 19, Cart 17, Shelf 17, Dresser 14, SinkBasin 8,
    Toilet 3, ArmChair 0, Desk 0, DiningTable 0, GarbageCan 0, LaundryHamper 0, SideTable 0
CreditCard: CounterTop 42, Drawer 27, Desk 25, Dresser 23, Shelf 23, DiningTable 21, SideTable 19, Sofa 19,
    TVStand 19, CoffeeTable 18, ArmChair 15, Ottoman 9, Safe 0
Cup: DiningTable 25, Cabinet 23, CounterTop 21, Fridge 21, SideTable 17, Shelf 10, SinkBasin 10, Microwave 7
DeskLamp: SideTable 65, Desk 42, Dresser 36, CoffeeTable 20, Shelf 14
DishSponge: CounterTop 26, Cabinet 24, DiningTable 23, BathtubBasin 22, Drawer 22, Cart 15, Shelf 14,
    SinkBasin 8, Toilet 8, SideTable 7, GarbageCan 5
Egg: Fridge 25, CounterTop 24, DiningTable 21, SideTable 14, GarbageCan 13, SinkBasin 13, Microwave 12
Fork: CounterTop 44, DiningTable 41, Drawer 23, SideTable 15, SinkBasin 9
Glassbottle: Cabinet 31, DiningTable 29, CounterTop 27, Shelf 13, SinkBasin 10, Fridge 9, GarbageCan 7,
    Microwave 0, SideTable 0
HandTowel: HandTowelHolder 96, CounterTop 4, BathtubBasin 0, Cabinet 0, Cart 0, Drawer 0, GarbageCan 0, Shelf 0,
    SideTable 0, SinkBasin 0, Toilet 0
HousePlant: CounterTop 77, SideTable 38, DiningTable 35, CoffeeTable 30, Desk 27, Dresser 27, TVStand 19,
    Shelf 18, Cabinet 4
Kettle: StoveBurner 42, CounterTop 26, Cabinet 24, DiningTable 17, SinkBasin 2, Shelf 1, SideTable 0
KeyChain: Desk 26, Drawer 25, Dresser 25, CoffeeTable 24, DiningTable 22, SideTable 22, Shelf 21, TVStand 21,
    Safe 15, Sofa 13, ArmChair 11, Ottoman 11, Cabinet 3
Knife: CounterTop 48, DiningTable 44, Drawer 21, SideTable 8, SinkBasin 5, GarbageCan 1
Ladle: CounterTop 42, DiningTable 31, Cabinet 25, Drawer 18, SinkBasin 2, SideTable 0
Laptop: Bed 74, DiningTable 33, CoffeeTable 30, Sofa 28, Desk 26, TVStand 14, Dresser 12, Ottoman 10,
    ArmChair 6, SideTable 4
Lettuce: DiningTable 50, CounterTop 41, Fridge 23, SideTable 14, SinkBasin 5, GarbageCan 1
Mug: Desk 54, CounterTop 33, Dresser 26, DiningTable 24, Cabinet 19, SideTable 19, CoffeeMachine 18, Fridge 16,
    Shelf 16, Microwave 9, SinkBasin 7
Newspaper: DiningTable 32, Dresser 29, Shelf 25, CoffeeTable 21, Sofa 20, SideTable 16, Ottoman 13, TVStand 11,
    ArmChair 8, Drawer 2, Cabinet 0, GarbageCan 0
Pan: StoveBurner 49, CounterTop 32, DiningTable 10, Cabinet 9, Fridge 5, SideTable 0, SinkBasin 0
PaperTowelRoll: CounterTop 56, DiningTable 42, Toilet 32, Shelf 31, Cart 24, SideTable 24, GarbageCan 15
Pen: DiningTable 51, Desk 40, CoffeeTable 34, Dresser 32, Shelf 23, SideTable 22, Drawer 18, TVStand 18,
    GarbageCan 2
Pencil: DiningTable 39, Desk 33, CoffeeTable 29, SideTable 27, Dresser 26, Shelf 25, Drawer 20, TVStand 14,
    GarbageCan 6
PepperShaker: Cabinet 33, CounterTop 31, DiningTable 29, SideTable 21, Shelf 16, Drawer 15
Pillow: Bed 99, Sofa 80, ArmChair 14, Ottoman 0
Plate: Cabinet 40, DiningTable 33, CounterTop 30, CoffeeTable 23, Shelf 12, TVStand 12, Fridge 9, SideTable 7,
    Dresser 6, SinkBasin 2, Microwave 1
Pot: StoveBurner 70, CounterTop 15, DiningTable 9, Fridge 5, Cabinet 4, Shelf 2, SinkBasin 1, SideTable 0
Potato: CounterTop 29, DiningTable 28, Fridge 26, SideTable 11, SinkBasin 11, Microwave 10, GarbageCan 6
RemoteControl: Desk 37, CoffeeTable 29, DiningTable 22, Dresser 22, TVStand 22, Sofa 19, SideTable 16,
    Drawer 10, Ottoman 10, ArmChair 9, Shelf 8
SaltShaker: Cabinet 32, CounterTop 32, DiningTable 31, SideTable 22, Drawer 15, Shelf 14
SoapBar: SideTable 34, Cabinet 27, CounterTop 23, Drawer 19, BathtubBasin 18, Cart 18, Shelf 17, SinkBasin 15,
    Toilet 15, GarbageCan 7
SoapBottle: DiningTable 36, CounterTop 33, Cabinet 32, Dresser 31, Toilet 24, Shelf 23, SideTable 15, Cart 13,
    GarbageCan 10, Drawer 2
Spatula: CounterTop 45, DiningTable 43, Drawer 22, SinkBasin 9, SideTable 6, StoveBurner 1
Spoon: DiningTable 38, CounterTop 37, Drawer 28, SideTable 16, SinkBasin 11
SprayBottle: SideTable 49, Cart 40, CounterTop 36, Cabinet 35, Shelf 26, Toilet 26, Dresser 22, GarbageCan 10,
    Drawer 0
Statue: CounterTop 51, Shelf 42, Desk 40, CoffeeTable 31, DiningTable 31, Dresser 28, SideTable 26, TVStand 25,
    Safe 0
TeddyBear: Bed 100
Television: TVStand 100, Dresser 95, CoffeeTable 11, SideTable 3
TissueBox: Desk 47, CoffeeTable 45, CounterTop 43, DiningTable 37, Shelf 33, Cabinet 26, TVStand 22, Cart 20,
    SideTable 19, Drawer 17, Dresser 8, Toilet 2, GarbageCan 1
ToiletPaper: Cabinet 26, CounterTop 26, SideTable 25, Shelf 23, Toilet 23, Cart 21, Drawer 20, Dresser 19,
    ToiletPaperHanger 12, GarbageCan 9
Tomato: DiningTable 34, Fridge 33, CounterTop 30, SideTable 15, GarbageCan 9, SinkBasin 7, Microwave 0
Towel: TowelHolder 98, CounterTop 3
Vase: Dresser 53, Shelf 41, CounterTop 34, Cabinet 28, CoffeeTable 24, DiningTable 21, SideTable 18, TVStand 16
Watch: DiningTable 28, Drawer 28, CoffeeTable 27, TVStand 27, Dresser 24, Shelf 22, SideTable 20
WateringCan: CoffeeTable 53, Shelf 38, SideTable 9, Cabinet 0, DiningTable 0, Drawer 0, Dresser 0
WineBottle: CounterTop 37, DiningTable 35, Cabinet 25, GarbageCan 9, Shelf 9, Fridge 2, SideTable 0
"""


def _parse(table: str) -> dict[str, dict[str, int]]:
    rows = (line.partition(":") for line in table.replace("\n    ", " ").strip().splitlines())
    return {
        thing: {kind: int(number) for kind, number in (item.split() for item in row.split(","))}
        for thing, _, row in rows
    }


def _kinds(names: str) -> frozenset[str]:
    return frozenset(names.split())


PLACES = _parse(_TABLE)
"""thing -> receptacle kind -> how often it is found there, in percent."""

FIXED = frozenset({"DeskLamp", "HousePlant", "Television"})
"""Things that stand in or on a receptacle and cannot be taken."""

NOWHERE_TO_PUT = FIXED | {"PaperTowelRoll", "TeddyBear"}
"""Things that no receptacle accepts, though they may lie on one."""

CLEANABLE = _kinds(
    "Apple Bowl ButterKnife Cloth Cup DishSponge Egg Fork Kettle Knife Ladle Lettuce Mug Pan Plate Pot Potato SoapBar "
    "Spatula Spoon Tomato"
)
HEATABLE = _kinds("Apple Bread Cup Egg Mug Plate Potato Tomato")
COOLABLE = _kinds("Apple Bowl Bread Cup Egg Lettuce Mug Pan Plate Pot Potato Tomato WineBottle")
SLICEABLE = _kinds("Apple Bread Egg Lettuce Potato Tomato")
VESSELS = _kinds("Bowl Box Cup Mug Pan Plate Pot")
"""Things that are receptacles themselves, as far as `examine` goes."""

OPENABLE = {"Fridge": 1.0, "Microwave": 1.0, "Safe": 0.85, "Cabinet": 0.88, "Drawer": 0.9}
"""Receptacle kinds with a door -> the share of them that opens (a drawer that does not is always accessible)."""


def accepts(kind: str, thing: str) -> bool:
    """Whether a receptacle of this kind takes a thing of this kind."""
    return thing not in NOWHERE_TO_PUT and kind in PLACES.get(thing, {})
