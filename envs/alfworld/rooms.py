"""What the four kinds of room hold: furniture, things, and how much of each.

The numbers are measured on the official training and validation games, and a few of them fitted, so that generated
rooms of full size have the official rooms' statistics (`tests/envs/alfworld/test_generator.py` holds them to it).
"""

from __future__ import annotations

from dataclasses import dataclass

from envs.alfworld.dice import Dice


@dataclass(frozen=True, slots=True)
class Amount:
    """How many of something a room has: none, or from `least` to `most` with this mean where there is one at all."""

    share: float
    least: int
    most: int
    mean: float

    def draw(self, dice: Dice) -> int:
        return dice.skewed(self.least, self.most, self.mean) if dice.chance(self.share) else 0


@dataclass(frozen=True, slots=True)
class Room:
    """A kind of room.

    Attributes:
        name: "kitchen", "living room", "bedroom" or "bathroom".
        core: the furniture that even the smallest room has, for its tasks need it.
        own_spot: the share of fixtures that have a location of their own.
        furniture: receptacle kind -> amount.
        things: what lies in or on the furniture.
        fixtures: what is only there: no command reaches it and no text shows it, but it counts as an object.
    """

    name: str
    core: tuple[str, ...]
    own_spot: float
    furniture: dict[str, Amount]
    things: dict[str, Amount]
    fixtures: dict[str, Amount]


def _amounts(table: str) -> dict[str, Amount]:
    """Reads "Cabinet 0.48 2-9 4.3; ...": the share of rooms that have it, least to most, mean."""
    amounts = {}
    for entry in table.split(";"):
        kind, share, span, mean = entry.split()
        least, most = span.split("-")
        amounts[kind] = Amount(float(share), int(least), int(most), float(mean))
    return amounts


def _room(name: str, core: tuple[str, ...], own_spot: float, furniture: str, things: str, fixtures: str) -> Room:
    return Room(name, core, own_spot, _amounts(furniture), _amounts(things), _amounts(fixtures))


