"""Text that came from elsewhere in whatever encoding it says."""

from __future__ import annotations

import re
from typing import Final

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
#: Those of the web's standard that Python has. Its own others are no charsets (zip, idna, unicode_escape).
_KNOWN: Final = re.compile(
    r"utf-?8|utf-?16(le|be)?|us-ascii|ascii|latin-?1|iso-?8859-\d{1,2}|windows-125\d|cp125\d|koi8-[ru]|"
    r"shift[_-]jis|euc-(jp|kr)|iso-2022-jp|gbk|gb2312|gb18030|big5|macintosh",
    re.IGNORECASE,
)
_NAMES: Final = {"macintosh": "mac-roman", "gb2312": "gbk", "iso-8859-1": "windows-1252"}


def decoded(body: bytes, content_type: str) -> str | None:
    """The text, by the charset that is told, else as UTF-8; None where it is no text. What says that it is text and
    is no UTF-8 is read as windows-1252, as browsers do."""
    told = _CHARSET.search(content_type)
    name = told[1].lower() if told else "utf-8"
    if not _KNOWN.fullmatch(name):
        name = "utf-8"
    try:
        return body.decode("utf-8-sig" if name in ("utf-8", "utf8") else _NAMES.get(name, name))
    except UnicodeDecodeError:
        return body.decode("windows-1252", "replace") if content_type.lower().startswith("text/") else None
