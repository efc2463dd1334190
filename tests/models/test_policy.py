"""Policies: what is sampled is scored alike, masks come from lengths, and folders load where people load them."""

import copy
import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from gnomon.errors import UserError
from gnomon.models import build
from gnomon.models.policy import Policy
from gnomon.models.tokenizers import bpe_tokenizer, symbol_tokenizer

PROMPTS = ["1", "12*3=", "=", "99*9=12"]


@pytest.fixture(scope="module", params=["decoder", "encoder_decoder"])
def policy(request):
    tokenizer = symbol_tokenizer([*"0123456789*=", " AH"])
    make = build.decoder if request.param == "decoder" else build.encoder_decoder
    return make(tokenizer, layers=2, width=32, heads=2, context=32, seed=3)


@pytest.mark.parametrize("temperature", [1.0, 0.7, 2.0])
def test_generation_and_scoring_agree(policy, temperature):
    n = 16
    samples = policy.sample(PROMPTS, n, max_tokens=9, temperature=temperature, seed=5)
    prompts = [policy.encode(prompt) for prompt in PROMPTS for _ in range(n)]
    actions = [sample.token_ids for sample in samples]
    assert len({len(action) for action in actions}) > 2  # several lengths, some cut off, some ended
    together = policy.log_probs(prompts, actions, temperature=temperature)
    for prompt, sample, scored in zip(prompts, samples, together, strict=True):
        alone = policy.log_probs([prompt], [sample.token_ids], temperature=temperature)[0]
        drawn = torch.tensor(sample.log_probs)
        assert torch.allclose(scored, drawn, atol=1e-4)
        assert torch.allclose(alone, drawn, atol=1e-4)


@pytest.mark.parametrize("alike", [True, False])
def test_what_follows_a_prefix_is_scored_alike(policy, alike):
    """Equal prefixes share one prefill, unequal ones are padded: either way sampling and scoring agree."""
    n = 8
    written = [policy.encode_action("12")] * 4 if alike else [[], policy.encode_action("7"), [4], [5, 6, 7, policy.eos]]
    samples = policy.sample(PROMPTS, n, max_tokens=6, seed=5, prefixes=written)
    prompts = [policy.encode(prompt) for prompt in PROMPTS for _ in range(n)]
    prefixes = [prefix for prefix in written for _ in range(n)]
    whole = [[*prefix, *sample.token_ids] for prefix, sample in zip(prefixes, samples, strict=True)]
    for prefix, sample, scored in zip(prefixes, samples, policy.log_probs(prompts, whole), strict=True):
        assert torch.allclose(scored[len(prefix) :], torch.tensor(sample.log_probs), atol=1e-4)


def test_sampling_follows_the_model(policy):
    """Frequencies of the first token against its probabilities: a chi-square far in the tail would fail."""
    n = 4000
    samples = policy.sample(["12*"], n, max_tokens=1, temperature=1.0, seed=0)
    ids = list(range(len(policy.tokenizer)))
    log_probs = torch.stack(policy.log_probs([policy.encode("12*")] * len(ids), [[i] for i in ids]))[:, 0]
    expected = log_probs.exp().double() * n
    counts = torch.bincount(torch.tensor([s.token_ids[0] for s in samples]), minlength=len(ids))
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < len(ids) - 1 + 5 * math.sqrt(2 * (len(ids) - 1))


def test_same_seed_same_samples_other_seed_others(policy):
    first = policy.sample(PROMPTS, 4, max_tokens=6, seed=1)
    assert policy.sample(PROMPTS, 4, max_tokens=6, seed=1) == first
    assert policy.sample(PROMPTS, 4, max_tokens=6, seed=2) != first


def test_greedy_takes_the_likeliest_token(policy):
    greedy = policy.sample(PROMPTS, max_tokens=4, temperature=0.0, seed=0)
    assert greedy == policy.sample(PROMPTS, max_tokens=4, temperature=0.0, seed=9)
    ids = list(range(len(policy.tokenizer)))
    for prompt, sample in zip(PROMPTS, greedy, strict=True):
        scores = policy.log_probs([policy.encode(prompt)] * len(ids), [[i] for i in ids])
        assert sample.token_ids[0] == int(torch.stack(scores)[:, 0].argmax())


def written_before(policy):
    """Prefixes of unequal length, so that batches are padded on the left."""
    return [[], policy.encode_action("7"), [4], [5, 6, 7, policy.eos]]


