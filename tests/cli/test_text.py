"""Names, numbers and times as people see them."""

import io

import pytest

from lin.cli import text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("data.csv", "data.csv"),
        ("naïve 数据", "naïve 数据"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202egpj", "a\\u202egpj"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_nothing_stored_can_act_on_a_terminal(name, shown):
    """Control characters, line breaks, direction marks and bytes that are not UTF-8 are shown as escapes."""
    assert text.plain(name) == shown
    assert text.plain(name).isprintable()
    assert text.plain(text.plain(name)) == shown


def test_width_counts_columns_not_characters():
    """A wide character takes two columns, a combining one none, and a cut never exceeds its width."""
    assert text.columns("数据") == 4
    assert text.columns("e\u0301") == 1
    assert text.shorten("abcdef", 6) == "abcdef"
    assert text.shorten("abcdef", 4) == "abc…"
    assert text.columns(text.shorten("数据数据", 4)) <= 4


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (33_634_567, "32.1 MiB"),
        (5 * 2**30, "5.0 GiB"),
        (3 * 2**60, "3072.0 PiB"),
    ],
)
def test_sizes(count, written):
    """Sizes are written with one digit after the point, in units of 1024."""
    assert text.size(count) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.0, "0.00 s"), (0.314, "0.31 s"), (12.44, "12.4 s"), (192, "3 min 12 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds, written):
    """Time spans are as exact as people need."""
    assert text.duration(seconds) == written


@pytest.mark.parametrize(
    ("seconds", "written"), [(9.999, "10.0 s"), (59.97, "1 min 0 s"), (119.7, "2 min 0 s"), (3599.8, "1 h 0 min")]
)
def test_durations_round_into_the_next_unit(seconds, written):
    """No time span reads `60 s` or `60 min`."""
    assert text.duration(seconds) == written


def test_times_are_to_the_second():
    """An event's microseconds are cut, its zone is kept."""
    assert text.moment("2026-03-01T12:34:56.789012Z") == "2026-03-01T12:34:56Z"
    assert text.minute("2026-03-01T12:34:56.789012Z") == "2026-03-01T12:34Z"


@pytest.mark.parametrize(
    ("scalar", "written"), [(True, "true"), (3, "3"), (0.123456789, "0.123457"), ("a\nb", "a\\nb"), (1e-9, "1e-09")]
)
def test_values(scalar, written):
    """Metrics are rounded for comparison, texts escaped."""
    assert text.value(scalar) == written


def test_lines_are_drawn_in_ascii_where_the_output_has_nothing_else():
    """A terminal that is not UTF-8 gets a tree of ASCII characters and not of escapes."""
    assert text.drawable("├─ a\n└─ b →", "ascii") == "|- a\n`- b >"
    assert text.drawable("├─ a", "utf-8") == "├─ a"
    assert text.drawable("├─ a", "no such encoding") == "|- a"


def test_drawable_asks_standard_output(monkeypatch):
    """Without an encoding, that of standard output counts."""
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert text.drawable("└─") == "`-"
