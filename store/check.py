"""Check every file of a store against the name it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lin.errors import CorruptContentError, LinError, NotFoundError

from . import bundle
from .catalogue import Record
from .fetch import Fetcher
from .pack import pack_file
from .packs import Packs


@dataclass(frozen=True, slots=True)
class Problem:
    """Say what is wrong with a file.

    Attributes:
        name: Of the file, in its place.
        message: What is wrong with it.
    """

    name: str
    message: str


def check(packs: Packs, fetch: Fetcher) -> Iterator[Problem]:
    """Read every pack and index file, and yield what is wrong with any of them."""
    for name, size in packs.listed().items():
        yield from _pack(packs, fetch, name, size)
    for info in list(packs.place.list(bundle.FOLDER)):
        index = bundle.index_name(info.name)
        if index is not None:
            try:
                for _ in bundle.parse_index(packs.place.read(info.name), index):
                    pass
            except CorruptContentError as error:
                yield Problem(info.name, error.message)


def _pack(packs: Packs, fetch: Fetcher, name: str, size: int) -> Iterator[Problem]:
    try:
        table = packs.table(name, size)
    except NotFoundError:
        return  # deleted since it was listed
    except LinError as error:
        yield Problem(pack_file(name), error.message)
        return
    for entry in table.entries:
        try:
            fetch.plain(Record(name, entry))
        except LinError as error:
            yield Problem(pack_file(name), error.message)
