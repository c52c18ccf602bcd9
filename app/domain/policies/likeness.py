"""Whether two questions may be one in other words, as far as words tell. Pure."""

from __future__ import annotations


def same_facts(one: str, other: str) -> bool:
    """Whether both name the same numbers and names, deny the same, and speak one language."""
    return one == other
