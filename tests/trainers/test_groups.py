"""No episode gets lost between the environment and the batch, and none is compared that says nothing."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.errors import ContractError, DataError
from rollout import Trajectory
from tests.trainers.episodes import cancelled, episode, failed
from trainers.groups import Group, GroupAccount, GroupBuffer, form_groups

SOLVED, UNSOLVED, FAILED, CANCELLED = "solved", "unsolved", "failed", "cancelled"
fates = st.sampled_from([SOLVED, UNSOLVED, FAILED, CANCELLED])


def made(fate: str, task: str, sample: int) -> Trajectory:
    if fate == FAILED:
        return failed(task, sample)
    return cancelled(task, sample) if fate == CANCELLED else episode(task, sample, float(fate == SOLVED))


def test_a_group_with_different_scores_has_a_signal() -> None:
    groups, account = form_groups([episode("a", 0, 1.0), episode("a", 1, 0.0), episode("b", 0, 1.0)])
    assert [group.task for group in groups] == ["a"]
    assert groups[0].scores.tolist() == [1.0, 0.0]
    assert account.groups == {"signal": 1, "too few": 1}
    assert account.signal_share == 1.0


@pytest.mark.parametrize(
    ("scores", "kind"),
    [((1.0, 1.0), "all solved"), ((0.0, 0.0), "none solved"), ((0.25, 0.25 + 1e-9), "none solved")],
)
def test_a_group_without_a_signal_is_dropped_and_says_which_kind_it_is(scores: tuple[float, float], kind: str) -> None:
    groups, account = form_groups(episode("a", sample, value) for sample, value in enumerate(scores))
    assert not groups
    assert account.groups == {kind: 1}
    assert (account.dropped, account.signal_share) == (2, 0.0)


def test_equal_scores_of_a_solved_and_an_unsolved_episode_are_no_signal() -> None:
    _, account = form_groups([episode("a", 0, 0.5, success=True), episode("a", 1, 0.5, success=False)])
    assert account.groups == {"equal scores": 1}


def test_failed_and_cancelled_members_are_masked_by_class_and_the_others_compared() -> None:
    members = [episode("a", 0, 1.0), failed("a", 1, "env_timeout"), episode("a", 2, 0.0), cancelled("a", 3)]
    (group,), account = form_groups(members)
    assert [member.sample for member in group.members] == [0, 2]
    assert account.masked == {"env_timeout": 1, "cancelled": 1}
    assert account.balanced


def test_a_failed_member_is_never_a_score_of_zero() -> None:
    groups, account = form_groups([episode("a", 0, 1.0), episode("a", 1, 1.0), failed("a", 2)])
    assert not groups
    assert account.groups == {"all solved": 1}


def test_an_episode_that_nobody_scored_is_worth_the_environments_return() -> None:
    (group,), _ = form_groups([episode("a", 0, None, success=False), episode("a", 1, 0.5)])
    assert group.scores.tolist() == [0.0, 0.5]


def test_a_score_that_is_no_number_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"a#1: its score is nan"):
        form_groups([episode("a", 0, 1.0), episode("a", 1, float("nan"))])


def test_the_buffer_gives_a_group_when_its_last_member_ends_whatever_the_order() -> None:
    for order in permutations(range(3)):
        buffer = GroupBuffer(3)
        given_back = [buffer.add(episode("a", sample, float(sample == 0))) for sample in order]
        assert given_back[:2] == [None, None]
        assert given_back[2] is not None
        assert [member.sample for member in given_back[2].members] == [0, 1, 2]


def test_a_failed_member_completes_its_group() -> None:
    buffer = GroupBuffer(3)
    members = (episode("a", 0, 1.0), failed("a", 2), episode("a", 1, 0.0))
    group = [buffer.add(member) for member in members][-1]
    assert group is not None
    assert len(group.members) == 2
    assert len(group.masked) == 1


def test_a_task_may_be_played_again_while_its_first_group_is_open() -> None:
    buffer = GroupBuffer(2)
    buffer.add(episode("a", 0, 1.0))
    buffer.add(episode("a", 3, 0.0))
    second = buffer.add(episode("a", 2, 1.0))
    assert second is not None
    assert [member.sample for member in second.members] == [2, 3]


def test_an_episode_cannot_come_twice() -> None:
    buffer = GroupBuffer(2)
    buffer.add(episode("a", 0, 1.0))
    with pytest.raises(ContractError, match="a#0: the episode is in the buffer already"):
        buffer.add(episode("a", 0, 1.0))


def test_a_group_of_one_is_refused() -> None:
    with pytest.raises(ContractError, match="num_generations"):
        GroupBuffer(1)


def test_it_asks_for_as_many_tasks_as_the_batch_lacks() -> None:
    account = GroupAccount()
    assert account.tasks_needed(4) == 4
    for second in (0.0, 1.0, 1.0):
        account.enter(Group("a", (episode("a", 0, 1.0), episode("a", 1, second))))
    # One group of three had a signal, reckoned as 2 of 4: three more signals take six tasks.
    assert account.tasks_needed(4) == 6
    assert account.tasks_needed(1) == 0


def test_a_bad_start_asks_for_many_tasks_but_not_for_infinitely_many() -> None:
    account = GroupAccount()
    for _ in range(9):
        account.enter(Group("a", (episode("a", 0, 0.0), episode("a", 1, 0.0))))
    assert account.tasks_needed(2) == 20  # a share of 1 in 10


def test_a_stale_group_is_dropped_and_says_nothing_of_the_signal() -> None:
    account = GroupAccount()
    for stale in (False, True):
        account.enter(Group("a", (episode("a", 0, 0.0), episode("a", 1, 1.0)), (failed("a", 2),)), stale=stale)
    assert account.groups == {"signal": 1, "stale": 1}
    assert (account.trained, account.dropped, account.signal_share) == (2, 2, 1.0)
    assert account.balanced


@given(st.lists(fates, min_size=1, max_size=40), st.integers(2, 4), st.randoms())
def test_every_episode_is_accounted_for_and_none_is_trained_that_failed(
    fate: list[str], size: int, random: Random
) -> None:
    episodes = [made(one, f"t{number // (2 * size)}", number % (2 * size)) for number, one in enumerate(fate)]
    random.shuffle(episodes)
    buffer, account = GroupBuffer(size), GroupAccount()
    groups = [group for one in episodes if (group := buffer.add(one)) is not None]
    for group in groups:
        account.enter(group)
        assert account.balanced
    complete = Counter((one.task, one.sample // size) for one in episodes)
    assert account.episodes == size * sum(count == size for count in complete.values())
    taken = [group for group in groups if group.has_signal]
    assert account.trained == sum(len(group.members) for group in taken)
    assert all(member.scored for group in taken for member in group.members)
    assert all(len({member.score for member in group.members}) > 1 for group in taken)
