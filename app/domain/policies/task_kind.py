"""What kind of task a prompt is: code, maths, writing, translation, vision or chat. Pure and quick, by its words.

Signs of each kind are weighed; the heaviest kind has it, in case of a draw the one that is named first below. What
says too little is chat. Words are looked up in sets, since patterns over a long prompt would cost milliseconds.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import Final

from app.domain.routing import TaskKind

#: Characters that are looked at: the beginning, where a prompt says what it wants, and its end.
BEGINNING: Final = 1000
END: Final = 300
#: Words at the beginning among which a verb and what is to be written must stand.
NEAR: Final = 30
ENOUGH: Final = 2

_WORD: Final = re.compile(r"[\w+#]+")
_SUM: Final = re.compile(r"\d\s*[+*^×÷=]\s*\(?\s*\d|\d\s+[-/]\s+\d|\b[xy]\s*[=^²³]|\d\s*% (?:of|von)\b")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LANGUAGES: Final = _words(
    "english german french spanish italian portuguese dutch polish russian chinese japanese korean arabic turkish latin"
    " swedish hindi deutsch deutsche englisch englische französisch spanisch italienisch russisch chinesisch polnisch"
    " anglais français allemand espagnol inglés español alemán francés"
)
_TO: Final = _words("in into to from ins auf aus en al")
_WORDS: Final[tuple[tuple[TaskKind, int, frozenset[str]], ...]] = (
    (
        "translation",
        3,
        _words(
            "translate translates translated translating translation übersetze übersetz übersetzen"
            " übersetzt übersetzung traduis traduire traduisez traduction traduce traducir traduzca переведи перевод"
        ),
    ),
    (
        "code",
        3,
        _words(
            "python javascript typescript java c++ c# rust golang kotlin php sql bash html css react django flask"
            " docker dockerfile kubernetes regex regexp numpy pandas powershell haskell scala pytest postgres"
            " sqlite linux"
        ),
    ),
    (
        "code",
        2,
        _words(
            "code coding codebase program programming function functions method class script algorithm api"
            " endpoint json yaml refactor refactoring debug debugging compile compiler bug bugs traceback segfault"
            " exception exceptions linter git repo repository recursion async"
            " thread threads variable loop array decorator"
            " funktion programmiere programmieren quelltext skript methode klasse fehlermeldung datenbankabfrage"
            " fonction código función функция код"
        ),
    ),
    (
        "maths",
        3,
        _words(
            "solve equation equations integral integrate derivative differentiate theorem prove proof matrix matrices"
            " eigenvalue eigenvalues polynomial quadratic logarithm probability prime primes factorise factorize"
            " trigonometry algebra calculus arithmetic hypotenuse gleichung ableitung beweise wahrscheinlichkeit"
            " berechne primzahl rechne équation ecuación"
        ),
    ),
    (
        "maths",
        2,
        _words(
            "calculate compute average sum percent percentage divided multiplied minus squared maths math median"
            " variance deviation prozent durchschnitt summe calcule calcula"
        ),
    ),
    (
        "writing",
        3,
        _words(
            "rewrite rephrase reword paraphrase proofread summarise summarize shorten umformuliere umformulieren"
            " formuliere korrigiere zusammenfassung zusammenfassen reformule résume"
        ),
    ),
    (
        "writing",
        2,
        _words("poem haiku limerick sonnet essay slogan tagline gedicht aufsatz poème poema screenplay"),
    ),
)
_VERBS: Final = _words(
    "write compose draft create give make prepare schreib schreibe verfasse entwirf mach écris rédige rédigez escribe"
    " redacta"
)
_TEXTS: Final = _words(
    "poem story tale essay email e-mail mail letter blog article speech song lyrics haiku limerick post tweet toast"
    " review summary headline headlines slogan tagline description announcement newsletter cv resume invitation"
    " dialogue screenplay caption biography paragraph note memo gedicht geschichte brief aufsatz rede artikel lied"
    " bewerbung einladung poème lettre histoire poema carta cuento historia correo"
)
_PHRASES: Final[tuple[tuple[TaskKind, int, frozenset[str]], ...]] = (
    ("translation", 2, frozenset({"you say", "we say", "i say", "sagt man", "dit on", "se dice"})),
    ("maths", 2, frozenset({"how many", "square root", "area of", "volume of", "wurzel aus", "wie viele"})),
    (
        "code",
        2,
        frozenset({"unit test", "unit tests", "stack trace", "merge conflict", "null pointer", "pull request"}),
    ),
    ("writing", 2, frozenset({"short story", "blog post", "cover letter", "fasse zusammen"})),
)
#: Looked for as they stand, capitals and all.
_PIECES: Final[tuple[tuple[TaskKind, int, tuple[str, ...]], ...]] = (
    (
        "code",
        3,
        (
            "```",
            "def ",
            "=>",
            "();",
            "#include",
            "SELECT ",
            "</",
            "{\n",
            ";\n",
            "Error:",
            "Exception",
            "import {",
            "()",
        ),
    ),
    ("code", 2, (".py", ".js", ".ts", ".java", ".cpp", ".rs", ".sql", "代码", "函数", "コード")),
    ("maths", 3, ("\\frac", "\\int", "\\sum", "\\sqrt", "∫", "∑", "√", "方程", "积分", "概率", "計算")),
    ("translation", 4, ("翻译", "翻譯", "翻訳")),
    ("writing", 3, ("写一首", "写一篇", "写一封", "作文")),
)


def task_kind(prompt: str, *, pictures: bool = False) -> TaskKind:
    """The kind of task of a prompt's last turn. pictures: there are some to be looked at."""
    if pictures:
        return "vision"
    text = prompt if len(prompt) <= BEGINNING + END else f"{prompt[:BEGINNING]}\n{prompt[-END:]}"
    weights: Counter[TaskKind] = Counter()
    spoken = _WORD.findall(text.lower())
    words = set(spoken)
    for kind, weight, signs in _WORDS:
        if not words.isdisjoint(signs):
            weights[kind] += weight
    pairs = {f"{first} {second}" for first, second in pairwise(spoken[: 4 * NEAR])}
    for kind, weight, phrases in _PHRASES:
        if not pairs.isdisjoint(phrases):
            weights[kind] += weight
    for kind, weight, pieces in _PIECES:
        if any(piece in text for piece in pieces):
            weights[kind] += weight
    if _SUM.search(text):
        weights["maths"] += 3
    if any(second in _LANGUAGES and first in _TO for first, second in pairwise(spoken)):
        weights["translation"] += 2
    near = set(spoken[:NEAR])
    if not near.isdisjoint(_VERBS) and not near.isdisjoint(_TEXTS):
        weights["writing"] += 3
    return _heaviest(weights)


def _heaviest(weights: Counter[TaskKind]) -> TaskKind:
    best: TaskKind = "chat"
    heaviest = ENOUGH - 1
    for kind in _ORDER:
        if weights[kind] > heaviest:
            best, heaviest = kind, weights[kind]
    return best


_ORDER: Final[tuple[TaskKind, ...]] = ("translation", "code", "maths", "writing")
