"""Events: what is said survives its bytes, and anything but those bytes is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from lin.errors import InvalidInputError, UnsupportedFormatError
from lin.lineage import events
from lin.lineage.events import (
    STATEMENTS,
    AliasMoved,
    ArtifactRecorded,
    EvaluationRecorded,
    Event,
    EventId,
    Imported,
    KeepingChanged,
    KeyChanged,
    RunFinished,
    RunStarted,
    RunUsed,
    TableIdentified,
    Tombstone,
    Use,
    format_time,
    parse_time,
    plain_number,
)
from lin.lineage.table_id import TableId
from lin.lineage.words import ArtifactKind, Evidence, Keeping, Role, RunStatus, Shape
from lin.store.digest import Digest

AT = "2026-03-01T12:00:00.000000Z"
ACTOR = "ab" * 32

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
event_ids = st.builds(EventId, st.binary(min_size=32, max_size=32))
digests = st.builds(Digest, st.binary(min_size=32, max_size=32))
counts = st.integers(0, 2**53 - 1)
scalars = text | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15).map(lambda x: x + 0.0)
mappings = st.dictionaries(text, scalars, max_size=4)
maybe = st.none()
evidence = st.sampled_from(Evidence)
uses = st.builds(Use, event_ids, st.sampled_from(Role), evidence, maybe | name)


def tables(order):
    return st.builds(TableId, st.just(order), st.binary(min_size=32, max_size=32))


generated: dict[type[Any], st.SearchStrategy[Any]] = {
    ArtifactRecorded: st.builds(
        ArtifactRecorded,
        kind=st.sampled_from(ArtifactKind),
        name=name,
        version=st.integers(1, 2**53 - 1),
        digest=digests,
        shape=st.sampled_from(Shape),
        size=counts,
        files=counts,
        run=maybe | event_ids,
        path=maybe | name,
        evidence=maybe | evidence,
        experiment=maybe | text,
        attributes=mappings,
        detail=maybe | digests,
    ),
    RunStarted: st.builds(RunStarted, text, text, text, mappings, maybe | text, maybe | digests),
    RunUsed: st.builds(RunUsed, event_ids, st.lists(uses, min_size=1, max_size=3).map(tuple)),
    RunFinished: st.builds(
        RunFinished,
        event_ids,
        st.sampled_from([status for status in RunStatus if status is not RunStatus.RUNNING]),
        maybe | st.integers(0, 255),
        mappings,
        maybe | digests,
    ),
    EvaluationRecorded: st.builds(EvaluationRecorded, event_ids, event_ids, event_ids, mappings),
    AliasMoved: st.builds(AliasMoved, name, name, maybe | event_ids, st.lists(event_ids, max_size=3).map(tuple)),
    Tombstone: st.builds(Tombstone, digests, text),
    TableIdentified: st.builds(
        TableIdentified,
        digests,
        tables("set"),
        tables("seq"),
        counts,
        counts,
        name,
        digests,
        maybe | name,
        mappings,
        maybe | digests,
        maybe | digests,
        maybe | digests,
    ),
    KeepingChanged: st.builds(
        lambda action, *rest: KeepingChanged(rest[0], action, rest[1] if action.startswith("re") else (), rest[2]),
        st.sampled_from(Keeping),
        event_ids,
        st.lists(event_ids, min_size=1, max_size=3).map(tuple),
        maybe | text,
    ),
    Imported: st.builds(Imported, name, text, text, st.integers(1, 2**53 - 1)),
    KeyChanged: st.builds(KeyChanged, st.sampled_from(["add", "revoke"]), hexes, maybe | hexes),
}
statements = st.one_of(*generated.values())
times = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1)).map(lambda t: format_time(t.replace(tzinfo=UTC)))  # noqa: DTZ001 - hypothesis wants them bare
said = st.builds(Event, times, hexes, statements)


@given(said)
def test_every_event_survives_its_payload(event):
    """Writing and reading gives the event back, and the id depends on the payload alone."""
    payload = event.payload()
    assert Event.parse(payload) == event
    assert event.id == EventId.of(payload) == Event.parse(payload).id


@given(said)
def test_payloads_are_canonical(event):
    """A payload is RFC 8785 of what it says, with exactly five fields."""
    document = json.loads(event.payload())
    assert rfc8785.dumps(document) == event.payload()
    assert document.keys() == {"v", "kind", "actor", "at", "body"}


@given(st.sampled_from(["set", "seq"]), st.binary(min_size=32, max_size=32))
def test_table_ids_are_written_in_one_way(order, value):
    """A table's id reads back, and nothing else is one."""
    table = TableId(order, value)
    assert TableId.parse(str(table)) == table
    assert table.short == f"{order}:{value.hex()[:12]}"
    for other in (
        str(table).upper(),
        str(table)[:-1],
        str(table) + "\n",
        f"lin-fp2:{order}:{value.hex()}",
        value.hex(),
    ):
        with pytest.raises(InvalidInputError, match="not a table's id"):
            TableId.parse(other)


