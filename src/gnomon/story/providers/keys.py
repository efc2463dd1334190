"""Where the key of a provider is kept: the keyring, an environment variable, or a file that only its owner can read.

A key is looked up when a provider is opened, and stands nowhere else: not in settings, projects, logs or errors.
"""

import os
import re
import stat
from pathlib import Path

from gnomon.errors import UserError

_SERVICE = "gnomon"


def variable(name: str) -> str:
    """The environment variable for the key of provider `name`: GNOMON_API_KEY_NAME."""
    return "GNOMON_API_KEY_" + re.sub(r"\W", "_", name).upper()


def find(name: str, folder: Path) -> str:
    """The key of provider `name`, or "": the environment before the keyring before `folder`/NAME.key.

    Raises UserError for a key file that others can read.
    """
    if given := os.environ.get(variable(name), "").strip():
        return given
    if kept := _from_keyring(name):
        return kept
    path = folder / f"{name}.key"
    if not path.is_file():
        return ""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UserError(f"The key file {str(path)!r} can be read by others (mode {mode:04o}); chmod 600 it.")
    return path.read_text(encoding="utf-8").strip()


def keep(name: str, key: str, folder: Path) -> None:
    """Keep a key in the keyring, or, where there is none, in a file of mode 0600 in `folder`."""
    forget(name, folder)
    if _to_keyring(name, key):
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.key"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(key + "\n")


def forget(name: str, folder: Path) -> None:
    """Remove a key that was kept here."""
    (folder / f"{name}.key").unlink(missing_ok=True)
    if _from_keyring(name):
        import keyring

        keyring.delete_password(_SERVICE, name)


def _from_keyring(name: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return keyring.get_password(_SERVICE, name) or ""
    except KeyringError:  # no keyring runs here, or it stays locked
        return ""


def _to_keyring(name: str, key: str) -> bool:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return False
    try:
        keyring.set_password(_SERVICE, name, key)
    except KeyringError:
        return False
    return True
