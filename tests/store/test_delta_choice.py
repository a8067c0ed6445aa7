"""How the parts of a new version are kept."""

import random
import struct

import pytest
from blake3 import blake3

from lin.store import delta, zstd
from lin.store.cutting import CUTTER
from lin.store.delta_choice import Differ
from lin.store.lists import Part
from lin.store.pack import DIGEST_SIZE, MAX_DEPTH, Coding, Entry, Kind
from lin.store.packing import Coded, squeeze

CARRIERS = ("UA", "DL", "AA")


class Memory:
    """A store of chunks, as simple as can be."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.stored: dict[bytes, bytes] = {}
        self.disguised: set[bytes] = set()

    def put(self, data: bytes, before: list[Part] | None = None) -> tuple[list[Part], list[Coded]]:
        differ = Differ(before, self.read, self.entries.get, self.numbers) if before else None
        parts: list[Part] = []
        written: list[Coded] = []
        start = 0
        for end in CUTTER.borders(memoryview(data), last=True):
            chunk = data[start:end]
            digest = blake3(chunk).digest()
            parts.append((digest, len(chunk)))
            if digest in self.entries:
                if differ:
                    differ.known(start, digest, len(chunk))
            else:
                coded = differ.encode(start, chunk, squeeze) if differ else squeeze(chunk)
                self.stored[digest] = bytes(coded.data)
                self.entries[digest] = Entry(
                    digest, len(chunk), b"", len(coded.data), Kind.CHUNK, coded.coding, coded.depth, 0, coded.bases
                )
                written.append(coded)
            start = end
        return parts, written

    def read(self, digest: bytes) -> bytes | None:
        entry = self.entries[digest]
        stored = self.stored[digest]
        if entry.coding == Coding.RAW:
            return stored
        names = [entry.bases[at : at + DIGEST_SIZE] for at in range(0, len(entry.bases), DIGEST_SIZE)]
        assert digest in self.disguised or entry.depth == (
            1 + max(self.entries[name].depth for name in names) if names else 0
        )
        bases = b"".join(self.read(name) or b"" for name in names)
        if entry.coding == Coding.NUMBERS:
            return delta.separate(stored, bases, entry.size)
        return zstd.decompress(stored, entry.size, bases)

    def numbers(self, digest: bytes) -> bytes | None:
        return self.stored[digest] if self.entries[digest].coding == Coding.NUMBERS else None

    def get(self, parts: list[Part]) -> bytes:
        return b"".join(self.read(digest) or b"" for digest, _ in parts)


def table(seed: int, rows: int) -> list[str]:
    source = random.Random(seed)
    line = "{},{},{},N{},{:.2f}\n".format
    return [
        line(number, source.randrange(9999), source.choice(CARRIERS), source.randrange(99999), source.gauss(3, 9))
        for number in range(rows)
    ]


def edited(rows: list[str], seed: int, share: float) -> list[str]:
    source = random.Random(seed)
    new = list(rows)
    for number in source.sample(range(len(rows)), int(share * len(rows))):
        fields = new[number].split(",")
        fields[1] = str(source.randrange(9999))
        new[number] = ",".join(fields)
    return new


def bytes_of(rows: list[str]) -> bytes:
    return "".join(rows).encode()


def cost(written: list[Coded]) -> int:
    return sum(len(coded.data) + len(coded.bases) for coded in written)


@pytest.fixture(scope="module")
def rows():
    return table(1, 100_000)


def test_a_table_with_one_row_in_a_hundred_edited_takes_two_hundredths(rows):
    """The goal for scattered edits: two hundredths of the compressed version, and the very bytes again."""
    store = Memory()
    first, whole = store.put(bytes_of(rows))
    new = bytes_of(edited(rows, 2, 0.01))
    parts, written = store.put(new, first)
    assert cost(written) < 0.02 * cost(whole)
    assert {coded.coding for coded in written} == {Coding.DELTA}
    assert store.get(parts) == new


def test_a_chain_of_versions_stays_shallow_and_small(rows):
    """Of 24 versions none is over eight steps deep, all come back, and together they take less than two whole ones."""
    store = Memory()
    versions = []
    parts, written = store.put(bytes_of(rows[:20_000]))
    first = total = cost(written)
    new = rows[:20_000]
    for seed in range(24):
        new = edited(new, seed, 0.005)
        parts, written = store.put(bytes_of(new), parts)
        versions.append((parts, bytes_of(new)))
        total += cost(written)
    assert max(entry.depth for entry in store.entries.values()) <= MAX_DEPTH
    assert total < 2 * first
    for parts, data in versions:
        assert store.get(parts) == data


def test_weights_that_all_moved_are_combined():
    """A checkpoint after one more step takes less than by itself, though no two of its chunks begin alike."""
    source = random.Random(1)
    old = [source.gauss(0, 0.02) for _ in range(200_000)]
    new = struct.pack("<200000f", *[value + source.gauss(0, 1e-5) for value in old])
    store = Memory()
    first, whole = store.put(struct.pack("<200000f", *old))
    parts, written = store.put(new, first)
    assert cost(written) < 0.65 * cost(whole)
    assert {coded.coding for coded in written} == {Coding.NUMBERS}
    assert store.get(parts) == new


def test_checkpoints_in_a_row_are_one_step_deep():
    """Each checkpoint of a training is combined with the first one, not with the one before it."""
    source = random.Random(1)
    values = [source.gauss(0, 0.02) for _ in range(300_000)]
    store = Memory()
    parts, whole = store.put(struct.pack("<300000f", *values))
    for _ in range(6):
        values = [value + source.gauss(0, 1e-5) for value in values]
        data = struct.pack("<300000f", *values)
        parts, written = store.put(data, parts)
        assert cost(written) < 0.68 * cost(whole)
        assert {coded.depth for coded in written} == {1}
        assert max(len(coded.bases) for coded in written) <= 4 * DIGEST_SIZE
        assert store.get(parts) == data


def test_unlike_content_is_kept_by_itself():
    """A file that has nothing to do with the previous one under its name is kept as any new one."""
    store = Memory()
    source = random.Random(1)
    first, _ = store.put(source.randbytes(2_000_000))
    _, written = store.put(source.randbytes(2_000_000), first)
    assert {coded.coding for coded in written} == {Coding.RAW}


def test_appended_rows_lean_on_the_last_ones(rows):
    """Added rows take no more than by themselves, and reading them goes back few steps, however often it was done."""
    store = Memory()
    parts, _ = store.put(bytes_of(rows[:20_000]))
    for number in range(3, 8):
        data = bytes_of(rows[: number * 10_000])
        parts, written = store.put(data, parts)
        alone = Memory().put(bytes_of(rows[(number - 1) * 10_000 : number * 10_000]))[1]
        assert cost(written) < cost(alone) + 1000
        assert store.get(parts) == data
    assert max(entry.depth for entry in store.entries.values()) <= 4


def test_a_base_that_does_not_stay_is_not_used(rows):
    """Against a chunk that cannot be counted on nothing is kept."""
    store = Memory()
    data = bytes_of(rows[:5000])
    digest = blake3(data).digest()
    store.put(data)
    differ = Differ([(digest, len(data))], lambda name: data, lambda name: None, lambda name: None)
    coded = differ.encode(0, bytes_of(edited(rows[:5000], 1, 0.01)), squeeze)
    assert coded.coding == Coding.ZSTD


def test_a_small_file_is_kept_against_its_previous_version(rows):
    """A blob of one record has its previous version as its base."""
    store = Memory()
    first, whole = store.put(bytes_of(rows[:1000]))
    new = bytes_of(edited(rows[:1000], 2, 0.01))
    parts, written = store.put(new, first)
    assert [coded.coding for coded in written] == [Coding.DELTA]
    assert cost(written) < 0.06 * cost(whole)
    assert store.get(parts) == new


def test_the_deepest_delta_is_made_against_something_less_deep(rows):
    """A base that is as deep as a reader goes is replaced by what it was made from."""
    store = Memory()
    first, _ = store.put(bytes_of(rows[:2000]))
    parts, _ = store.put(bytes_of(edited(rows[:2000], 2, 0.3)), first)
    digest = parts[0][0]
    store.entries[digest] = store.entries[digest]._replace(depth=MAX_DEPTH)
    store.disguised.add(digest)
    differ = Differ(parts, store.read, store.entries.get, store.numbers)
    coded = differ.encode(0, bytes_of(edited(rows[:2000], 3, 0.01)), squeeze)
    assert coded.depth <= MAX_DEPTH
    assert coded.bases != digest
