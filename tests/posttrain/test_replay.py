"""The replay: bounded, without duplicates, first come first used, and drawn again as stated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.posttrain.recipe import ReplaySettings
from gnomon.posttrain.records import Trajectory, Turn
from gnomon.posttrain.replay import Replay, _softmax_draw


def answer(task, tokens, reward=0.0, version=0, group="g"):
    turn = Turn(
        (1,),
        tuple(tokens),
        (-0.5,) * len(tokens),
        version,
        1.0,
        "eos",
        reward,
        {},
        False,
        (-1.0,) * len(tokens),
    )
    return Trajectory(task, group, 0, (turn,))


def group(task, version=0, size=3, group_id="g"):
    return tuple(answer(task, (k, 9), float(k), version, group_id) for k in range(size))


def remember(replay, *groups):
    for each in groups:
        for trajectory in each:
            replay.remember(trajectory)


def test_fresh_groups_are_used_once_in_order_of_arrival():
    replay = Replay(ReplaySettings())
    groups = [group(f"t{i}", group_id=f"g{i}") for i in range(6)]
    replay.add(groups)
    first, second = replay.draw(4, 3, 0, 0), replay.draw(2, 3, 0, 0)
    assert [g[0].task_id for g in first.groups + second.groups] == [f"t{i}" for i in range(6)]
    assert (first.fresh, first.replayed, len(replay.fresh)) == (4, 0, 0)


def test_the_same_tokens_are_kept_once_and_newest():
    replay = Replay(ReplaySettings(recency=0.5))
    remember(replay, group("t", version=0), group("t", version=5))
    assert replay.size == 3
    assert replay.duplicates == 3
    assert {t.policy_version for t in replay.memory["t"].values()} == {5}


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=60),
    st.integers(2, 6),
    st.integers(2, 12),
)
@settings(max_examples=60, deadline=None)
def test_bounds_hold_whatever_comes(arrivals, per_task, capacity):
    replay = Replay(ReplaySettings(recency=0.5, per_task=per_task, capacity=capacity))
    for task, token in arrivals:
        replay.remember(answer(f"t{task}", (token,)))
        sizes = [len(responses) for responses in replay.memory.values()]
        assert sum(sizes) == replay.size <= capacity
        assert max(sizes) <= per_task
        assert min(sizes) > 0


def test_memory_takes_its_share_once_it_can():
    replay = Replay(ReplaySettings(recency=0.25))
    replay.add([group(f"t{i}") for i in range(12)])
    assert replay.fresh_needed(8, 0) == 8  # nothing has been used yet, so nothing can be drawn again
    assert replay.draw(8, 3, 0, seed=0).replayed == 0
    assert replay.fresh_needed(8, 0) == 2
    batch = replay.draw(8, 3, 0, seed=1)
    assert (batch.fresh, batch.replayed) == (2, 6)
    again = [g[0].task_id for g in batch.groups[2:]]
    assert len(set(again)) == 6
    assert not set(again) & {g[0].task_id for g in batch.groups[:2]}
    assert all(len({t.action_ids for t in g}) == len(g) >= 2 for g in batch.groups[2:])


def test_drawing_again_follows_the_softmax_of_the_score():
    rng = np.random.default_rng(0)
    scores, temperature = np.array([0.0, 1.0, 2.0]), 0.5
    counts = np.bincount([_softmax_draw(scores, temperature, 1, rng)[0] for _ in range(20_000)], minlength=3)
    expected = np.exp(scores / temperature) / np.exp(scores / temperature).sum()
    assert np.abs(counts / 20_000 - expected).max() < 4 * np.sqrt(0.25 / 20_000)


def test_what_became_too_stale_is_dropped_and_counted_by_task():
    replay = Replay(ReplaySettings(recency=0.5), max_staleness=2)
    replay.add([group("old", version=0), group("new", version=3)])
    remember(replay, group("old", version=0), group("new", version=3))
    replay.drop_stale(4)
    assert [g[0].task_id for g in replay.fresh] == ["new"]
    assert dict(replay.dropped_stale) == {"old": 1}
    assert list(replay._repeatable(4)) == ["new"]


def test_it_is_saved_and_read_back_whole(tmp_path):
    replay = Replay(ReplaySettings(recency=0.5), max_staleness=3)
    replay.add([group(f"t{i}", version=i) for i in range(6)])
    replay.drop_stale(5)
    replay.draw(2, 3, 5, 0)
    assert replay.size == 6
    replay.save(tmp_path / "replay.jsonl")
    again = Replay(ReplaySettings(recency=0.5), max_staleness=3)
    again.load(tmp_path / "replay.jsonl")
    assert again.fresh == replay.fresh
    assert again.memory == replay.memory
    assert list(again.memory) == list(replay.memory)
    assert (again.size, again.dropped_stale) == (replay.size, replay.dropped_stale)
    assert again.draw(2, 3, 5, 7) == replay.draw(2, 3, 5, 7)


def test_records_refuse_what_cannot_be():
    with pytest.raises(UserError, match="one for each token"):
        Turn((1,), (2, 3), (-0.1,), 0, 1.0, "eos", 0.0)
    first = Turn((1, 2), (3,), (-0.1,), 0, 1.0, "eos", 0.0)
    with pytest.raises(UserError, match="does not begin with"):
        Trajectory("t", "g", 0, (first, Turn((1, 2, 4), (5,), (-0.1,), 0, 1.0, "eos", 1.0)))
    whole = Trajectory("t", "g", 0, (first, Turn((1, 2, 3, 4), (5,), (-0.1,), 2, 1.0, "eos", 1.0)))
    assert whole.reward == 1.0
    assert whole.policy_version == 0
    assert Trajectory.from_dict(whole.to_dict()) == whole
    with pytest.raises(UserError, match="format version 7"):
        Trajectory.from_dict({**whole.to_dict(), "version": 7})
