"""Work after a reply: done in turn, bounded, and a fault of one piece is nobody else's."""

from __future__ import annotations

from app.utils.afterwards import Afterwards


def test_work_is_done_and_a_fault_ends_no_lane() -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("a fault")

    later = Afterwards(lanes=1)
    assert all(later.put(work) for work in (lambda: done.append(1), fail, lambda: done.append(2)))
    later.drain(5)
    assert done == [1, 2]


def test_what_is_too_much_is_dropped_counted_and_told() -> None:
    told: list[bool] = []
    later = Afterwards(lanes=1, most=2, lost=lambda: told.append(True))
    assert [later.put(lambda: None) for _ in range(4)] == [True, True, False, False]
    assert (later.dropped, len(told)) == (2, 2)
    later.drain(5)
    assert later.put(lambda: None)
    later.drain(5)
