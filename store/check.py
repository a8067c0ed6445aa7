"""Check every file of a store against the name it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lin.errors import CorruptContentError, LinError, NotFoundError

from . import bundle
from .catalogue import Record
from .fetch import Fetcher
from .pack import pack_file
from .packs import OBJECTS, Packs, loose_digest
from .pump import pump


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
    packs.refresh()  # a delta can only be decoded where its bases are known
    for name, size in packs.listed().items():
        yield from _pack(packs, fetch, name, size)
    if packs.loose:
        for info in list(packs.place.list(OBJECTS)):
            digest = loose_digest(info.name)
            if digest is not None:
                with packs.place.open(info.name) as file:
                    found, _ = pump(file)
                if found.value != digest:
                    yield Problem(info.name, f"its bytes have the digest {found}")
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
