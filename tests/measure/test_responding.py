"""Systems that answer: a model folder by likelihood, a real HTTP server on this machine, and what refuses them."""

import dataclasses
import json
import threading
import time
from types import SimpleNamespace

import polars as pl
import pytest
import torch

from chat_server import serving
from gnomon.errors import UserError
from gnomon.measure.instrument import Instrument
from gnomon.measure.responding import LocalPolicy, Server, Simulated, parse_model
from gnomon.models import Policy, build
from gnomon.models.tokenizers import byte_tokenizer, symbol_tokenizer

SECRET = "sk-never-to-be-seen-91"


class Colours:
    """A family of two-option questions about colours."""

    key = ("item_id",)
    cluster = ("category",)
    likelihood_only = False

    def question(self, item):
        return item["text"]


class Sentences(Colours):
    likelihood_only = True

    def question(self, item):
        return ""


def colours(n=12, rule=None, options=("The red one", "The blue one is")):
    items = pl.DataFrame(
        {
            "item_id": [f"c/{i}" for i in range(n)],
            "category": ["c"] * n,
            "text": [f"{'Well, ' * (i % 3)}which pen of box {i} is new?" for i in range(n)],
            "options": [list(options)] * n,
            "label": [0] * n,
            "target": [1] * n,
        }
    )
    return Instrument(SimpleNamespace(name="colours"), items, rule or Colours())


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("GNOMON_API_KEY", raising=False)
    monkeypatch.delenv("GNOMON_OFFLINE", raising=False)


def reply(text):
    return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


def system(address, **settings):
    return dataclasses.replace(parse_model(f"{address}?model=tiny"), pause=0.01, **settings)


# -- a server --------------------------------------------------------------------------------------------------------


def test_a_server_is_asked_once_an_item_with_its_options(monkeypatch):
    monkeypatch.setenv("GNOMON_API_KEY", SECRET)
    with serving(lambda number, body: reply(body["messages"][-1]["content"].split("box ")[1].split()[0])) as (
        url,
        seen,
    ):
        answers = dict(parse_model(f"{url}/", model_name="tiny").respond(colours()))
    assert answers == {f"c/{i}": str(i) for i in range(12)}
    assert len(seen) == 12
    assert {each["path"] for each in seen} == {"/v1/chat/completions"}
    assert {each["headers"]["Authorization"] for each in seen} == {f"Bearer {SECRET}"}
    body = seen[0]["body"]
    assert (body["model"], body["temperature"], len(body["messages"])) == ("tiny", 0, 1)
    assert body["messages"][0]["role"] == "user"
    told, questions = zip(*(each["body"]["messages"][0]["content"].split("\n\n") for each in seen), strict=True)
    assert set(questions) == set(colours().items["text"])
    assert set(told) == {
        "Reply with exactly one of these, word for word, and nothing else:\n- The red one\n- The blue one is"
    }


def test_no_key_no_header_and_done_items_are_not_asked():
    with serving(lambda number, body: reply("The red one")) as (url, seen):
        answers = dict(system(url).respond(colours(), done={"c/0", "c/5"}))
    assert sorted(answers) == sorted(f"c/{i}" for i in range(12) if i not in (0, 5))
    assert all("Authorization" not in each["headers"] for each in seen)


def test_a_profile_goes_into_the_system_message():
    profile = SimpleNamespace(system="You sell pens.", wrap=lambda text: f"You sell pens. {text}")
    with serving(lambda number, body: reply("x")) as (url, seen):
        list(system(url).respond(colours(1), profile))
    assert seen[0]["body"]["messages"][0] == {"role": "system", "content": "You sell pens."}


def test_busy_then_well():
    def behave(number, body):
        return reply("The red one") if number >= 3 else (429 if number else 503, {}, b"busy")

    with serving(behave) as (url, seen):
        answers = list(system(url, concurrency=1).respond(colours(2)))
    assert answers == [("c/0", "The red one"), ("c/1", "The red one")]
    assert len(seen) == 5


