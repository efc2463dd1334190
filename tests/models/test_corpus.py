"""The text that small models read: windows of bytes, what is held out, and what cannot be read."""

import gzip
import itertools

import numpy as np
import pytest
import torch

from gnomon.errors import UserError
from gnomon.models.corpus import DIALECTS, read_corpus
from gnomon.models.tokenizers import byte_token_ids, byte_tokenizer


def test_bytes_are_tokens():
    tokenizer = byte_tokenizer()
    ids = byte_token_ids(tokenizer)
    assert len(set(ids)) == 256
    text = "Țară, naïve — 𝄞\n\t\x00"
    assert [ids[byte] for byte in text.encode()] == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode([ids[byte] for byte in text.encode()]) == text


def test_windows_stay_inside_their_source(tmp_path):
    for letter in "ab":
        (tmp_path / f"{letter}.txt").write_text(letter * 200)
    corpus = read_corpus([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")], 16, 0)
    batch = corpus.batch(3, 64, 0)
    assert batch.shape == (64, 17)
    assert {len(row.unique()) for row in batch} == {1}
    assert set(batch.unique().tolist()) == {ord("a"), ord("b")}
    windows, labels = corpus.held_out(5)
    assert sorted(labels) in (["a", "a", "a", "b", "b"], ["a", "a", "b", "b", "b"])
    assert [chr(row[0]) for row in windows.tolist()] == labels


def test_batches_are_functions_of_seed_and_step():
    corpus = read_corpus([], 16, 0)
    assert torch.equal(corpus.batch(5, 4, 1), corpus.batch(5, 4, 1))
    assert not torch.equal(corpus.batch(5, 4, 1), corpus.batch(6, 4, 1))
    assert not torch.equal(corpus.batch(5, 4, 1), corpus.batch(5, 4, 2))


def test_held_out_text_is_not_trained_on(tmp_path):
    text = "".join(chr(48 + i // 10) for i in range(100)) * 1
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(text.encode()))
    corpus = read_corpus([str(tmp_path / "t.txt.gz")], 4, 0)
    seen = {value for step in range(50) for value in corpus.batch(step, 8, 0).unique().tolist()}
    assert seen == {ord(c) for c in text[:90]}
    assert set(corpus.held_out(3)[0].unique().tolist()) == {ord(text[-1])}


def test_the_generated_text_has_dialects_that_share_their_words_and_not_their_habits():
    corpus = read_corpus([], 64, 0)
    assert [source.name for source in corpus.sources] == list(DIALECTS)
    words = [bytes(source.train).decode().lower().replace(".", "").split() for source in corpus.sources]
    vocabularies = [set(text) for text in words]
    assert len(vocabularies[0]) > 300
    assert len(vocabularies[0] & vocabularies[1]) / len(vocabularies[0] | vocabularies[1]) > 0.7
    pairs = [set(itertools.pairwise(text)) for text in words]
    # Most pairs of neighbours are a dialect's own.
    assert len(pairs[0] & pairs[1]) / len(pairs[0] | pairs[1]) < 0.35
    again = read_corpus([], 64, 0)
    assert np.array_equal(again.sources[2].train, corpus.sources[2].train)


def test_texts_that_will_not_do(tmp_path):
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1") * 300)
    (tmp_path / "broken.txt.gz").write_bytes(b"not gzip")
    for name, said in (("short.txt", "too short"), ("latin.txt", "not UTF-8"), ("broken.txt.gz", "cannot be read")):
        with pytest.raises(UserError, match=said):
            read_corpus([str(tmp_path / name)], 16, 0)
