"""What networks are shown: digits, photographs, generated text, one's own data; always a function of the seed alone."""

import os

import numpy as np
import pytest
import torch
from tiny_space import Tiny

from gnomon.errors import UserError
from gnomon.search import inputs


class Words:
    name, task, vocab_size, context = "words", "tokens", 50, 12


class Masks(Tiny):
    name, task, classes, input_size = "masks", "masks", 11, 16


def test_digits_are_standardised_resized_and_drawn_without_repetition():
    space = Tiny()
    space.input_size = 32
    images, labels = inputs.load(space, None, seed=0).batch(1797, 5)
    assert images.shape == (1797, 3, 32, 32)
    assert torch.equal(images[:, 0], images[:, 2])
    assert torch.bincount(labels).tolist() == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]  # scikit-learn's counts
    small, _ = inputs.load(Tiny(), "digits", seed=0).batch(1797, 5)
    assert small.mean().item() == pytest.approx(0, abs=1e-5)
    assert small.std().item() == pytest.approx(1, abs=1e-2)


def test_a_batch_follows_from_its_seed_alone():
    digits = inputs.load(Tiny(), "digits", seed=0)
    one, same, other = digits.batch(16, 3), inputs.load(Tiny(), "digits", seed=9).batch(16, 3), digits.batch(16, 4)
    assert torch.equal(one[0], same[0])
    assert torch.equal(one[1], same[1])
    assert not torch.equal(one[0], other[0])


def test_fewer_classes_show_fewer_digits():
    space = Tiny()
    space.classes = 3
    labels = inputs.load(space, "digits", seed=0).batch(537, 1)[1]
    assert sorted(set(labels.tolist())) == [0, 1, 2]
    with pytest.raises(UserError, match="batch_size = 538 is more than the 537 digits"):
        inputs.check(space, "digits", 538)


def test_masks_are_ink_of_the_digit_on_paper():
    images, labels = inputs.load(Masks(), None, seed=0).batch(200, 1)
    assert images.shape == (200, 3, 16, 16)
    assert labels.shape == (200, 16, 16)
    ink = labels > 0
    assert 0.1 < ink.float().mean() < 0.5
    assert images[:, 0][ink].min() > images[:, 0][~ink].max()  # the darker pixels are the ink
    assert all(len(set(label[label > 0].tolist())) == 1 for label in labels)


def test_generated_text_is_a_first_order_chain_with_the_next_token_as_label():
    chain = inputs.load(Words(), None, seed=0)
    tokens, labels = chain.batch(4000, 1)
    assert tokens.shape == labels.shape == (4000, 12)
    assert torch.equal(tokens[:, 1:], labels[:, :-1])
    assert tokens.min() >= 0
    assert tokens.max() < 50
    followers = {}
    for first, second in zip(tokens.flatten().tolist(), labels.flatten().tolist(), strict=True):
        followers.setdefault(first, []).append(second)
    assert all(len(set(after)) <= inputs.FOLLOWERS for after in followers.values())
    # Zipf's frequencies over eight followers: the commonest has a share of 1 / H_8 = .368, more where two fall together.
    shares = [np.bincount(after).max() / len(after) for after in followers.values()]
    assert 0.36 < np.median(shares) < 0.45
    assert not torch.equal(tokens, inputs.load(Words(), None, seed=1).batch(4000, 1)[0])  # another chain


@pytest.mark.skipif("GNOMON_DATA_DIR" not in os.environ, reason="the photographs are in GNOMON_DATA_DIR")
def test_photographs():
    images, labels = inputs.load(Tiny(), "cifar10", seed=0).batch(1500, 2)
    assert images.shape == (1500, 3, 8, 8)
    assert abs(images.mean().item()) < 0.1
    assert sorted(set(labels.tolist())) == list(range(10))


def test_the_published_archive_is_read_where_no_sample_is(monkeypatch):
    import io
    import tarfile

    records = np.arange(2 * 3073, dtype=np.int64).reshape(2, 3073).astype(np.uint8)
    records[:, 0] = [7, 3]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for part in range(1, 6):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/data_batch_{part}.bin")
            member.size = records.nbytes
            archive.addfile(member, io.BytesIO(records.tobytes()))
    monkeypatch.setattr(inputs.registry, "locate", lambda name: None)
    monkeypatch.setattr(inputs.registry, "read_bytes", lambda name: packed.getvalue())
    images, labels = inputs._cifar10()
    assert images.shape == (10, 32, 32, 3)
    assert labels.tolist() == [7, 3] * 5
    assert images[0, 0, 1].tolist() == [records[0, 2], records[0, 1 + 1024 + 1], records[0, 1 + 2048 + 1]]


def test_own_data():
    x, y = np.random.default_rng(0).normal(size=(10, 3, 8, 8)).astype(np.float32), np.arange(10)
    images, labels = inputs.load(Tiny(), (x, y), seed=0).batch(10, 1)
    assert torch.equal(images, torch.from_numpy(x)[labels])
    assert labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("data", "size", "said"),
    [
        ("digits", 1, "batch_size = 1 must be at least 2"),
        ("digits", 1798, "more than the 1797 digits"),
        ("tokens", 8, "'tokens' is not for the space 'tiny'; there is 'digits' and 'cifar10'"),
        ("digit", 8, "data = 'digit' is not for"),
        (([[1.0], [2.0]], [0, 1]), 3, "more than the 2 examples"),
        (([[1.0], [2.0]], [0]), 2, "2 inputs and 1 labels"),
        (([[1.0], [float("nan")]], [0, 1]), 2, "not finite"),
        (([[1.0], [2.0]], [0.5, 1.0]), 2, "whole numbers"),
        (7, 2, "neither a name nor a pair"),
    ],
)
def test_data_that_cannot_be(data, size, said):
    with pytest.raises(UserError) as caught:
        inputs.check(Tiny(), data, size)
    assert said in str(caught.value)


def test_a_space_that_lacks_what_named_data_needs():
    class Bare:
        name, task = "bare", "tokens"

    with pytest.raises(UserError, match="space 'bare' has no 'vocab_size'"):
        inputs.load(Bare(), "tokens", seed=0)