def test_the_server_says_how_long_to_wait():
    def behave(number, body):
        return reply("x") if number else (429, {"Retry-After": "0"}, b"")

    with serving(behave) as (url, _):
        began = time.monotonic()
        assert list(dataclasses.replace(system(url), pause=30.0).respond(colours(1))) == [("c/0", "x")]
        assert time.monotonic() - began < 10


def test_errors_all_the_way_are_one_sentence_and_what_was_answered_stays():
    def behave(number, body):
        return reply("x") if number < 2 else (500, {}, b"<html>trouble</html>")

    with serving(behave) as (url, seen):
        answers = system(url, concurrency=1, tries=3).respond(colours(4))
        assert [next(answers), next(answers)] == [("c/0", "x"), ("c/1", "x")]
        with pytest.raises(UserError, match=r"could not be asked, 3 tries in a row: HTTP 500"):
            next(answers)
    assert len(seen) == 5


@pytest.mark.parametrize(
    "content",
    [
        b"<html>hello</html>",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": 3}}]}',
        b"[1]",
        b"\xff\xfe",
    ],
)
def test_a_malformed_reply_is_shown(content):
    with (
        serving(lambda number, body: (200, {}, content)) as (url, seen),
        pytest.raises(UserError, match="no chat completion; expected an OpenAI-compatible server"),
    ):
        list(system(url, concurrency=1).respond(colours()))
    assert len(seen) == 1


def test_a_refusal_of_the_system_is_its_answer():
    refusing = json.dumps({"choices": [{"message": {"content": None, "refusal": "I will not say."}}]}).encode()
    silent = json.dumps({"choices": [{"message": {"content": None}}]}).encode()
    with serving(lambda number, body: (200, {}, silent if number else refusing)) as (url, _):
        answers = list(system(url, concurrency=1).respond(colours(2)))
    assert answers == [("c/0", "I will not say."), ("c/1", "")]


def test_a_wrong_key_is_named_and_never_shown(monkeypatch):
    monkeypatch.setenv("GNOMON_API_KEY", SECRET)
    echo = json.dumps({"error": {"message": f"Incorrect API key: {SECRET}"}}).encode()
    with serving(lambda number, body: (401, {}, echo)) as (url, seen):
        with pytest.raises(UserError, match="does not accept the key of GNOMON_API_KEY") as caught:
            list(system(url, concurrency=1).respond(colours()))
        monkeypatch.delenv("GNOMON_API_KEY")
        with pytest.raises(UserError, match="asks for a key, and GNOMON_API_KEY is not set"):
            list(system(url, concurrency=1).respond(colours()))
    assert SECRET not in str(caught.value)
    assert len(seen) == 2


def test_a_key_that_comes_back_is_cut_out(monkeypatch):
    monkeypatch.setenv("GNOMON_API_KEY", SECRET)
    with serving(
        lambda number, body: reply(f"your key is {SECRET}") if number == 0 else (400, {}, SECRET.encode())
    ) as (
        url,
        _,
    ):
        answers = system(url, concurrency=1).respond(colours(2))
        assert next(answers) == ("c/0", "your key is [key]")
        with pytest.raises(UserError, match=r"HTTP 400: \[key\]"):
            next(answers)


def test_a_redirect_is_not_followed_with_the_key(monkeypatch):
    monkeypatch.setenv("GNOMON_API_KEY", SECRET)
    with serving(lambda number, body: reply("x")) as (elsewhere, seen_elsewhere):
        with (
            serving(lambda number, body: (302, {"Location": elsewhere}, b"")) as (url, _),
            pytest.raises(UserError, match="sends elsewhere"),
        ):
            list(system(url).respond(colours(1)))
        assert seen_elsewhere == []


def test_a_slow_server_is_given_up():
    done = threading.Event()

    def behave(number, body):
        done.wait(5)
        return reply("late")

    with serving(behave) as (url, seen):
        began = time.monotonic()
        with pytest.raises(UserError, match="2 tries in a row: no reply in time"):
            list(system(url, concurrency=1, tries=2, timeout=0.1).respond(colours()))
        assert time.monotonic() - began < 4
        done.set()
    assert len(seen) == 2


