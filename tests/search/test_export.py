"""A search's winner as a model folder: it loads where people load models, learns, and appears whole or not at all."""

import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gnomon.errors import UserError
from gnomon.models import training
from gnomon.models.policy import Policy
from gnomon.runs import Run
from gnomon.search import spaces
from gnomon.search.export import export

WINNER = "width=32;layers=1;heads=2;ffn=64;bias=0"


def searched(folder, *, space=None, summary=None):
    settings = {"name": "search", "seed": 0} | ({} if space is None else {"space": space})
    run = Run.create(folder, kind="search-run", name="search", settings=settings, seed=0)
    if summary is not None:
        run.finish(summary)
    else:
        run.mark("interrupted")
    return run.path


def decoders(folder, **options):
    return searched(folder, space={"name": "decoder-lm", "options": options}, summary={"winner": WINNER})


def test_the_folder_is_the_winner(tmp_path):
    run = decoders(tmp_path / "run", context=24, tied=False)
    made = export(run, tmp_path / "models" / "found", seed=7)
    assert made == tmp_path / "models" / "found"
    space = spaces.get("decoder-lm", context=24, tied=False)
    expected = space.build(space.decode(WINNER), seed=7).state_dict()
    loaded = AutoModelForCausalLM.from_pretrained(made)
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.state_dict().items())
    assert loaded.config.max_position_embeddings == 24
    tokenizer = AutoTokenizer.from_pretrained(made)
    assert tokenizer("né")["input_ids"] == tokenizer.convert_tokens_to_ids(list("nÃ©"))
    assert (loaded.config.eos_token_id, loaded.config.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)

    policy = Policy.load(made)
    assert policy.context == 24
    first = policy.sample(["a gnomon"], 4, max_tokens=8, seed=1)
    assert all(1 <= len(sample.token_ids) <= 8 for sample in first)
    # Without --seed it is 0, and another seed gives other weights of the same architecture.
    (tmp_path / "empty").mkdir()
    export(str(run), str(tmp_path / "empty"))
    other, wanted = Policy.load(tmp_path / "empty").weights(), space.build(space.decode(WINNER), seed=0)
    assert all(torch.equal(value, other[name]) for name, value in wanted.named_parameters())
    assert not torch.equal(other["lm_head.weight"], loaded.lm_head.weight)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "models", "run"]


def test_it_learns(tmp_path):
    policy = Policy.load(export(decoders(tmp_path / "run"), tmp_path / "found"))
    text = torch.tensor(policy.encode("the shadow of the gnomon falls on the line of noon. " * 40))
    optimizer = training.optimizer_for(policy.model, learning_rate=1e-2)

    def batch_of(step):
        starts = torch.randint(len(text) - 33, (16,), generator=torch.Generator().manual_seed(step))
        return text[starts[:, None] + torch.arange(33)]

    updates = training.supervised(
        batch_of,
        lambda batch: training.example_losses(policy.model, batch).mean(),
        optimizer,
        first=0,
        steps=40,
        learning_rate=1e-2,
        warmup=4,
        clip=1.0,
    )
    losses = [update.loss for update in updates]
    assert losses[0] == pytest.approx(5.55, abs=0.8)  # ln 258
    assert losses[-1] < 0.5 * losses[0]


def test_a_vocabulary_without_room_for_bytes_has_no_tokenizer(tmp_path):
    made = export(decoders(tmp_path / "run", vocab_size=100), tmp_path / "found")
    assert AutoModelForCausalLM.from_pretrained(made).config.vocab_size == 100
    assert not list(made.glob("tokenizer*"))


@pytest.mark.parametrize(
    ("space", "summary", "said"),
    [
        (None, {"winner": WINNER}, "is no search of a space"),
        ({"name": "nb201", "options": {}}, {"winner": "(4, 0, 3, 1, 4, 3)"}, "searched the space 'nb201'"),
        ({"name": "decoder-lm"}, None, "has no winner: it is interrupted"),
        ({"name": "decoder-lm"}, {"scores": 3}, "has no winner: it is finished"),
        (
            {"name": "decoder-lm"},
            {"winner": "width=32;layers=2;heads=2,4;ffn=64;bias=0"},
            "its layers differ in heads",
        ),
    ],
)
def test_runs_that_hold_no_model(tmp_path, space, summary, said):
    run = searched(tmp_path / "run", space=space, summary=summary)
    with pytest.raises(UserError, match=said):
        export(run, tmp_path / "found")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_folders_that_are_in_use(tmp_path, monkeypatch):
    run = decoders(tmp_path / "run")
    with pytest.raises(UserError, match="There is no run"):
        export(tmp_path / "nowhere", tmp_path / "found")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "file"):
        with pytest.raises(UserError, match="exists already and is not an empty folder"):
            export(run, tmp_path / name)
    assert (tmp_path / "full" / "kept.txt").read_text() == "mine"

    def breaks(self, folder):
        folder.mkdir(exist_ok=True)
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", breaks)
    with pytest.raises(OSError, match="disk full"):
        export(run, tmp_path / "found")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full", "run"]
    shutil.rmtree(run)
