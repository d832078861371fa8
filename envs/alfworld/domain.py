"""The rules of generated games, as TextWorld wants them: a PDDL domain and a grammar that names what is seen.

Written for this project. What ALFWorld fixes for everybody is kept to the letter: the predicates that a problem
file states, the commands, and the phrases of the answers in its dialect 2.1.3. Only what a game can show or ask
for is here; `tests/envs/alfworld` plays generated games in TextWorld and in our engine and compares every text.
"""

from __future__ import annotations

DOMAIN = """\
(define (domain household)
  (:requirements :adl :typing)
  (:types agent location receptacle object rtype otype)

  (:predicates
    ; where things are
    (atLocation ?a - agent ?l - location)
    (receptacleAtLocation ?r - receptacle ?l - location)
    (objectAtLocation ?o - object ?l - location)
    (inReceptacle ?o - object ?r - receptacle)
    (holds ?a - agent ?o - object)
    (holdsAny ?a - agent)
    ; what they are
    (receptacleType ?r - receptacle ?t - rtype)
    (objectType ?o - object ?t - otype)
    (canContain ?r - rtype ?o - otype)
    (isReceptacleObject ?o - object)
    ; what can be done to them, and what was done
    (openable ?r - receptacle)
    (opened ?r - receptacle)
    (pickupable ?o - object)
    (cleanable ?o - object)
    (isClean ?o - object)
    (heatable ?o - object)
    (isHot ?o - object)
    (coolable ?o - object)
    (isCool ?o - object)
    (toggleable ?o - object)
    (isToggled ?o - object)
    (sliceable ?o - object)
    (isSliced ?o - object)
    ; a planner drops actions that change nothing, so looking leaves a mark
    (noted ?x))

  ; looking around
  (:action look
    :parameters (?a - agent ?l - location)
    :precondition (atLocation ?a ?l)
    :effect (noted ?l))
  (:action inventory
    :parameters (?a - agent)
    :precondition ()
    :effect (noted ?a))
  (:action help
    :parameters (?a - agent)
    :precondition ()
    :effect (noted ?a))
  (:action examineReceptacle
    :parameters (?a - agent ?r - receptacle)
    :precondition (exists (?l - location) (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l)))
    :effect (noted ?r))
  (:action examineObject
    :parameters (?a - agent ?o - object)
    :precondition (holds ?a ?o)
    :effect (noted ?o))

  ; moving about
  (:action goto
    :parameters (?a - agent ?from - location ?to - location ?r - receptacle)
    :precondition (and (atLocation ?a ?from) (receptacleAtLocation ?r ?to))
    :effect (and (not (atLocation ?a ?from)) (atLocation ?a ?to)))
  (:action open
    :parameters (?a - agent ?l - location ?r - receptacle)
    :precondition (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l) (openable ?r) (not (opened ?r)))
    :effect (opened ?r))
  (:action close
    :parameters (?a - agent ?l - location ?r - receptacle)
    :precondition (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l) (openable ?r) (opened ?r))
    :effect (not (opened ?r)))

  ; carrying, one thing at a time
  (:action take
    :parameters (?a - agent ?l - location ?o - object ?r - receptacle)
    :precondition (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l) (or (not (openable ?r)) (opened ?r))
                       (inReceptacle ?o ?r) (pickupable ?o) (not (holdsAny ?a)))
    :effect (and (holds ?a ?o) (holdsAny ?a) (not (inReceptacle ?o ?r)) (not (objectAtLocation ?o ?l))))
  (:action move
    :parameters (?a - agent ?l - location ?o - object ?r - receptacle ?ot - otype ?rt - rtype)
    :precondition (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l) (or (not (openable ?r)) (opened ?r))
                       (holds ?a ?o) (objectType ?o ?ot) (receptacleType ?r ?rt) (canContain ?rt ?ot))
    :effect (and (inReceptacle ?o ?r) (objectAtLocation ?o ?l) (not (holds ?a ?o)) (not (holdsAny ?a))))

  ; changing things: appliances work open or closed. Every problem declares the five types named below
  (:action clean
    :parameters (?a - agent ?l - location ?o - object ?r - receptacle)
    :precondition (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l) (receptacleType ?r SinkBasinType)
                       (holds ?a ?o) (cleanable ?o))
    :effect (isClean ?o))
  (:action heat
    :parameters (?a - agent ?l - location ?o - object ?r - receptacle)
    :precondition (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l) (receptacleType ?r MicrowaveType)
                       (holds ?a ?o) (heatable ?o))
    :effect (and (isHot ?o) (not (isCool ?o))))
  (:action cool
    :parameters (?a - agent ?l - location ?o - object ?r - receptacle)
    :precondition (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l) (receptacleType ?r FridgeType)
                       (holds ?a ?o) (coolable ?o))
    :effect (and (isCool ?o) (not (isHot ?o))))
  (:action use
    :parameters (?a - agent ?l - location ?o - object ?r - receptacle)
    :precondition (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l) (inReceptacle ?o ?r) (toggleable ?o))
    :effect (isToggled ?o))
  (:action slice
    :parameters (?a - agent ?l - location ?o - object ?k - object)
    :precondition (and (atLocation ?a ?l) (objectAtLocation ?o ?l) (sliceable ?o) (holds ?a ?k)
                       (or (objectType ?k KnifeType) (objectType ?k ButterKnifeType)))
    :effect (isSliced ?o))
)
"""

