"""Whether a question wants what is known only today. Pure: for models that cannot decide it by themselves."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Final

ENOUGH: Final = 2.0
READ: Final = 2_000
"""Characters that are looked at."""
_YEAR = re.compile(r"(?<![\w.,/-])(20[2-9]\d)(?![\w/-])")
#: (sign, weight)
_SIGNS: Final = tuple(
    (re.compile(sign), weight)
    for sign, weight in (
        # It is asked for.
        (r"\b(?:search|look (?:it |this |that )?up|google|browse)\b.{0,30}\b(?:web|internet|online|for|up)\b", 2.0),
        (r"\b(?:search|google) (?:the|for|about)\b|\blook up\b|\bon the (?:web|internet)\b", 2.0),
        (r"\b(?:such|suche|google|recherchiere)\b.{0,40}\b(?:web|internet|netz)\b|\bim (?:internet|netz)\b", 2.0),
        (r"\b(?:cherche|recherche)\b.{0,30}\b(?:web|internet)\b|\bbusca\b.{0,30}\b(?:web|internet)\b", 2.0),
        (r"\bhttps?://\S+\.\S", 4.0),
        # It changes by the day.
        (r"\b(?:news|headlines?|breaking|nachrichten|schlagzeilen|actualités?|noticias)\b", 2.0),
        (r"\b(?:today|tonight|yesterday|tomorrow|right now|this (?:week|weekend|month|morning|season))\b", 1.5),
        (r"\b(?:heute|gestern|morgen früh|diese[rn]? (?:woche|monat)|aujourd'hui|hier soir|hoy|ayer)\b", 1.5),
        (r"\b(?:latest|newest|most recent|recently|current(?:ly)?|up[- ]to[- ]date|as of|so far this)\b", 1.5),
        (r"\b(?:aktuell\w*|neueste\w*|derzeit|momentan|kürzlich|dernière?s?|actuel\w*|último\w*|actual(?:es)?)\b", 1.5),
        (r"\b(?:weather|forecast|traffic|wetter|vorhersage|météo|clima|tiempo hará)\b", 1.5),
        (r"\b(?:stock|share|bitcoin|crypto|exchange rate|gold|oil|aktie\w*|wechselkurs|börsenkurs)\b", 1.0),
        (r"\b(?:price|cost|worth|rate|quote|preis|kostet|kurs|prix|precio)s?\b", 1.0),
        (r"\b(?:buy|cheapest|in stock|deals?|discount|kaufen|günstigste\w*)\b", 0.5),
        (
            r"\b(?:score|standings|fixtures?|results? of|who won|who is winning|spielstand|wer hat .{0,40}gewonnen)\b",
            1.5,
        ),
        (
            r"\b(?:release date|released yet|is .{1,40} out yet|when (?:is|does|will) .{1,60}(?:start|open))\b",
            1.5,
        ),
        (r"\bwho is (?:the )?(?:current |new )?(?:president|prime minister|chancellor|ceo|king|pope|champion)\b", 2.0),
        (r"\b(?:opening hours|open now|near me|schedule|timetable|öffnungszeiten|in meiner nähe|fahrplan)\b", 2.0),
        (r"\b(?:latest|newest|current) (?:stable )?(?:version|release|model)\b", 1.0),
        # It does not.
        (r"\A(?:write|translate|summari[sz]e|rewrite|explain|draw|imagine|schreibe?|übersetze?|erkläre?)\b", -1.5),
        (r"\b(?:poem|story|essay|regex|function|python|javascript|sql|refactor|unit test|gedicht|geschichte)\b", -1.5),
        (r"\b(?:current (?:directory|user|line|node|element|state|date function)|today's lesson|todo)\b", -2.0),
    )
)


def wants_search(question: str, today: date) -> bool:
    """today: a year that has just been, is or comes is a sign."""
    text = " ".join(unicodedata.normalize("NFKC", question[:READ]).casefold().replace("’", "'").split())
    total = sum(weight for sign, weight in _SIGNS if sign.search(text))
    if any(int(year) >= today.year - 1 for year in _YEAR.findall(text)):
        total += 1.5
        if re.search(r"\b(?:who|what|when|which|where|how (?:much|many)|wer|was|wann|qui|quand|quién)\b", text):
            total += 0.5
    return total >= ENOUGH
