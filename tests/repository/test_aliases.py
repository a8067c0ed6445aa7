"""Aliases: movable names with a history, moved by compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lin.errors import AmbiguousRefError, InvalidInputError, NotFoundError
from lin.lineage.events import AliasMoved, EventId
from lin.repository import Repository

Write = Callable[..., Path]


@pytest.fixture
def versions(repository: Repository, write: Write) -> list[Any]:
    return [repository.put(write("churn", str(number))).artifact for number in range(3)]


def test_an_alias_stands_where_it_was_last_put(repository: Repository, versions: list[Any]) -> None:
    """Moving it changes what `name@alias` means; its history stays in the log."""
    first = repository.tag("churn@v1", "prod")
    assert (first.label, first.artifacts) == ("churn@prod", (versions[0],))
    assert repository.artifact("churn@prod") == versions[0]
    second = repository.tag("churn@v3", "prod")
    assert repository.artifact("churn@prod") == versions[2]
    assert repository.aliases("churn") == [second]
    moves = [entry.statement for entry in repository.log(kinds=["alias"], newest_first=False)]
    assert [getattr(move, "previous", None) for move in moves] == [(), first.moves]


def test_moving_an_alias_to_where_it_stands_changes_nothing(repository: Repository, versions: list[Any]) -> None:
    """The same answer, and no event."""
    first = repository.tag("churn@v1", "prod")
    size = len(list(repository.log()))
    assert repository.tag("churn@v1", "prod") == first
    assert repository.tag(str(versions[0].id), "prod") == first
    assert len(list(repository.log())) == size


def test_an_alias_can_be_taken_away_and_given_again(repository: Repository, versions: list[Any]) -> None:
    """Without it the name says which aliases there are; taking away what is not there is an error."""
    with pytest.raises(NotFoundError, match="no alias churn@prod"):
        repository.artifact("churn@prod")
    repository.tag("churn@v1", "prod")
    repository.tag("churn@v2", "next")
    gone = repository.untag("churn", "prod")
    assert gone.artifacts == ()
    assert [alias.label for alias in repository.aliases()] == ["churn@next"]
    with pytest.raises(NotFoundError) as caught:
        repository.artifact("churn@prod")
    assert "churn@next" in caught.value.hint
    for name, alias in (("churn", "prod"), ("churn", "never"), ("nobody", "prod")):
        with pytest.raises(NotFoundError):
            repository.untag(name, alias)
    repository.tag("churn@v3", "prod")
    assert repository.artifact("churn@prod") == versions[2]


def test_aliases_belong_to_their_name(repository: Repository, versions: list[Any], write: Write) -> None:
    """Names that begin alike are kept apart; an alias only follows the artifacts of its name."""
    other = repository.put(write("churning", "x")).artifact
    repository.tag("churn@v1", "prod")
    repository.tag("churning", "prod")
    assert repository.artifact("churning@prod") == other
    assert [alias.label for alias in repository.aliases("churn")] == ["churn@prod"]
    assert len(repository.aliases()) == 2
    with pytest.raises(InvalidInputError, match="is a run, not an artifact"):
        repository.tag(_run(repository), "prod")


def _run(repository: Repository) -> str:
    from lin.recording import Recording  # noqa: PLC0415 - only here

    return str(Recording.start(repository, name="x", experiment="e").id)


def test_two_moves_at_once_are_shown_as_a_conflict(repository: Repository, versions: list[Any], hand: Any) -> None:
    """No clock decides between them; the next move, by whoever has looked, settles it."""
    (base,) = repository.tag("churn@v1", "prod").moves
    hand.force(
        AliasMoved("churn", "prod", versions[1].id, (base,)), AliasMoved("churn", "prod", versions[2].id, (base,))
    )
    (standing,) = repository.aliases("churn")
    assert {artifact.label for artifact in standing.artifacts} == {"churn@v2", "churn@v3"}
    assert len(standing.moves) == 2
    with pytest.raises(AmbiguousRefError) as caught:
        repository.artifact("churn@prod")
    assert set(caught.value.candidates) == {"churn@v2", "churn@v3"}
    assert "lin tag" in caught.value.hint

    settled = repository.tag("churn@v2", "prod")
    assert settled.artifacts == (versions[1],)
    assert repository.artifact("churn@prod") == versions[1]
    assert repository.verify().ok


def test_two_moves_at_once_to_one_artifact_are_no_conflict(
    repository: Repository, versions: list[Any], hand: Any
) -> None:
    """They agree, so the ref has one meaning; taking the alias away takes both away."""
    (base,) = repository.tag("churn@v1", "prod").moves
    hand.force(
        AliasMoved("churn", "prod", versions[1].id, (base,)),
        AliasMoved("churn", "prod", versions[1].id, (base,)),
        at=None,
    )
    hand.force(AliasMoved("churn", "prod", versions[1].id, (base,)), at="2026-03-01T00:00:00.000000Z")
    assert repository.artifact("churn@prod") == versions[1]
    repository.untag("churn", "prod")
    with pytest.raises(NotFoundError):
        repository.artifact("churn@prod")


def test_a_removal_and_a_move_at_once_leave_the_move(repository: Repository, versions: list[Any], hand: Any) -> None:
    """One hand took the alias away while another one moved it: what it stands for is still asked for."""
    (base,) = repository.tag("churn@v1", "prod").moves
    hand.force(AliasMoved("churn", "prod", None, (base,)), AliasMoved("churn", "prod", versions[1].id, (base,)))
    (standing,) = repository.aliases("churn")
    assert (standing.artifacts, len(standing.moves)) == ((versions[1],), 2)
    assert repository.tag("churn@v3", "prod").artifacts == (versions[2],)
    assert len(repository.aliases("churn")[0].moves) == 1


def test_an_alias_whose_artifact_is_not_known_here_is_not_listed(
    repository: Repository, versions: list[Any], hand: Any
) -> None:
    """A move can arrive before the artifact it names."""
    hand.force(AliasMoved("churn", "prod", EventId(bytes(32)), ()))
    assert repository.aliases() == []
    with pytest.raises(NotFoundError):
        repository.artifact("churn@prod")