def test_every_statement_is_generated():
    """The strategies above leave no kind of statement out."""
    assert generated.keys() == set(STATEMENTS.values())


@given(said, st.data())
def test_any_other_bytes_of_the_same_event_are_refused(event, data):
    """Spaces, another order, escapes, explicit nulls: there is one way to write an event."""
    document = json.loads(event.payload())
    other = data.draw(
        st.sampled_from(
            [
                json.dumps(document, indent=1).encode(),
                b" " + event.payload(),
                event.payload() + b"\n",
                json.dumps(dict(reversed(document.items())), separators=(",", ":"), ensure_ascii=False).encode(),
                event.payload().replace(b'"at"', b'"\\u0061t"'),
                event.payload().replace(b'{"actor"', b'{"actor":"","actor"'),
                rfc8785.dumps({**document, "body": {**document["body"], "detail": None}}),
                rfc8785.dumps({**document, "more": 1}),
                rfc8785.dumps({**document, "body": {**document["body"], "unknown": 1}}),
                event.payload().decode().encode("utf-16"),
            ]
        )
    )
    with pytest.raises(InvalidInputError):
        Event.parse(other)


@given(st.binary(max_size=100))
def test_no_bytes_crash_the_parser(data):
    """Strangers' bytes lead to errors of lin, and to no others."""
    with pytest.raises(InvalidInputError):
        Event.parse(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(said, st.data())
def test_no_json_crashes_the_parser(event, data):
    """Any value in the place of any field is either an event, byte for byte, or an error of lin."""
    document = json.loads(event.payload())
    where = document if data.draw(st.booleans()) else document["body"]
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(json_values)
    text = json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    payload = text.encode(errors="surrogatepass")
    try:
        event = Event.parse(payload)
    except InvalidInputError:
        return
    assert event.payload() == payload


def test_deep_nesting_is_refused():
    """A document that nests a hundred thousand times is an error, not a crash."""
    with pytest.raises(InvalidInputError):
        Event.parse(b'{"v":' * 100_000)


@pytest.mark.parametrize(
    ("version", "kind"), [(1, "artifact"), (0, "embargo"), ("0", "artifact"), (0, ["artifact"]), (None, None)]
)
def test_what_a_newer_lin_wrote_says_so(version, kind):
    """An unknown version or kind is never skipped, and the way out is a newer lin."""
    payload = rfc8785.dumps({"v": version, "kind": kind, "at": AT, "actor": ACTOR, "body": {}})
    with pytest.raises(UnsupportedFormatError) as caught:
        Event.parse(payload)
    assert "newer" in caught.value.hint


ID = EventId(bytes(32))
DATA = ArtifactRecorded(ArtifactKind.DATASET, "data", 1, Digest.of(b""), Shape.BLOB, 0)
USE = Use(ID, Role.TRAIN, Evidence.OBSERVED)


@pytest.mark.parametrize(
    "statement",
    [
        replace(DATA, version=0),
        replace(DATA, version=True),
        replace(DATA, version=2**53),
        replace(DATA, size=-1),
        replace(DATA, files=-1),
        replace(DATA, name=""),
        replace(DATA, path=""),
        replace(DATA, path="x" * 401),
        replace(DATA, attributes={"x": [1]}),  # type: ignore[dict-item]
        replace(DATA, attributes={"x": "\ud800"}),
        replace(DATA, name="\udcff"),
        RunUsed(ID, ()),
        RunUsed(ID, (USE,) * (events.MAX_USES + 1)),
        RunUsed(ID, (replace(USE, path="é" * 201),)),
        RunFinished(ID, RunStatus.RUNNING),
        RunFinished(ID, RunStatus.FAILED, 2**60),
        AliasMoved("", "prod", ID),
        AliasMoved("model", "", ID),
        KeyChanged("rename", "ab" * 32),
        KeyChanged("add", "ab" * 31),
        KeyChanged("add", "AB" * 32),
        KeyChanged("add", "ab" * 32, "me"),
    ],
)
def test_values_out_of_range_are_refused(statement):
    """Writing or reading such an event is an error, so none gets into a log."""
    with pytest.raises(InvalidInputError):
        Event.parse(Event(AT, ACTOR, statement).payload())


@pytest.mark.parametrize("actor", ["", "me", "AB" * 32, 5, None])
def test_an_actor_is_the_id_of_a_key(actor):
    """Anything but 64 hex digits is refused."""
    payload = rfc8785.dumps(
        {"v": 0, "kind": "tombstone", "at": AT, "actor": actor, "body": {"digest": str(Digest.of(b"")), "reason": ""}}
    )
    with pytest.raises(InvalidInputError):
        Event.parse(payload)


@pytest.mark.parametrize(
    "at",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00.000Z",
        "2026-03-01T12:00:00.000000+00:00",
        "2026-03-01 12:00:00.000000Z",
        "2026-03-01T12:00:00.000000z",
        "2026-03-01T12:00:00.000000",
        "2026-02-30T12:00:00.000000Z",
        "20260301T120000.000000Z",
        "now",
        "",
        5,
        None,
    ],
)
def test_a_time_has_one_form(at):
    """RFC 3339 in UTC with microseconds, and nothing else that means the same."""
    with pytest.raises(InvalidInputError):
        Event.parse(
            rfc8785.dumps(
                {
                    "v": 0,
                    "kind": "tombstone",
                    "at": at,
                    "actor": ACTOR,
                    "body": {"digest": str(Digest.of(b"")), "reason": ""},
                }
            )
        )


