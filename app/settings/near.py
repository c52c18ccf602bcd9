"""Whether one name is another one mistyped."""

from __future__ import annotations


def near(one: str, other: str, distance: int) -> bool:
    """Whether `distance` letters at most, put in, left out or changed, make one of the other."""
    if abs(len(one) - len(other)) > distance:
        return False
    start = 0
    for start, (a, b) in enumerate(zip(one, other, strict=False)):  # noqa: B007 - its last value is what is asked for
        if a != b:
            break
    else:
        return True
    if distance == 0:
        return False
    a, b = one[start:], other[start:]
    return near(a[1:], b, distance - 1) or near(a, b[1:], distance - 1) or near(a[1:], b[1:], distance - 1)
