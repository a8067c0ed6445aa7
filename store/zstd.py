"""Compress and decompress with Zstandard (RFC 8878), never to more bytes than were said to come.

Python has it from 3.14 on; before, the same code comes as a package. It is imported when it is first needed.
"""

from __future__ import annotations

import sys
from functools import cache
from threading import local
from typing import Any

LEVEL = 3
"""What most tools take: a quarter smaller than level 1 on tables, at two thirds of its speed."""
MAX_WINDOW_LOG = 31
"""What a delta against a very large prefix may need; the memory is bounded by the plain size all the same."""
LEAST_PREFIX = 8
"""Bytes: a shorter prefix is none, as Zstandard takes no shorter dictionary."""
_TABLE_LOG = 18
"""The fast strategy's table for a delta: at level 1's own size it forgets most of a prefix of some hundred KiB."""


@cache
def _module() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415 - start-up: 15 ms
    else:
        from backports import zstd  # noqa: PLC0415 - start-up: 15 ms
    return zstd


_mine = local()
"""Each thread's own compressors: to make one costs more than to compress a small file."""


def compress(data: bytes | memoryview, level: int = LEVEL) -> bytes:
    """Return one frame that says how many bytes it holds."""
    compressors: dict[int, Any] | None = getattr(_mine, "compressors", None)
    if compressors is None:
        compressors = _mine.compressors = {}
    compressor = compressors.get(level)
    if compressor is None:
        compressor = compressors[level] = _module().ZstdCompressor(level)
    return bytes(compressor.compress(data, compressor.FLUSH_FRAME))


def against(data: bytes | memoryview, prefix: bytes) -> bytes:
    """Return one frame of `data` that leaves out what `prefix` has too.

    Where the two are alike this takes a fifth of the time of compressing `data` by itself.
    """
    zstd = _module()
    parameter = zstd.CompressionParameter
    options = {
        parameter.compression_level: 1,
        parameter.hash_log: _TABLE_LOG,
        parameter.window_log: min(MAX_WINDOW_LOG, max(10, (len(data) + len(prefix)).bit_length())),
    }
    if len(prefix) < LEAST_PREFIX:
        return compress(data)
    return bytes(zstd.compress(data, options=options, zstd_dict=zstd.ZstdDict(prefix, is_raw=True).as_prefix))


def decompress(data: bytes | memoryview, size: int, prefix: bytes = b"") -> bytes | None:
    """Return the plain bytes of one frame, or None if they are not exactly `size`, or it is no frame.

    Args:
        data: One frame and nothing behind it.
        size: How many plain bytes there must be; no more memory than they need is taken for them.
        prefix: What the frame was made with as its prefix.
    """
    zstd = _module()
    try:
        if len(prefix) >= LEAST_PREFIX:
            decoder = zstd.ZstdDecompressor(
                zstd.ZstdDict(prefix, is_raw=True).as_prefix,
                {zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG},
            )
        else:
            decoder = zstd.ZstdDecompressor()
        plain = decoder.decompress(data, max_length=size)
        if not decoder.eof and len(plain) == size:
            # Whether the frame ends here shows only when one more byte is asked for.
            plain += decoder.decompress(b"", max_length=1)
        ends = decoder.eof and not decoder.unused_data
    except (zstd.ZstdError, EOFError, ValueError):
        return None
    return plain if ends and len(plain) == size else None
