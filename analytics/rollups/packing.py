"""Packing a roll-up for its table: names, arrays of numbers and a bitmap in one piece of bytes."""

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

LEVEL = 1  # zlib's; more takes four times as long for a tenth less


def pack(names: Sequence[Sequence[str]] = (), bitmap: bytes = b"", **arrays: NDArray[Any]) -> bytes:
    """Pack; whole numbers are stored in the smallest type that holds them."""
    packed = {}
    for name, values in arrays.items():
        small = values if values.dtype.kind == "f" else values.astype(_smallest(values))
        # Bytes of equal weight side by side: most of the high ones are alike.
        by_weight = small.view(np.uint8).reshape(len(small), small.itemsize).T
        packed[name] = (small.dtype.str, zlib.compress(by_weight.tobytes(), LEVEL))
    return msgspec.msgpack.encode((names, bitmap, packed))


def _smallest(values: NDArray[Any]) -> np.dtype[Any]:
    if not len(values):
        return np.dtype("<u1")
    low, high = int(values.min()), int(values.max())
    kinds = ("<u1", "<u2", "<u4", "<i8") if low >= 0 else ("<i1", "<i2", "<i4", "<i8")
    fits = (np.dtype(kind) for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return next(fits)


def unpack(content: bytes) -> tuple[list[tuple[str, ...]], bytes, dict[str, NDArray[Any]]]:
    """Names, bitmap and arrays: whole numbers as int64, others as they were."""
    names, bitmap, packed = msgspec.msgpack.decode(content)
    arrays = {}
    for name, (kind, compressed) in packed.items():
        dtype = np.dtype(kind)
        by_weight = np.frombuffer(zlib.decompress(compressed), np.uint8).reshape(dtype.itemsize, -1)
        values = np.ascontiguousarray(by_weight.T).reshape(-1).view(dtype)
        arrays[name] = values if dtype.kind == "f" else values.astype(np.int64)
    return [tuple(name) for name in names], bitmap, arrays
