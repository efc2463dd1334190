"""Providers that a writer has set up: what is kept where, and that keys stand apart."""

import sys
from typing import ClassVar

import pytest

from gnomon.errors import UserError
from gnomon.story.providers import keys
from gnomon.story.providers.openai import OpenAI
from gnomon.story.providers.settings import Providers, settings_folder

SECRET = "sk-never-to-be-seen-23"
LOCAL = {"kind": "openai", "base_url": "http://127.0.0.1:11434/v1/", "model": "tiny"}


@pytest.fixture(autouse=True)
def _no_keyring(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.delenv("GNOMON_API_KEY_LOCAL", raising=False)


def test_a_key_is_kept_apart_and_never_listed(tmp_path):
    providers = Providers(tmp_path)
    providers.put("local", {**LOCAL, "key": SECRET, "timeout_s": 30, "prices": [1, 2]})
    assert providers.list()[1] == {
        "name": "local", "kind": "openai", "base_url": LOCAL["base_url"], "model": "tiny", "has_key": True, "timeout_s": 30,
    }  # fmt: skip
    assert providers.list()[0]["kind"] == "builtin"
    assert SECRET not in (tmp_path / "providers.json").read_text()
    assert (tmp_path / "local.key").stat().st_mode & 0o777 == 0o600
    opened = Providers(tmp_path).open("local")
    assert isinstance(opened, OpenAI)
    assert opened.key == SECRET
    assert opened.prices == (1.0, 2.0)
    assert opened.timeout_s == 30
    assert providers.open("builtin") is None


def test_a_key_stays_with_its_address(tmp_path):
    providers = Providers(tmp_path)
    providers.put("local", {**LOCAL, "key": SECRET})
    providers.put("local", {**LOCAL, "model": "other"})
    assert providers.open("local").key == SECRET
    providers.put("local", {**LOCAL, "base_url": "http://elsewhere/v1"})
    assert providers.open("local").key == ""
    providers.put("local", {**LOCAL, "key": SECRET})
    providers.delete("local")
    assert not (tmp_path / "local.key").exists()
    with pytest.raises(UserError, match="there is no provider 'local'"):
        providers.open("local")
    with pytest.raises(UserError, match="there is no provider 'local'"):
        providers.delete("local")


def test_prices_stay_with_their_model(tmp_path):
    providers = Providers(tmp_path)

    def prices(**settings):
        providers.put("local", {**LOCAL, **settings})
        return providers.open("local").prices

    assert prices(prices=[1, 2]) == (1.0, 2.0)
    assert prices(timeout_s=5) == (1.0, 2.0)
    assert prices(prices=None) is None
    assert prices() is None
    assert prices(prices=[1, 2]) == (1.0, 2.0)
    assert prices(model="other") is None
    assert prices(model="other", prices=[3, 4]) == (3.0, 4.0)
    assert prices(model="other", base_url="http://elsewhere/v1") is None


def test_the_environment_goes_first(tmp_path, monkeypatch):
    Providers(tmp_path).put("my-own", {**LOCAL, "key": SECRET})
    monkeypatch.setenv("GNOMON_API_KEY_MY_OWN", " other ")
    assert Providers(tmp_path).open("my-own").key == "other"


def test_a_key_file_that_others_read_is_refused(tmp_path):
    path = tmp_path / "local.key"
    path.write_text(SECRET)
    path.chmod(0o644)
    with pytest.raises(UserError, match=r"can be read by others \(mode 0644\)") as caught:
        keys.find("local", tmp_path)
    assert SECRET not in str(caught.value)
    path.chmod(0o600)
    assert keys.find("local", tmp_path) == SECRET


def test_a_keyring_keeps_the_key_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.undo()
    keyring = pytest.importorskip("keyring", reason="keyring is not installed, which the [story] extra brings")
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 1
        held: ClassVar = {}

        def get_password(self, service, name):
            return self.held.get((service, name))

        def set_password(self, service, name, password):
            self.held[service, name] = password

        def delete_password(self, service, name):
            del self.held[service, name]

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        providers = Providers(tmp_path)
        providers.put("local", {**LOCAL, "key": SECRET})
        assert Memory.held == {("gnomon", "local"): SECRET}
        assert not (tmp_path / "local.key").exists()
        assert providers.open("local").key == SECRET
        providers.delete("local")
        assert Memory.held == {}
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize(
    ("name", "settings", "field"),
    [
        ("builtin", LOCAL, "name"),
        ("a/b", LOCAL, "name"),
        ("x", {**LOCAL, "kind": "magic"}, "kind"),
        ("x", {**LOCAL, "base_url": "ftp://host"}, "base_url"),
        ("x", {**LOCAL, "base_url": f"http://me:{SECRET}@host"}, "base_url"),
        ("x", {**LOCAL, "model": ""}, "model"),
        ("x", {**LOCAL, "model": 3}, "model"),
        ("x", {**LOCAL, "timeout_s": -1}, "timeout_s"),
        ("x", {**LOCAL, "timeout_s": True}, "timeout_s"),
        ("x", {**LOCAL, "prices": [1]}, "prices"),
        ("x", {**LOCAL, "secret": 1}, "secret"),
        ("x", {"kind": "replay", "base_url": "/nowhere"}, "base_url"),
    ],
)
def test_what_cannot_be_set_up_names_its_field(tmp_path, name, settings, field):
    with pytest.raises(ValueError) as caught:
        Providers(tmp_path).put(name, settings)
    assert caught.value.field == field
    assert SECRET not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_damaged_settings_and_their_folder(tmp_path, monkeypatch):
    (tmp_path / "providers.json").write_text("[")
    with pytest.raises(UserError, match="holds no settings of providers"):
        Providers(tmp_path).list()
    monkeypatch.setenv("GNOMON_CONFIG_DIR", str(tmp_path / "own"))
    assert settings_folder() == tmp_path / "own"
    assert len(Providers().list()) == 1