def test_a_server_that_is_not_there_is_not_waited_for():
    with serving(lambda number, body: reply("x")) as (url, _):
        pass
    with pytest.raises(UserError, match=r"Nothing answers at http://127.0.0.1:\d+/v1: .*refused"):
        list(dataclasses.replace(system(url), pause=60.0).respond(colours()))


def test_no_more_requests_at_a_time_than_asked_for():
    at_once, most, lock = 0, 0, threading.Lock()

    def behave(number, body):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1
        return reply("x")

    with serving(behave) as (url, _):
        assert len(list(system(url, concurrency=3).respond(colours(18)))) == 18
    assert most == 3


def test_a_server_cannot_answer_by_likelihood():
    with pytest.raises(UserError, match="likelihood"):
        parse_model("http://localhost:1/v1?model=x").respond(colours(rule=Sentences()))


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_is_none_is_refused_unseen(key, monkeypatch):
    monkeypatch.setenv("GNOMON_API_KEY", key)
    with pytest.raises(UserError, match="GNOMON_API_KEY holds spaces") as caught:
        parse_model("http://localhost:1/v1?model=x").respond(colours())
    assert key not in str(caught.value)


# -- specs -----------------------------------------------------------------------------------------------------------


def test_specs_and_what_identifies_a_system():
    assert parse_model("sim:bias=0.3, unknown=0.4,accuracy=0.9") == Simulated(0.3, 0.4, 0.9)
    assert parse_model("sim:bias=0,seed=3").settings() == {
        "kind": "sim", "bias": 0.0, "unknown": 0.5, "accuracy": 0.9, "seed": 3,
    }  # fmt: skip
    server = parse_model("https://[::1]:8000/v1/?model=a%2Fb", concurrency=2)
    assert server == Server("https://[::1]:8000/v1", "a/b", 2)
    assert server.settings() == {"kind": "server", "address": "https://[::1]:8000/v1", "model": "a/b"}


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("gpt", {}, "names no system"),
        ("policy:", {}, "names no system"),
        ("ftp://host/v1", {}, "names no system"),
        ("sim:unknown=0.3", {}, "bias is missing"),
        ("sim:bias", {}, "bias = '' is not a number"),
        ("sim:bias=much", {}, "bias = 'much'"),
        ("sim:bias=0.1,bias=0.2", {}, "stands there twice"),
        ("sim:bias=0.1,accuracy=0.5,temperature=1", {}, "'temperature' is not known"),
        ("sim:bias=2", {}, "bias"),
        ("sim:bias=0.1,seed=1.5", {}, "seed = '1.5'"),
        ("policy:absent", {}, "there is no such folder"),
        ("http:///v1?model=x", {}, "names no host"),
        ("http://host:port/v1?model=x", {}, "is not an address"),
        ("http://host/v1", {}, "names no model"),
        ("http://host/v1?model=", {}, "names no model"),
        ("http://host/v1?model=a", {"model_name": "b"}, "more than one model (a, b)"),
        ("http://host/v1?model=a", {"concurrency": 0}, "at least 1 request"),
        ("sim:bias=0.1", {"model_name": "b"}, "is no address"),
    ],
)
def test_a_spec_that_names_nothing(spec, options, words):
    with pytest.raises(UserError) as caught:
        parse_model(spec, **options).respond(colours())
    assert words in str(caught.value)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    "spec",
    [f"https://me:{SECRET}@host/v1?model=x", f"https://host/v1?model=x&api_key={SECRET}", f"https://{SECRET}@host/v1"],
)
def test_a_key_in_an_address_is_refused_unseen(spec):
    with pytest.raises(UserError, match="GNOMON_API_KEY") as caught:
        parse_model(spec)
    assert SECRET not in str(caught.value)


