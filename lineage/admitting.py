"""Admitting: what the sequencer asks before events enter the log, and how it answers each request.

The sequencer decides the order; an `Admission` decides whether a request may enter at all. Both ways of
committing, under a lock and without one, use these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

from .envelope import SignedEvent


class Admission(Protocol):
    """Decide which events may enter the log, as it stands now.

    One is opened for each commit; the sequencer guarantees that nothing else is admitted in the meantime, or
    that the commit is dropped if something was.
    """

    def admit(self, request: Sequence[SignedEvent]) -> Sequence[SignedEvent]:
        """Return those events of a request that the log does not hold yet, in order.

        Requests come in the order in which their events will be in the log, so later ones are judged as if
        the earlier ones were in it. A refused request leaves no trace on later ones.

        Raises:
            LinError: The request as a whole is refused; the submitter gets this error.
        """


OpenAdmission: TypeAlias = Callable[[], AbstractContextManager[Admission] | Admission]
"""Return an admission that knows the whole log, after catching up with it."""


class Request:
    """Events on their way into the log, all or none, and the answer once there is one."""

    def __init__(self, events: Sequence[SignedEvent]) -> None:
        self.events = tuple(events)
        self.settled = False
        self._error: Exception | None = None

    def settle(self, error: Exception | None = None) -> None:
        """Answer: it is durable, or this error."""
        self.settled = True
        self._error = error

    @property
    def error(self) -> Exception | None:
        """Why it was refused; None where it was not, or there is no answer yet."""
        return self._error

    def result(self) -> None:
        """Return if the events are durable; raise the error otherwise."""
        if self._error is not None:
            raise self._error


def select(requests: Sequence[Request], open_admission: OpenAdmission) -> tuple[list[Request], list[bytes]]:
    """Ask for each request in turn; those that are refused are settled here.

    Returns:
        The requests that may enter, and the leaves that they add to the log.
    """
    admitted: list[Request] = []
    leaves: dict[bytes, bytes] = {}
    with _entered(open_admission()) as admission:
        for request in requests:
            try:
                new = admission.admit(request.events)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer to this request alone
                request.settle(error)
                continue
            admitted.append(request)
            for event in new:
                leaves.setdefault(event.id.value, event.leaf)
    return admitted, list(leaves.values())


@contextmanager
def _entered(opened: AbstractContextManager[Admission] | Admission) -> Iterator[Admission]:
    if isinstance(opened, AbstractContextManager):
        with opened as admission:
            yield admission
    else:
        yield opened
