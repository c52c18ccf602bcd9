"""The end of a worker."""

from __future__ import annotations

from app.utils.cancel import Cancel
from app.utils.lifecycle import Lifecycle


def test_what_is_in_flight_is_cancelled_and_what_left_is_not() -> None:
    lifecycle, running, left = Lifecycle(), Cancel(), Cancel()
    lifecycle.enter(running)
    lifecycle.enter(left)
    lifecycle.leave(left)
    assert lifecycle.in_flight == 1
    lifecycle.cancel_all()
    assert (running.reason, left.reason) == ("shutdown", None)


def test_a_request_that_leaves_while_it_is_cancelled_trips_nobody() -> None:
    lifecycle = Lifecycle()
    cancels = [Cancel() for _ in range(3)]
    for cancel in cancels:
        lifecycle.enter(cancel)
        cancel.add(lambda cancel=cancel: lifecycle.leave(cancel))  # type: ignore[misc]
    lifecycle.cancel_all()
    assert lifecycle.in_flight == 0


def test_the_last_opened_is_the_first_closed_and_a_failure_stops_nobody() -> None:
    lifecycle, closed = Lifecycle(), []

    def broken() -> None:
        closed.append("broken")
        raise RuntimeError("will not close")

    lifecycle.on_close("first", lambda: closed.append("first"))
    lifecycle.on_close("broken", broken)
    lifecycle.on_close("last", lambda: closed.append("last"))
    lifecycle.close()
    lifecycle.close()
    assert closed == ["last", "broken", "first"]