def test_one_beam_is_greedy(policy):
    prefixes = written_before(policy)
    greedy = policy.sample(PROMPTS, max_tokens=6, temperature=0.0, prefixes=prefixes)
    for sample, beam in zip(greedy, policy.beam(PROMPTS, 1, max_tokens=6, prefixes=prefixes), strict=True):
        assert (sample.token_ids, sample.finish_reason) == (beam.token_ids, beam.finish_reason)
        assert beam.log_probs == pytest.approx(sample.log_probs, abs=1e-4)


@pytest.mark.parametrize("beams", [2, 5])
def test_beams_of_a_batch_are_those_of_each_prompt_alone(policy, beams):
    prefixes = written_before(policy)
    together = policy.beam(PROMPTS, beams, max_tokens=6, prefixes=prefixes)
    for prompt, prefix, beam in zip(PROMPTS, prefixes, together, strict=True):
        (alone,) = policy.beam([prompt], beams, max_tokens=6, prefixes=[prefix])
        assert alone.token_ids == beam.token_ids
        assert alone.log_probs == pytest.approx(beam.log_probs, abs=1e-4)
        whole = policy.log_probs([policy.encode(prompt)], [[*prefix, *beam.token_ids]])[0]
        assert beam.log_probs == pytest.approx(whole[len(prefix) :].tolist(), abs=1e-4)


@pytest.mark.parametrize("same", [True, False])
def test_enough_beams_find_the_likeliest_action(policy, same):
    """Against every action of at most two tokens, whether or not padding looks like the end token."""
    model, prefixes = Policy(policy.model, policy.tokenizer), written_before(policy)
    model.pad = policy.eos if same else policy.pad
    ids = range(len(model.tokenizer))
    actions = [[model.eos], *([a, b] for a in ids if a != model.eos for b in ids)]
    beams = model.beam(PROMPTS, len(ids), max_tokens=2, prefixes=prefixes)
    greedy = model.sample(PROMPTS, max_tokens=2, temperature=0.0, prefixes=prefixes)
    gains = []
    for prompt, prefix, beam, first in zip(PROMPTS, prefixes, beams, greedy, strict=True):
        rests = [[*prefix, *action] for action in actions]
        scored = model.log_probs([model.encode(prompt)] * len(actions), rests)
        sums = [float(row[len(prefix) :].sum()) for row in scored]
        assert list(beam.token_ids) == actions[max(range(len(sums)), key=sums.__getitem__)]
        assert sum(beam.log_probs) == pytest.approx(max(sums), abs=1e-4)
        gains.append(sum(beam.log_probs) - sum(first.log_probs))
    assert min(gains) > -1e-5
    assert max(gains) > 0.05  # greedy is not the best there is


def test_a_beam_search_is_not_bent_by_the_folders_own_generation_settings(policy):
    bent = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    plain = bent.beam(PROMPTS, 4, max_tokens=6)
    bent.model.generation_config.update(
        repetition_penalty=5.0, no_repeat_ngram_size=1, min_new_tokens=5, length_penalty=9.0
    )
    before = bent.model.generation_config
    assert bent.beam(PROMPTS, 4, max_tokens=6) == plain
    assert bent.model.generation_config is before  # and they are left as they were


def test_absolute_positions_and_padding_like_the_end_token_are_searched_alike():
    """GPT-2: positions are learnt by number, so that padding on the left must not count."""
    tokenizer = symbol_tokenizer("0123456789*=")
    tokenizer.pad_token = tokenizer.eos_token
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=16, n_embd=32, n_layer=1, n_head=2, initializer_range=0.3
    )
    config.eos_token_id = config.bos_token_id = config.pad_token_id = tokenizer.eos_token_id
    with torch.random.fork_rng():
        torch.manual_seed(0)
        policy = Policy(GPT2LMHeadModel(config), tokenizer)
    beams = policy.beam(PROMPTS, 3, max_tokens=5)
    for prompt, beam in zip(PROMPTS, beams, strict=True):
        (alone,) = policy.beam([prompt], 3, max_tokens=5)
        assert alone.token_ids == beam.token_ids
        assert alone.log_probs == pytest.approx(beam.log_probs, abs=1e-4)


def test_a_beam_search_without_room_or_prompts():
    policy = build.decoder(symbol_tokenizer("01"), layers=1, width=16, heads=2, context=8, seed=0)
    with pytest.raises(UserError, match="at most 4 would"):
        policy.beam(["01010"], 2, max_tokens=4)
    assert policy.beam([], 2, max_tokens=4) == []


