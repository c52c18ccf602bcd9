"""Secrets at rest: AES-256-GCM under a key derived from the installation's own secret, bound to where they stand."""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

#: The first byte of what is sealed: says how, so that another way can stand beside it one day.
VERSION: Final = b"\x01"
_NONCE: Final = 12


class UnreadableError(Exception):
    """Sealed with another secret, for another place, or damaged."""


class Sealer:
    """secret: seals and opens. previous: the former secrets, which still open what they sealed."""

    def __init__(self, secret: str, *previous: str) -> None:
        self._boxes = [AESGCM(_derived(one)) for one in (secret, *previous)]

    def seal(self, text: str, place: str) -> bytes:
        """place: where it will stand (a row's id); it opens nowhere else."""
        nonce = os.urandom(_NONCE)
        return VERSION + nonce + self._boxes[0].encrypt(nonce, text.encode(), VERSION + place.encode())

    def open(self, sealed: bytes, place: str) -> str:
        """Raises UnreadableError."""
        version, nonce, rest = sealed[:1], sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        if version != VERSION or len(nonce) != _NONCE:
            raise UnreadableError
        for box in self._boxes:
            try:
                return box.decrypt(nonce, rest, version + place.encode()).decode()
            except InvalidTag:
                continue
        raise UnreadableError


def _derived(secret: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"onedoor provider keys").derive(secret.encode())
