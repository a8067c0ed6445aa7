"""Read the moments that people write: `2026-03-01`, `2026-03-01T12:30Z`, and for a point in a log's history `1200`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time

from lin.errors import InvalidInputError
from lin.lineage.events import format_time
from lin.lineage.moment import Moment

_NUMBER = re.compile(r"[0-9]{1,4000}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse(text: str | date | datetime, *, end_of_day: bool) -> datetime:
    """Read a day or a time; without a time zone it is UTC.

    Args:
        text: RFC 3339, with anything after the day left out as one likes; or a date or time.
        end_of_day: Whether a day alone means its end, so that all of it counts, or its beginning.

    Raises:
        InvalidInputError: It is neither.
    """
    try:
        if isinstance(text, datetime):
            moment = text
        elif (day := _day(text)) is not None:
            moment = datetime.combine(day, time.max if end_of_day else time.min, UTC)
        else:
            moment = datetime.fromisoformat(str(text))
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        format_time(moment)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"not a date: {str(text)!r}", hint="Write 2026-03-01 or 2026-03-01T12:30:00Z."
        ) from error
    return moment


def _day(text: str | date) -> date | None:
    try:
        return text if isinstance(text, date) else date.fromisoformat(text)
    except ValueError:
        return None


def micros(text: str | date | datetime | None, *, end_of_day: bool) -> int | None:
    """Return a moment in microseconds since 1970, as the graph counts; None for None."""
    if text is None:
        return None
    gone = parse(text, end_of_day=end_of_day) - _EPOCH
    return (gone.days * 86_400 + gone.seconds) * 1_000_000 + gone.microseconds


def past(text: str | int | date | datetime) -> Moment:
    """Read a point in the log's history: a number of events, or a day (to its end) or time.

    Raises:
        InvalidInputError: It is neither.
    """
    if isinstance(text, int) or (isinstance(text, str) and _NUMBER.fullmatch(text)):
        return Moment(size=int(text))
    try:
        return Moment(at=format_time(parse(text, end_of_day=True)))
    except InvalidInputError as error:
        raise InvalidInputError(
            f"neither a date nor a number of events: {str(text)!r}",
            hint="Write 2026-03-01, 2026-03-01T12:30:00Z, or how many of the log's events, such as 1200.",
        ) from error
