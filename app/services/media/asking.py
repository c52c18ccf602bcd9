"""A file given to children, and what goes wrong there in the words of a door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from app.domain.errors import InvalidRequest, Overloaded, TooLarge, Unavailable, UnsupportedMedia
from app.utils.cancel import Cancel
from app.utils.children import Children, ChildrenBusyError, JobDiedError, JobRefusedError

T = TypeVar("T")
Source = Path | bytes

_MEANINGS = {
    "time": "the file takes too long to read",
    "memory": "the file takes more memory to read than it may",
    "crash": "the file cannot be read",
}


def ask(
    children: Children,
    source: Source,
    job: dict[str, object],
    collect: Callable[[dict[str, Any], Path], T],
    cancel: Cancel | None,
) -> T:
    """What the children make of a file. Raises InvalidRequest, UnsupportedMedia, TooLarge, Overloaded, Unavailable."""
    path = "input" if isinstance(source, bytes) else str(source.absolute())

    def prepare(folder: Path) -> None:
        if isinstance(source, bytes):
            (folder / "input").write_bytes(source)

    try:
        return children.run(job | {"path": path}, collect, prepare=prepare, cancel=cancel)
    except ChildrenBusyError:
        raise Overloaded("too many files are being read at once", retry_after=2) from None
    except JobRefusedError as refused:
        message = refused.message or "the file is broken or cut off"
        if refused.kind == "too_large":
            raise TooLarge(message, details={"reason": "size"}) from None
        raise (UnsupportedMedia if refused.kind == "unsupported" else InvalidRequest)(message) from None
    except JobDiedError as died:
        if died.why == "stopped":
            raise Unavailable("the file was not read to its end") from None
        raise InvalidRequest(_MEANINGS[died.why]) from None
    except OSError as fault:
        raise Unavailable("there is no room on the disk to read a file") from fault
