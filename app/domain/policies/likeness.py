"""Whether two questions may be one in other words, as far as words tell. Pure.

An average of words knows neither order nor negation, and one name among twenty words hardly moves it. So what must not
differ is compared here, word by word; what is left over on each side must mean the same, which is not for here to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Words that change nothing, by language; a language is told by the words of it that a text has.
HARMLESS: Final = {
    "en": _set("the a an is are please kindly thanks thank hi hello hey so just"),
    "de": _set("der die das den dem des ein eine einen einem ist sind bitte danke hallo mal denn"),
    "fr": _set("le la les un une est sont merci bonjour svp"),
    "es": _set("el la los las un una es son gracias hola"),
    "it": _set("il lo la gli un una è sono grazie ciao"),
}
TELLING: Final = {
    "en": HARMLESS["en"] | _set("what how why who when where which do does did i you my of to for and in"),
    "de": HARMLESS["de"] | _set("was wie warum wer wann wo welche ich du mein von zu für und im mir"),
    "fr": HARMLESS["fr"] | _set("que quoi comment pourquoi qui quand où je tu mon de du des pour et dans"),
    "es": HARMLESS["es"] | _set("qué cómo por quién cuándo dónde yo tú mi de del para y en"),
    "it": HARMLESS["it"] | _set("che cosa come perché chi quando dove io tu mio di del per e in"),
}
DENIALS: Final = _set(
    "not no never none nobody nothing nowhere neither nor without except unless barely hardly "
    "nicht kein keine keinen keinem keiner nie niemals niemand nichts ohne weder außer "
    "ne pas jamais rien personne sans aucun aucune ni sauf nunca nada nadie sin ninguno ninguna tampoco "
    "mai niente nessuno senza né"
)
#: Quantities, places in a row or in space, and who it is about: near in meaning, and never the same.
EXACT: Final = _set(
    "zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand "
    "million billion half double twice first second third last next all every each some any most least more less "
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf hundert tausend alle jede erste zweite dritte "
    "deux trois quatre cinq sept huit neuf dix cent mille tous dos tres cuatro cinco seis siete ocho nueve diez "
    "before after above below over under up down from with against since until left right "
    "vor nach über unter auf ab mit gegen seit bis avant après sur sous avec contre antes después sobre con contra "
    "i you he she we they me him us them my your his her our their mine yours "
    "ich du er wir ihr mich dich mein meine dein deine sein seine unser "
    "je tu il nous vous mon ma ton ta son sa yo mi tu"
)
#: What is put before a word to deny it.
DENYING: Final = ("un", "il", "im", "in", "ir", "dis", "non", "mis", "anti", "de")

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SENTENCE = re.compile(r"(?:^|[.!?:\n])\s*[\"'“‘(*-]*\s*$")
_PLAIN = frozenset(" \t\r\n.,!?;:'\"’‘“”«»()-–—…*")
_HOW = re.compile(r"\bhow (?:can|could|do|does|should|would|to)(?: (?:i|you|we|one))?\b")


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Words of each of two questions that the other has not."""

    one: tuple[str, ...]
    other: tuple[str, ...]


def left_over(one: str, other: str) -> LeftOver | None:
    """What must mean the same for the two to be one question; None where they cannot be: other numbers, names, signs or
    quantities, a denial more, another language, the same words in another order."""
    first, second = _Words(one), _Words(other)
    if first.strict != second.strict or first.scripts != second.scripts:
        return None
    if first.language and second.language and first.language != second.language:
        return None
    harmless = HARMLESS.get(first.language or second.language, frozenset())
    mine = [word for word in first.words if word not in harmless]
    theirs = [word for word in second.words if word not in harmless]
    common = Counter(mine) & Counter(theirs)
    if _of(mine, common) != _of(theirs, common):
        return None
    rest = LeftOver(tuple((Counter(mine) - common).elements()), tuple((Counter(theirs) - common).elements()))
    if any(_denies(a, b) or _denies(b, a) for a in rest.one for b in rest.other):
        return None
    return rest


def bare(text: str) -> str:
    """The question without what changes nothing, as its meaning is to be compared: a `please` moves an average of
    seven words further than another verb does."""
    words = _Words(text)
    harmless = HARMLESS.get(words.language, frozenset())
    return " ".join(word for word in words.words if word not in harmless) or text


class _Words:
    """A question taken apart. strict: what another must have just so, in this order."""

    def __init__(self, text: str) -> None:
        text = unicodedata.normalize("NFKC", text)
        low = _HOW.sub("how", text.casefold().replace("’", "'"))
        self.words: list[str] = []
        for found in _WORD.findall(low):
            self.words += _spelt_out(found)
        self.language = _language(self.words)
        self.scripts = frozenset(_script(char) for char in low if char.isalpha())
        signs = [char for char in text if not char.isalnum() and char not in _PLAIN]
        facts = [word for word in self.words if _is_fact(word)]
        self.strict = (facts, signs, sorted(_names(text)))


def _spelt_out(word: str) -> list[str]:
    """`don't` and `what's` as two words."""
    if word in ("can't", "cannot"):
        return ["can", "not"]
    if word.endswith("n't"):
        return [word[:-3], "not"]
    head, apostrophe, tail = word.partition("'")
    if apostrophe and tail in ("s", "re", "m"):
        return [head, "is"] if tail != "re" else [head, "are"]
    return [head, tail] if apostrophe else [word]


def _is_fact(word: str) -> bool:
    return word in DENIALS or word in EXACT or any(char.isdigit() for char in word)


def _names(text: str) -> list[str]:
    """Words with a capital that no sentence begins with, and words in capitals."""
    found = []
    for match in _WORD.finditer(text):
        word = match.group()
        shouted = len(word) > 1 and word.isupper()
        begins = bool(_SENTENCE.search(text[max(0, match.start() - 8) : match.start()]))
        if (word[0].isupper() and not begins and word != "I" and not word.startswith(("I'", "I’"))) or shouted:
            found.append(word.casefold())
    return found


def _language(words: list[str]) -> str:
    """The language with the most words that tell it, '' where none has more than the others."""
    told = {name: sum(word in telling for word in words) for name, telling in TELLING.items()}
    best = max(told.values())
    names = [name for name, n in told.items() if n == best]
    return names[0] if best and len(names) == 1 else ""


def _script(char: str) -> str:
    return unicodedata.name(char, "?").partition(" ")[0] if ord(char) > 0x24F else "LATIN"


def _of(words: list[str], common: Counter[str]) -> list[str]:
    """The common ones among these, in their order."""
    left = Counter(common)
    kept = []
    for word in words:
        if left[word] > 0:
            left[word] -= 1
            kept.append(word)
    return kept


def _denies(word: str, other: str) -> bool:
    return any(word == prefix + other for prefix in DENYING)
