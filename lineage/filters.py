"""The little language in which people ask for values: `accuracy > 0.9 and lr <= 0.1 and booster = trees`.

::

    filter    = condition { "and" condition }
    condition = name operator value
    operator  = ">" | ">=" | "<" | "<=" | "=" | "=="
    name      = [ "metric." | "parameter." ] ( word | quoted )
    value     = word | quoted

A word is what holds no white space, quote, `<`, `>`, `=` or `!`; what is quoted stands between `"` or `'`, with a
backslash before a quote or backslash inside. A word that reads as a number is one, `true` and `false` are booleans, and
anything else is text, as is all that is quoted. Without a prefix a name means a metric or a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lin.errors import InvalidInputError

from .graph import Measure, Node, Value, Within
from .measures import has_value

LONGEST = 2_000
"""Characters of a filter."""

_TOKEN = re.compile(
    r"""\s*(?: (?P<operator>[<>=!]=?) | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*') | (?P<word>[^\s<>=!"']+) )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_PADDED = re.compile(r"[-+]?0[0-9]+")
_TRUTH = {"true": True, "false": False}
_OPERATORS = ">, >=, <, <= or ="
_PREFIXES = {f"{measure.word}.": measure for measure in Measure}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one value of a thing.

    Attributes:
        name: The value's name.
        within: What it must be.
        measures: Whether a metric or a parameter is meant; either when both.
    """

    name: str
    within: Within
    measures: tuple[Measure, ...] = tuple(Measure)

    def holds(self, nodes: Iterable[Node]) -> bool:
        """Tell whether one of these nodes has such a value."""
        return any(has_value(node, what, self.name, self.within) for node in nodes for what in self.measures)


@dataclass(frozen=True, slots=True)
class _Token:
    sort: str
    text: str
    at: int


def parse(text: str) -> tuple[Condition, ...]:
    """Read a filter; bounds on one and the same value come together as one condition.

    Raises:
        InvalidInputError: It is not of the language's form. The message names the place, the hint shows it.
    """
    if len(text) > LONGEST:
        raise InvalidInputError(f"a filter of {len(text)} characters is too long", hint=f"At most {LONGEST:,}.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(f"a filter is text: {text!r}") from error
    tokens = _tokens(text)
    found: list[Condition] = []
    at = 0
    while True:
        found.append(_condition(text, tokens[at : at + 3]))
        at += 3
        if tokens[at].sort == "end":
            return tuple(_joined(found))
        if tokens[at].sort != "word" or tokens[at].text.lower() != "and":
            raise _malformed(text, tokens[at].at, f"expected 'and' or the end, found {tokens[at].text!r}")
        at += 1


def _tokens(text: str) -> Sequence[_Token]:
    tokens: list[_Token] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise _malformed(text, start, "this quote is not closed")
        sort = match.lastgroup or ""
        tokens.append(_Token(sort, match[sort], match.start(sort)))
        at = match.end()
    # As many ends as a condition has parts, so that whoever expects more finds an end.
    return [*tokens, *[_Token("end", "the end", len(text))] * 4]


def _condition(text: str, tokens: Sequence[_Token]) -> Condition:
    name, operator, value = tokens
    if name.sort not in {"word", "quoted"} or (name.sort == "word" and name.text.lower() == "and"):
        raise _malformed(text, name.at, f"expected the name of a metric or parameter, found {_shown(name)}")
    if operator.sort != "operator" or operator.text.startswith("!"):
        raise _malformed(text, operator.at, f"expected {_OPERATORS} after {name.text}, found {_shown(operator)}")
    if value.sort not in {"word", "quoted"}:
        raise _malformed(text, value.at, f"expected a value after {operator.text}, found {_shown(value)}")
    wanted = _value(value)
    if operator.text in {"=", "=="}:
        return _named(name, Within(equals=wanted))
    if isinstance(wanted, (str, bool)):
        raise _malformed(text, value.at, f"expected a number after {operator.text}, found {_shown(value)}")
    is_open = len(operator.text) == 1
    if operator.text.startswith(">"):
        return _named(name, Within(low=wanted, low_open=is_open))
    return _named(name, Within(high=wanted, high_open=is_open))


def _named(token: _Token, within: Within) -> Condition:
    if token.sort == "quoted":
        return Condition(_unquoted(token.text), within)
    for prefix, measure in _PREFIXES.items():
        if token.text.startswith(prefix) and token.text != prefix:
            return Condition(token.text.removeprefix(prefix), within, (measure,))
    return Condition(token.text, within)


def _value(token: _Token) -> Value:
    if token.sort == "quoted":
        return _unquoted(token.text)
    if token.text in _TRUTH:
        return _TRUTH[token.text]
    # As the command line reads parameters: `007` is text.
    if _NUMBER.fullmatch(token.text) and not _PADDED.fullmatch(token.text):
        number = float(token.text)
        if abs(number) != float("inf"):
            return number
    return token.text


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _joined(conditions: Iterable[Condition]) -> Iterable[Condition]:
    """Make one condition of several bounds on one value: it is one value that has to be within all of them."""
    bounds: dict[tuple[str, tuple[Measure, ...]], Condition] = {}
    for condition in conditions:
        if condition.within.equals is not None:
            yield condition
            continue
        key = (condition.name, condition.measures)
        known = bounds.get(key)
        bounds[key] = condition if known is None else replace(known, within=_both(known.within, condition.within))
    yield from bounds.values()


def _both(one: Within, other: Within) -> Within:
    lows = [(w.low, w.low_open) for w in (one, other) if w.low is not None]
    highs = [(-w.high, w.high_open) for w in (one, other) if w.high is not None]
    low, low_open = max(lows, default=(None, False))
    high, high_open = max(highs, default=(None, False))
    return Within(low, None if high is None else -high, low_open, high_open)


def _shown(token: _Token) -> str:
    return token.text if token.sort == "end" else repr(token.text)


def _malformed(text: str, at: int, problem: str) -> InvalidInputError:
    pointer = "\n".join((text, " " * at + "^")) if text.isprintable() and text else ""
    example = "Write it like: accuracy > 0.9 and lr <= 0.1 and booster = trees"
    return InvalidInputError(
        f"cannot read the filter at character {at + 1}: {problem}", hint=f"{pointer}\n{example}".strip("\n")
    )