_ALL = (
    _room(
        "kitchen",
        core=("Fridge", "Microwave", "SinkBasin", "CounterTop"),
        own_spot=0.67,
        furniture="""
            StoveBurner 1 4-6 4.1; CoffeeMachine 1 1-1 1; Microwave 1 1-1 1; Fridge 1 1-1 1; CounterTop 1 1-4 2.3;
            Toaster 1 1-1 1; Cabinet 1 4-25 14; SinkBasin 1 1-1 1; GarbageCan 1 1-1 1; Drawer 0.96 1-27 6.1;
            DiningTable 0.56 1-3 1.3; Shelf 0.15 3-3 3; SideTable 0.11 1-1 1""",
        things="""
            Apple 1 1-3 2; Book 0.11 1-3 1.5; Bowl 1 1-3 2; Bread 1 1-3 1.6; ButterKnife 0.97 1-3 1.9;
            CellPhone 0.11 1-3 1.9; CreditCard 0.09 1-3 2.1; Cup 1 1-3 2; DishSponge 1 1-3 2; Egg 1 1-3 2;
            Fork 1 1-3 2; Glassbottle 0.24 1-3 2; HousePlant 0.37 1-2 1.1; Kettle 0.52 1-3 1.8; Knife 1 1-3 2;
            Ladle 0.35 1-3 2; Lettuce 1 1-3 1.8; Mug 1 1-3 2; Pan 1 1-3 1.4; PaperTowelRoll 0.35 1-1 1;
            PepperShaker 1 1-3 2.1; Plate 1 1-3 1.9; Pot 1 1-3 1.6; Potato 1 1-3 2; SaltShaker 1 1-3 2;
            SoapBottle 1 1-3 2; Spatula 1 1-3 1.9; Spoon 1 1-3 2; Statue 0.15 1-3 1.8; Tomato 1 1-3 2;
            Vase 0.15 1-4 2.5; WineBottle 0.42 1-3 2""",
        fixtures="""
            Blinds 0.2 1-1 1; Chair 0.84 1-3 1.5; Faucet 1 1-2 1.1; LightSwitch 1 1-1 1; Mirror 0.09 1-1 1;
            Sink 1 1-1 1; StoveKnob 1 4-4 4; Window 0.89 1-3 1.4""",
    ),
    _room(
        "living room",
        core=("Sofa", "SideTable"),
        own_spot=0.95,
        furniture="""
            Sofa 1 1-2 1.2; GarbageCan 1 1-1 1; ArmChair 0.93 1-3 1.4; CoffeeTable 0.85 1-2 1.2; Drawer 0.85 1-14 5.5;
            SideTable 0.78 1-5 2; DiningTable 0.52 1-2 1.2; TVStand 0.44 1-2 1.2; Shelf 0.3 1-12 5;
            Dresser 0.33 1-2 1.1; Ottoman 0.15 1-1 1; Cabinet 0.11 1-8 4.3""",
        things="""
            Book 0.27 1-3 1.8; Bowl 0.11 1-3 1.8; Box 0.9 1-3 1.2; Candle 0.09 1-4 2.5; CellPhone 0.22 1-3 2;
            CreditCard 1 1-3 2.2; DeskLamp 0.26 1-1 1; HousePlant 1 1-2 1.1; KeyChain 1 1-3 2; Laptop 1 1-3 1.4;
            Newspaper 0.62 1-3 1.9; Pen 0.2 1-3 2; Pencil 0.17 1-3 2; Pillow 1 1-2 1.1; Plate 0.35 1-3 1.7;
            RemoteControl 1 1-3 2.1; Statue 0.96 1-4 2.3; Television 0.7 1-1 1; TissueBox 0.34 1-3 2.1;
            Vase 0.57 1-4 2.8; Watch 0.5 1-3 2.1; WateringCan 0.15 1-1 1""",
        fixtures="""
            Boots 0.2 1-1 1; Chair 0.71 1-8 3.8; Curtains 0.35 1-3 1.4; FloorLamp 1 1-1 1; Lamp 0.24 1-2 1.2;
            LightSwitch 1 1-1 1; Mirror 0.1 1-1 1; Painting 1 1-3 1.9; Window 0.97 1-4 2.7""",
    ),
    _room(
        "bedroom",
        core=("Bed", "Desk"),
        own_spot=0.87,
        furniture="""
            Bed 1 1-2 1.1; GarbageCan 1 1-1 1; Drawer 0.96 2-17 6.1; Shelf 0.67 1-14 4.6; Desk 0.67 1-2 1.1;
            SideTable 0.67 1-2 1.3; Dresser 0.48 1-2 1.2; LaundryHamper 0.26 1-1 1; ArmChair 0.22 1-3 1.5;
            Safe 0.15 1-1 1; Cabinet 0.15 1-4 2.8; DiningTable 0.15 1-1 1""",
        things="""
            AlarmClock 1 1-3 1.7; Book 1 1-3 1.9; Bowl 0.46 1-3 1.6; Box 0.47 1-1 1; CD 1 1-3 2.1;
            CellPhone 1 1-3 2.1; Cloth 0.18 1-3 1.9; CreditCard 1 1-3 2; DeskLamp 0.71 1-2 1.1; HousePlant 0.27 1-1 1;
            KeyChain 1 1-3 2.1; Laptop 1 1-3 1.6; Mug 0.51 1-3 1.9; Pen 1 1-3 2.1; Pencil 1 1-3 2; Pillow 1 1-3 1.7;
            RemoteControl 0.12 1-3 2; Statue 0.14 1-3 1.5; TeddyBear 0.35 1-1 1; Television 0.12 1-1 1;
            TissueBox 0.14 1-3 1.9""",
        fixtures="""
            BaseballBat 0.41 1-2 1.1; BasketBall 0.37 1-1 1; Blinds 0.91 1-3 1.5; Boots 0.11 1-1 1;
            Chair 0.79 1-3 1.3; Lamp 0.29 1-3 1.4; LaundryHamperLid 0.27 1-1 1; LightSwitch 1 1-1 1; Mirror 1 1-1 1;
            Painting 0.42 1-3 1.5; Poster 0.23 1-3 1.5; TennisRacket 0.4 1-1 1; Window 1 1-3 1.5""",
    ),
    _room(
        "bathroom",
        core=("SinkBasin", "Toilet"),
        own_spot=0.5,
        furniture="""
            TowelHolder 1 1-2 1.3; HandTowelHolder 1 1-4 1.5; ToiletPaperHanger 1 1-1 1; Toilet 1 1-1 1;
            SinkBasin 1 1-2 1.5; GarbageCan 1 1-1 1; CounterTop 0.85 1-2 1.2; BathtubBasin 0.7 1-1 1;
            Drawer 0.56 1-8 4.5; Cabinet 0.48 2-9 4.3; Shelf 0.26 1-4 2; Cart 0.07 1-1 1; Dresser 0.07 1-1 1;
            SideTable 0.07 1-1 1""",
        things="""
            Candle 1 1-3 2.1; Cloth 1 1-3 2; DishSponge 0.24 1-3 2.2; HandTowel 1 1-2 1.2; PaperTowelRoll 0.16 1-1 1;
            SoapBar 1 1-3 2.1; SoapBottle 1 1-3 2; SprayBottle 1 1-3 2; TissueBox 0.25 1-3 1.9; ToiletPaper 1 1-4 2.3;
            Towel 1 1-2 1.1""",
        fixtures="""
            Bathtub 0.71 1-1 1; Faucet 0.92 1-4 2.4; FloorLamp 0.08 1-3 2; LightSwitch 1 1-1 1; Mirror 1 1-1 1;
            Plunger 1 1-1 1; ScrubBrush 1 1-1 1; ShowerCurtain 0.43 1-1 1; ShowerDoor 0.58 1-1 1;
            ShowerGlass 0.42 1-1 1; ShowerHead 0.43 1-1 1; Sink 1 1-3 1.4; Window 0.67 1-3 1.4""",
    ),
)

ROOMS = {room.name: room for room in _ALL}

SHARED_SPOTS = {
    "StoveBurner": ("StoveBurner", 0.5),
    "Cabinet": ("Cabinet", 0.1),
    "Drawer": ("Drawer", 0.16),
    "Shelf": ("Shelf", 0.08),
    "Toaster": ("CounterTop", 0.3),
    "CoffeeMachine": ("CounterTop", 0.25),
    "Dresser": ("Drawer", 0.25),
}
"""Receptacle kind -> the kind next to which it may stand, at one location, and how likely that is."""

OVERLAPS = {"CoffeeMachine": ("CounterTop", 0.9), "StoveBurner": ("StoveBurner", 0.45)}
"""Receptacle kind -> where a thing on it may count as lying too, and how likely that is (a quirk of the official
games: their simulator found a mug both on the coffee machine and on the counter below)."""