# A thing counts as standing about only once it has been taken out of a receptacle here.
_AROUND = (
    "objectatlocation(o:object, l:location) & receptacleatlocation(r:receptacle, l:location)"
    " & not_inreceptacle(o:object, r:receptacle)"
)
_GRAMMAR = '''\
grammar :: """
{
  "intro": [{"rhs": "-= Welcome to TextWorld, ALFRED! =-\\n\\n#surroundings#\\n\\n#task#"}],
  "task": [{"rhs": "Your task is to: @TASK@."}],

  "surroundings": [
    {"condition": "atlocation(a:agent, l:location) & receptacleatlocation(r:receptacle, l:location)",
     "rhs": "You are facing the #furniture here#. Next to it, you see #things around#."},
    {"rhs": "You are in the middle of a room. Looking quickly around you, you see #furniture#."}
  ],
  "furniture": [{"rhs": "[{'a ' + r.name | receptacleatlocation(r:receptacle, l:location)}]"}],
  "furniture here": [{"rhs": "[{r.name | receptacleatlocation(r:receptacle, l:location)}]"}],
  "things around": [{"rhs": "[{'a ' + o.name | @AROUND@}]"}],

  "contents": [
    {"condition": "openable(r:receptacle) & opened(r:receptacle)",
     "rhs": "The {r.name} is open. In it, you see #things#."},
    {"condition": "openable(r:receptacle)", "rhs": "The {r.name} is closed."},
    {"rhs": "On the {r.name}, you see #things#."}
  ],
  "things": [{"rhs": "[{'a ' + o.name | inreceptacle(o:object, r:receptacle)}]"}],

  "condition": [
    {"condition": "isreceptacleobject(o:object)", "rhs": "This is a normal {o.name}. In it, you see nothing."},
    {"condition": "issliced(o:object) & isclean(o:object) & ishot(o:object)",
     "rhs": "This is a hot and clean sliced {o.name}."},
    {"condition": "issliced(o:object) & isclean(o:object) & iscool(o:object)",
     "rhs": "This is a cool and clean sliced {o.name}."},
    {"condition": "issliced(o:object) & isclean(o:object)", "rhs": "This is a clean sliced {o.name}."},
    {"condition": "issliced(o:object) & ishot(o:object)", "rhs": "This is a hot sliced {o.name}."},
    {"condition": "issliced(o:object) & iscool(o:object)", "rhs": "This is a cool sliced {o.name}."},
    {"condition": "isclean(o:object) & ishot(o:object)", "rhs": "This is a hot and clean {o.name}."},
    {"condition": "isclean(o:object) & iscool(o:object)", "rhs": "This is a cool and clean {o.name}."},
    {"condition": "ishot(o:object)", "rhs": "This is a hot {o.name}."},
    {"condition": "isclean(o:object)", "rhs": "This is a clean {o.name}."},
    {"condition": "iscool(o:object)", "rhs": "This is a cold {o.name}."},
    {"condition": "issliced(o:object)", "rhs": "This is a sliced {o.name}."},
    {"rhs": "There's nothing special about {o.name}."}
  ],

  "list_empty": [{"rhs": "nothing"}],
  "list_separator": [{"rhs": ", "}],
  "list_last_separator": [{"rhs": ", and "}]
}
""";

action look { template :: "look"; feedback :: "#surroundings#"; }
action examineReceptacle { template :: "examine {r}"; feedback :: "#contents#"; }
action examineObject { template :: "examine {o}"; feedback :: "#condition#"; }

action goto { template :: "go to {r}"; feedback :: "You arrive at {r.name}. #contents#"; }
action open { template :: "open {r}"; feedback :: "You open the {r.name}. #contents#"; }
action close { template :: "close {r}"; feedback :: "You close the {r.name}."; }

action take { template :: "take {o} from {r}"; feedback :: "You pick up the {o.name} from the {r.name}."; }
action move { template :: "move {o} to {r}"; feedback :: "You move the {o.name} to the {r.name}."; }

action clean { template :: "clean {o} with {r}"; feedback :: "You clean the {o.name} using the {r.name}."; }
action heat { template :: "heat {o} with {r}"; feedback :: "You heat the {o.name} using the {r.name}."; }
action cool { template :: "cool {o} with {r}"; feedback :: "You cool the {o.name} using the {r.name}."; }
action use { template :: "use {o}"; feedback :: "You turn on the {o.name}."; }
action slice { template :: "slice {o} with {k}"; feedback :: "You sliced the {o.name} with the {k.name}."; }

action inventory {
  template :: "inventory";
  feedback :: "#carried#";
  grammar :: """
  {"carried": [
    {"condition": "holdsany(a:agent)", "rhs": "You are carrying: [{'a ' + o.name | holds(a:agent, o:object)}]."},
    {"rhs": "You are not carrying anything."}]}
  """;
}

action help {
  template :: "help";
  feedback :: "
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
";
}
'''


def grammar(task: str) -> str:
    """The grammar of a game whose first observation ends with "Your task is to: `task`."."""
    return _GRAMMAR.replace("@AROUND@", _AROUND).replace("@TASK@", task)