def test_offline_refuses_a_server_and_nothing_else(monkeypatch):
    with pytest.raises(UserError, match=r"--offline was given, so no server is asked.*'host:1'"):
        parse_model("http://host:1/v1?model=x", offline=True)
    monkeypatch.setenv("GNOMON_OFFLINE", "1")
    with pytest.raises(UserError, match=r"GNOMON_OFFLINE is set"):
        parse_model("https://host/v1?model=x")
    assert parse_model("sim:bias=0.1", offline=True) == Simulated(0.1)
    assert parse_model("policy:here").settings
    monkeypatch.setenv("GNOMON_OFFLINE", "0")
    assert parse_model("https://host/v1?model=x").model == "x"


# -- a model folder --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("models") / "tiny"
    build.decoder(byte_tokenizer(), layers=2, width=16, heads=2, context=160, seed=1).save(where)
    return where


def likeliest_alone(policy, question, options, gap=" "):
    """The option with the highest log-likelihood, each scored by itself with the model's own forward pass."""
    scores = []
    for option in options:
        read = policy.tokenizer(question)["input_ids"] if question else [policy.eos]
        written = policy.tokenizer((gap if question else "") + option)["input_ids"]
        with torch.inference_mode():
            logits = policy.model(torch.tensor([read + written])).logits[0].log_softmax(-1)
        scores.append(sum(float(logits[len(read) - 1 + at, token]) for at, token in enumerate(written)))
    return options[scores.index(max(scores))]


@pytest.mark.parametrize("rule", [Colours(), Sentences()])
def test_a_policy_answers_with_its_likeliest_option(folder, rule):
    """Against each option scored alone; many options of one length, so that length does not decide."""
    policy = Policy.load(folder)
    options = ("red pen", "new hat", "old map", "big cup")
    ins = colours(10, rule, options)
    answers = dict(LocalPolicy(folder).respond(ins))
    expected = {
        i["item_id"]: likeliest_alone(policy, rule.question(i), list(options)) for i in ins.items.iter_rows(named=True)
    }
    assert answers == expected


def test_a_profile_changes_what_a_policy_reads(folder):
    seen = []
    profile = SimpleNamespace(system="", wrap=lambda text: seen.append(text) or f"Hm. {text}")
    answers = dict(LocalPolicy(folder).respond(colours(3, options=("ab", "cd")), profile))
    assert len(seen) == 3
    policy = Policy.load(folder)
    text = f"Hm. {colours(3).items['text'][0]}"
    assert answers["c/0"] == likeliest_alone(policy, text, ["ab", "cd"])


def test_what_is_done_changes_no_other_answer(folder):
    ins = colours(20, options=("ab", "cd", "ef"))
    whole = list(LocalPolicy(folder).respond(ins))
    done = {item_id for item_id, _ in whole[:11]}
    assert list(LocalPolicy(folder).respond(ins, done=done)) == whole[11:]


def test_a_policy_is_identified_by_its_files(folder):
    settings = parse_model(f"policy:{folder}").settings()
    assert settings["kind"] == "policy"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= settings["sha256"].keys()
    assert all(len(each) == 64 for each in settings["sha256"].values())


def test_an_encoder_decoder_answers_too(tmp_path):
    build.encoder_decoder(byte_tokenizer(), layers=1, width=16, heads=2, context=160, seed=0).save(tmp_path / "t5")
    answers = dict(LocalPolicy(tmp_path / "t5").respond(colours(3)))
    assert set(answers.values()) <= {"The red one", "The blue one is"}
    assert len(answers) == 3


def test_a_policy_that_cannot_read_or_write_the_items(tmp_path, folder):
    build.decoder(symbol_tokenizer("0123456789*="), layers=1, width=16, heads=2, context=64, seed=0).save(
        tmp_path / "sums"
    )
    with pytest.raises(UserError, match=r"Item 'c/0' of colours: the model's tokenizer cannot write"):
        LocalPolicy(tmp_path / "sums").respond(colours())
    long = SimpleNamespace(system="", wrap=lambda text: "word " * 40 + text)
    with pytest.raises(UserError, match=r"takes \d+ tokens .* context of 160"):
        LocalPolicy(folder).respond(colours(), long)
    (tmp_path / "plain").mkdir()
    with pytest.raises(UserError, match="not a model"):
        LocalPolicy(tmp_path / "plain").respond(colours())
