"""A checkpoint of the run store as a provider: what it reads, what it writes, and what post-training needs of it."""

import json
import threading

import pytest
from handmade import Told

from gnomon.errors import UserError
from gnomon.models import Policy, build
from gnomon.models.tokenizers import byte_tokenizer
from gnomon.story.edits import propose, requests
from gnomon.story.providers.protocol import Cancelled, ProviderError
from gnomon.story.providers.runs import Runs, prompt_of

TOLD = Told("Anna gave Marcus her ring. He left.").person("Anna").person("Marcus")
TOLD.event("gave", "give", "anna", "marcus")
INTENT = {"op": "change_event", "event": "give", "verb": "throw"}


def saved(tmp_path, context):
    where = tmp_path / "run-1" / "checkpoints" / "3" / "policy"
    build.decoder(byte_tokenizer(), layers=1, width=16, heads=2, context=context, seed=1).save(where)
    return tmp_path / "run-1"


def test_a_checkpoint_writes_and_its_turn_is_kept(tmp_path):
    run = saved(tmp_path, 1024)
    provider = Runs(run, max_tokens=12, seed=5)
    assert provider.name == "run-1 (small, trained here)"
    suggestion = propose(TOLD.story, TOLD.extraction, INTENT, provider=provider)
    turn = suggestion.usage["turn"]
    policy = Policy.load(run)
    prompt = prompt_of(requests(TOLD.story, TOLD.extraction, INTENT)[0])
    assert turn["prompt_ids"] == policy.encode(prompt)
    assert policy.decode(turn["prompt_ids"]) == prompt
    assert json.loads(prompt)["span"] == "Anna gave Marcus her ring."
    scored = policy.log_probs([turn["prompt_ids"]], [turn["action_ids"]])[0].tolist()
    assert turn["behaviour_log_probs"] == pytest.approx(scored, abs=1e-4)
    assert suggestion.usage["completion_tokens"] == len(turn["action_ids"]) <= 12
    json.dumps(suggestion.to_dict())
    again = propose(TOLD.story, TOLD.extraction, INTENT, provider=Runs(run, max_tokens=12, seed=5))
    assert again == suggestion


def test_a_short_context_drops_what_surrounds_the_span(tmp_path):
    whole = requests(TOLD.story, TOLD.extraction, INTENT)[0]
    bare = prompt_of({**whole, "before": "", "after": "", "cast": []})
    provider = Runs(saved(tmp_path, len(bare) + 20), max_tokens=10)
    assert provider.complete(whole).usage["prompt"] == bare
    with pytest.raises(ProviderError, match="a shorter scope is needed"):
        Runs(saved(tmp_path, 64), max_tokens=10).complete(whole)


def test_no_run_and_no_patience(tmp_path):
    with pytest.raises(UserError, match="no checkpoint folder"):
        Runs(tmp_path / "none").complete({"task": "edit"})
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        Runs(tmp_path / "none").complete({"task": "edit"}, stop=stop)