@given(times)
def test_a_time_survives_its_text(at):
    """Reading and writing a time gives the same text."""
    assert format_time(parse_time(at)) == at


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (2**53, "9007199254740992"),
        (-(2**60), "-1152921504606846976"),
        (1e17, "1e+17"),
        (2**53 - 1, 2**53 - 1),
        (0.1, 0.1),
        (True, True),
    ],
)
def test_numbers_that_json_has_no_exact_form_for_become_text(value, written):
    """A run with such a metric is recorded, and its event is readable."""
    assert plain_number(value) == written
    event = Event(AT, ACTOR, RunFinished(ID, RunStatus.SUCCEEDED, 0, {"m": value}))
    assert Event.parse(event.payload()).body()["metrics"] == {"m": written}


@given(st.floats() | st.integers())
def test_any_number_can_be_a_metric(value):
    """Whatever a run measures, the event can be written, and read again to the same bytes."""
    event = Event(AT, ACTOR, RunFinished(ID, RunStatus.SUCCEEDED, 0, {"m": value}))
    assert Event.parse(event.payload()).payload() == event.payload()


@pytest.mark.parametrize("wrong", ["", "0" * 63, "0" * 65, "G" * 64, "AB" * 32, " " * 64, "00 " * 32])
def test_an_event_id_has_one_form(wrong):
    """64 lower-case hex digits."""
    with pytest.raises(InvalidInputError):
        EventId.parse(wrong)
    assert EventId.parse("0a" * 32).short == "0a" * 6
