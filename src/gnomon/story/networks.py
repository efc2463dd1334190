"""The networks of a pack: spaCy pipes built from a few numbers, and their weights as plain half-precision arrays.

A part of a pack is a folder with `part.json` (what was trained, its labels and sizes) and `weights.safetensors`.
Nothing that is stored names code: the pipes are built here, then filled.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import NumpyOps, set_current_ops

from gnomon.runs.files import write_atomic
from gnomon.story.tokens import Word

ROWS = {"NORM": 5000, "PREFIX": 1500, "SUFFIX": 2500, "SHAPE": 1000}
"""What is known of a word, and the rows of its embedding table."""

FEWEST_ROWS = 8  # of a matrix product

PIPES = {"grammar": ("morphologizer", "parser"), "fiction": ("ner",)}
"""Which pipes a part has besides its `tok2vec`."""


def build(
    part: str, sizes: dict[str, Any], labels: dict[str, Any], vocab: Any = True, *, exact: bool = True
) -> Language:
    """The untrained pipes of part `grammar` or `fiction`, with one token-to-vector network that all of them use.

    `sizes`: `width`, `depth`, `hidden`, `rows` (a factor on the embedding tables); `labels` by pipe, as spaCy's
    `label_data` has them; `vocab` that of the part whose documents these pipes shall read too.

    With `exact` a row of a matrix product is the same in every matrix it stands in, so that what is found in a
    sentence does not depend on its neighbours in a batch; without it training is faster.
    """
    set_current_ops(_exact_ops() if exact else NumpyOps(use_blis=False))
    nlp = spacy.blank("xx", vocab=vocab)
    width = int(sizes["width"])
    nlp.add_pipe(
        "tok2vec",
        config={
            "model": {
                "@architectures": "spacy.Tok2Vec.v2",
                "embed": {
                    "@architectures": "spacy.MultiHashEmbed.v2",
                    "width": width,
                    "attrs": list(ROWS),
                    "rows": [int(each * sizes["rows"]) for each in ROWS.values()],
                    "include_static_vectors": False,
                },
                "encode": {
                    "@architectures": "spacy.MaxoutWindowEncoder.v2",
                    "width": width,
                    "depth": int(sizes["depth"]),
                    "window_size": 1,
                    "maxout_pieces": 3,
                },
            }
        },
    )
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": width, "upstream": "tok2vec"}
    tagger = {"@architectures": "spacy.Tagger.v2", "nO": None, "normalize": False, "tok2vec": listener}
    transitions = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "extra_state_tokens": False,
        "hidden_width": int(sizes["hidden"]),
        "maxout_pieces": 2,
        "use_upper": True,
        "nO": None,
        "tok2vec": listener,
    }
    for name in PIPES[part]:
        if name == "morphologizer":
            nlp.add_pipe(name, config={"model": tagger, "overwrite": True, "extend": False})
        elif name == "parser":
            nlp.add_pipe(name, config={"model": {**transitions, "state_type": "parser"}, "min_action_freq": 20})
        else:
            nlp.add_pipe(name, config={"model": {**transitions, "state_type": "ner"}})
    sample = Doc(nlp.vocab, words=["a", "b"], heads=[0, 0], deps=["ROOT", "dep"], sent_starts=[True, False])
    examples = [Example(sample, sample)]
    vectors = nlp.get_pipe("tok2vec")
    for name in PIPES[part]:
        vectors.find_listeners(nlp.get_pipe(name))
    vectors.initialize(lambda: examples, nlp=nlp)
    for name in PIPES[part]:
        nlp.get_pipe(name).initialize(lambda: examples, nlp=nlp, labels=_whole_keys(labels[name]))
    return nlp


class _TorchProducts(NumpyOps):
    """Matrix products by torch, three times as fast as spaCy's own. Few rows would be added up otherwise."""

    def gemm(
        self, x: np.ndarray, y: np.ndarray, *, out: Any = None, trans1: bool = False, trans2: bool = False
    ) -> np.ndarray:
        import torch

        rows = x.T if trans1 else x
        count = len(rows)
        if count < FEWEST_ROWS:
            rows = np.concatenate([rows, np.zeros((FEWEST_ROWS - count, rows.shape[1]), dtype=rows.dtype)])
        left, right = torch.from_numpy(np.ascontiguousarray(rows)), torch.from_numpy(np.ascontiguousarray(y))
        found = torch.mm(left, right.T if trans2 else right).numpy()[:count]
        if out is None:
            return np.asarray(found)
        out[...] = found
        return np.asarray(out)