def test_the_global_generator_is_left_alone(policy):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    policy.sample(PROMPTS, 4, max_tokens=4, seed=1)
    build.decoder(policy.tokenizer, layers=1, width=16, heads=2, context=8, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("same", [True, False])
def test_padding_may_equal_the_end_token(policy, same):
    """An end-of-sequence token is scored as an action's last token whether or not padding looks the same."""
    copy = Policy(policy.model, policy.tokenizer)
    copy.pad = policy.eos if same else policy.pad
    actions = [[3, policy.eos], [4, 5, 6, policy.eos], [policy.eos], [7, 8]]
    prompts = [policy.encode(prompt) for prompt in PROMPTS]
    scored = copy.score(prompts, actions)
    assert scored.mask.sum(-1).tolist() == [2, 4, 1, 2]
    for row, (prompt, action) in enumerate(zip(prompts, actions, strict=True)):
        alone = policy.log_probs([prompt], [action])[0]
        assert torch.allclose(scored.log_probs[row, : len(action)].detach(), alone, atol=1e-5)
        assert float(scored.log_probs[row, len(action) :].detach().abs().sum()) == 0


def test_an_empty_action_has_no_tokens(policy):
    scored = policy.score([policy.encode("1"), policy.encode("2")], [[], [3, 4]])
    assert scored.mask.tolist() == [[False, False], [True, True]]
    assert [len(row) for row in policy.log_probs([policy.encode("1")], [[]])] == [0]


def test_a_folder_loads_with_transformers_and_here(policy, tmp_path):
    policy.save(tmp_path / "model")
    auto = AutoModelForSeq2SeqLM if policy.is_encoder_decoder else AutoModelForCausalLM
    theirs = auto.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer("12*3= AH")["input_ids"] == policy.tokenizer("12*3= AH")["input_ids"]
    for name, tensor in theirs.named_parameters():
        assert torch.equal(tensor, policy.weights()[name])
    ours = Policy.load(tmp_path / "model")
    assert ours.sample(PROMPTS, 3, max_tokens=5, seed=4) == policy.sample(PROMPTS, 3, max_tokens=5, seed=4)
    assert sorted(path.suffix for path in (tmp_path / "model").iterdir()) == [".json"] * (
        len(list((tmp_path / "model").iterdir())) - 1
    ) + [".safetensors"]


def test_a_run_loads_its_newest_policy(policy, tmp_path):
    policy.save(tmp_path / "checkpoints" / "9" / "policy")
    (tmp_path / "checkpoints" / "10" / "policy").mkdir(parents=True)
    policy.save(tmp_path / "checkpoints" / "10" / "policy")
    from gnomon.models.policy import find_checkpoint

    assert find_checkpoint(tmp_path) == str(tmp_path / "checkpoints" / "10" / "policy")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path / "absent", "no checkpoint folder"),
        (lambda path: path, "no config.json"),
        (lambda path: (path / "config.json").write_text("{}") and path, "could be loaded"),
    ],
)
def test_what_is_no_model_is_named(tmp_path, make, words):
    target = make(tmp_path)
    with pytest.raises(UserError, match=words) as caught:
        Policy.load(target)
    assert str(target) in str(caught.value)


def test_a_prompt_that_does_not_fit_is_refused():
    tokenizer = symbol_tokenizer("01")
    policy = build.decoder(tokenizer, layers=1, width=16, heads=2, context=8, seed=0)
    with pytest.raises(UserError, match="at most 4 would"):
        policy.sample(["01010"], max_tokens=4)
    assert len(policy.sample(["0101"], max_tokens=4)) == 1


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(UserError, match=r"model\.heads = 5"):
        build.decoder(symbol_tokenizer("01"), layers=1, width=32, heads=5, context=8, seed=0)


def test_symbols_are_matched_longest_first_and_decode_to_themselves():
    tokenizer = symbol_tokenizer(["a", "ab", " AH", "b"])
    assert len(tokenizer("abab AHa")["input_ids"]) == 4
    assert tokenizer.decode(tokenizer("abab AHa")["input_ids"]) == "abab AHa"


def test_bpe_writes_any_text():
    tokenizer = bpe_tokenizer(["the cat sat on the mat"] * 3, 300)
    text = "Ünïcode: the café sat — 東京!"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_a_merging_tokenizer_is_never_applied_twice(tmp_path):
    """Prompt and action are joined as token ids: text that would merge across the seam stays apart."""
    tokenizer = bpe_tokenizer(["abab abab abab"] * 5, 300)
    policy = build.decoder(tokenizer, layers=1, width=16, heads=2, context=32, seed=0)
    prompt, action = policy.encode("a"), policy.encode_action("bab")
    assert [*prompt, *action] != policy.encode_action("abab")
    scored = policy.score([prompt], [action])
    assert scored.mask.sum() == len(action)
