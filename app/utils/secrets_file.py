"""Secrets that are made once and kept in the instance folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from app.utils.ids import new_secret

_LEAST = 32


class KeptSecretError(Exception):
    """The folder or file cannot serve; the message is one sentence for whoever starts the server, without a secret."""


def private_folder(folder: Path) -> Path:
    """Make the folder (0700) where it is missing, and see that it can be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except FileExistsError:
        raise KeptSecretError(f"{folder} is not a folder") from None
    except OSError as error:
        raise KeptSecretError(f"{folder} cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise KeptSecretError(f"{folder} cannot be written")
    return folder


def kept_secret(path: Path) -> str:
    """The secret in this file (0600), made on the first call ever; two first calls at once get the same one.

    A file that is there and does not serve is never replaced: what it signed and encrypted hangs on it.
    """
    if not path.exists():
        _make(path, new_secret(48))
    return _read(path)


def write_private(path: Path, text: str) -> bool:
    """Write a file (0600) that is not there yet, whole or not at all; False where somebody else was first."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _make(path: Path, secret: str) -> None:
    private_folder(path.parent)
    try:
        write_private(path, secret + "\n")
    except OSError as error:
        raise KeptSecretError(f"{path} cannot be written: {error.strerror}") from None


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            secret = stream.read().strip()
    except (OSError, UnicodeDecodeError):
        raise KeptSecretError(f"{path} cannot be read as a secret") from None
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise KeptSecretError(f"{path} can be read by others: chmod 600 it, or delete it to have a new one made")
    if len(secret) < _LEAST:
        raise KeptSecretError(f"{path} holds no whole secret: bring it back, or delete it to have a new one made")
    return secret