@lru_cache(maxsize=1)
def _exact_ops() -> NumpyOps:
    """torch's products if a row has the same in every matrix on this processor, else BLIS's, where it has."""
    ops, rng = _TorchProducts(), np.random.default_rng(0)
    for inputs, outputs in ((288, 288), (384, 288), (96, 301), (96, 1664)):
        weights = rng.standard_normal((outputs, inputs), dtype=np.float32)
        rows = rng.standard_normal((300, inputs), dtype=np.float32)
        whole = ops.gemm(rows, weights, trans2=True)
        for first in (0, 1, 6, 50):
            for count in (1, 2, 3, 7, 16, 33, 100, 200):
                part = ops.gemm(rows[first : first + count], weights, trans2=True)
                if not np.array_equal(part, whole[first : first + count]):
                    return NumpyOps(use_blis=True)
    return ops


def _whole_keys(labels: Any) -> Any:
    """Actions of a transition system are counted by number, which JSON keeps as text."""
    if isinstance(labels, dict) and all(str(key).isdigit() for key in labels):
        return {int(key): value for key, value in labels.items()}
    return labels


def make_doc(nlp: Language, words: Sequence[Word]) -> Doc:
    """A sentence as the networks get it."""
    return Doc(nlp.vocab, words=[word.form for word in words])


def run(nlp: Language, docs: list[Doc]) -> list[Doc]:
    """Let every pipe write its findings on `docs`."""
    for _, pipe in nlp.pipeline:
        pipe.set_annotations(docs, pipe.predict(docs))
    return docs


def parameters(nlp: Language) -> list[tuple[str, Any, str]]:
    """Every array of the pipes, in a fixed order: (key, node, name)."""
    found = []
    seen: set[int] = set()
    for pipe_name, pipe in nlp.pipeline:
        for number, node in enumerate(pipe.model.walk()):
            if id(node) in seen:
                continue
            seen.add(id(node))
            for name in node.param_names:
                if node.has_param(name):
                    found.append((f"{pipe_name}.{number}.{name}", node, name))
    return found


def save(folder: Path, nlp: Language, part: str, sizes: dict[str, Any], about: dict[str, Any]) -> None:
    """Write a part's weights in half precision, and beside them all that is needed to build it again."""
    from safetensors.numpy import save as to_bytes

    folder.mkdir(parents=True, exist_ok=True)
    labels = {name: nlp.get_pipe(name).label_data for name in PIPES[part]}
    arrays = {key: np.asarray(node.get_param(name), dtype=np.float16) for key, node, name in parameters(nlp)}
    write_atomic(folder / "weights.safetensors", to_bytes(arrays))
    stored = {"part": part, "sizes": sizes, "labels": labels, **about}  # the order of labels is that of the outputs
    write_atomic(folder / "part.json", json.dumps(stored, ensure_ascii=False, indent=1) + "\n")


def load(folder: Path, vocab: Any = True) -> tuple[Language, dict[str, Any]]:
    """The pipes of a part, ready to run, and what its `part.json` says."""
    from safetensors.numpy import load as from_bytes

    stored = json.loads((folder / "part.json").read_text(encoding="utf-8"))
    nlp = build(stored["part"], stored["sizes"], stored["labels"], vocab)
    arrays = from_bytes((folder / "weights.safetensors").read_bytes())
    for key, node, name in parameters(nlp):
        node.set_param(name, np.ascontiguousarray(arrays[key], dtype=np.float32))
    return nlp, stored
