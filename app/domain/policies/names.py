"""User names and e-mail addresses: which are taken, and when two of them are one."""

from __future__ import annotations

import unicodedata

from app.domain.errors import InvalidRequest

MAX_NAME = 64
MAX_KEY = 255
MAX_EMAIL = 254
RESERVED = frozenset({"guest"})

# Letters and symbols that Unicode counts as visible and that no reader sees.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159") | {
    chr(code)
    for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
}
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})

# UTS 39, "highly restrictive": what is written together in Japanese, Chinese and Korean beside Latin.
_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)

_SHARED_MARKS = {"KATAKANA-HIRAGANA": "KATAKANA", "IDEOGRAPHIC": "CJK"}


def identity_key(text: str) -> str:
    """What a name or an address is found by: NFKC and casefold, so that `Ａdmin` and `ADMIN` are `admin`."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def name_key(username: str) -> str:
    """Check a wished user name and give its key. Raises InvalidRequest naming `username`."""
    if not 1 <= len(username) <= MAX_NAME:
        raise _refused(f"A user name has 1 to {MAX_NAME} characters.")
    key = identity_key(username)
    seen = unicodedata.normalize("NFKC", username)
    if not 1 <= len(key) <= MAX_KEY:
        raise _refused("The user name is too long once it is normalised.")
    if any(_is_unseen(char) for char in username + seen):
        raise _refused("A user name has no invisible characters.")
    if seen != seen.strip() or unicodedata.category(seen[0]).startswith("M"):
        raise _refused("A user name begins and ends with a visible character.")
    if "/" in seen or "@" in seen:
        raise _refused("A user name has no / and no @.")
    if not _is_one_script(seen):
        raise _refused("A user name does not mix scripts.")
    if key in RESERVED:
        raise _refused("This user name is reserved.")
    return key


def email_key(email: str) -> str:
    """Check an e-mail address as far as that can be done without sending to it, and give its key.

    Raises InvalidRequest naming `email`.
    """
    local, _, domain = email.rpartition("@")
    key = identity_key(email)
    plain = not any(_is_unseen(char) or char.isspace() for char in email + key)
    whole = bool(local) and "@" not in local and bool(domain.strip(".")) and ".." not in domain
    if not (plain and whole and len(email) <= MAX_EMAIL and len(key) <= MAX_KEY and key.count("@") == 1):
        raise InvalidRequest("This is no e-mail address.", field="email")
    return key


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, field="username")


def _is_unseen(char: str) -> bool:
    return char in _UNSEEN or unicodedata.category(char) in _UNSEEN_CATEGORIES


def _is_one_script(text: str) -> bool:
    scripts = {_script(char) for char in text if char.isalpha()}
    return len(scripts) <= 1 or any(scripts <= together for together in _TOGETHER)


def _script(letter: str) -> str:
    """The script by the character's Unicode name: the standard library has no table of scripts."""
    word = unicodedata.name(letter, "UNNAMED").split(" ", 1)[0]
    return _SHARED_MARKS.get(word, word)
