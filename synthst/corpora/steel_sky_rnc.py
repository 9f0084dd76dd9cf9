"""Unpack Rob Northen's compression, method 1: Huffman-coded literal runs and matches."""

from dataclasses import dataclass

from synthst.errors import DataError

MAGIC = b"RNC\x01"
HEADER_BYTES = 18
_WINDOW_BYTES = 6  # more than the 15 bits of a code and the bits after it


@dataclass(frozen=True)
class _Table:
    """A Huffman table by the next bits: (bits of the code, mask of the extra bits, base, bits in all)."""

    entries: list[tuple[int, int, int, int]]
    mask: int


class _Stream:
    """Bits of 16-bit little-endian words, lowest first, with raw bytes between the words."""

    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position  # behind the last word that a bit was taken of
        self.bits = 0  # what is left of that word
        self.count = 0

    def take(self, count: int) -> int:
        return self.decode(_Table([(0, (1 << count) - 1, 0, count)], 0))

    def decode(self, table: _Table) -> int:
        position, count = self.position, self.count
        following = self.data[position : position + _WINDOW_BYTES]
        window = self.bits | int.from_bytes(following, "little") << count
        code_bits, extra_mask, base, used = table.entries[window & table.mask]
        if used > count:
            words = (used - count + 15) >> 4
            self.position = position + 2 * words
            count += 16 * words
        self.count = count = count - used
        self.bits = window >> used & ((1 << count) - 1)
        return base + (window >> code_bits & extra_mask)

    def take_bytes(self, count: int) -> bytes:
        start = self.position
        self.position += count
        return self.data[start : self.position]


def unpack_rnc(packed: bytes) -> bytes:
    """Return the unpacked bytes. Raises DataError when the header or what follows is not of method 1."""
    if packed[:4] != MAGIC or len(packed) < HEADER_BYTES:
        raise DataError(f"not compressed by RNC method 1 (it begins with {packed[:4]!r})")
    size = int.from_bytes(packed[4:8], "big")
    end = HEADER_BYTES + int.from_bytes(packed[8:12], "big")
    if end > len(packed):
        raise DataError(f"compressed data are cut off at byte {len(packed)} of {end}")
    stream = _Stream(packed[:end], HEADER_BYTES)
    stream.take(2)
    out = bytearray()
    try:
        for _ in range(packed[17]):
            _unpack_block(stream, out, size)
    except IndexError as error:
        raise DataError("compressed data are damaged (a code that no table has)") from error
    if len(out) != size or stream.position > end + 1:  # the last word may lack a byte
        raise DataError(f"compressed data are damaged (they give {len(out)} bytes instead of {size})")
    return bytes(out)


def _unpack_block(stream: _Stream, out: bytearray, size: int) -> None:
    """Append a block: literal runs, and a match behind each but the last."""
    runs, distances, lengths = _read_table(stream), _read_table(stream), _read_table(stream)
    for matches_left in range(stream.take(16) - 1, -1, -1):
        run = stream.decode(runs)
        if run:
            out += stream.take_bytes(run)
        if matches_left and len(out) < size:
            _append_match(out, stream.decode(distances) + 1, stream.decode(lengths) + 2)


def _append_match(out: bytearray, distance: int, length: int) -> None:
    start = len(out) - distance
    if start < 0:
        raise IndexError(f"a match {distance} bytes back, at byte {len(out)}")
    if distance >= length:
        out += out[start : start + length]
    else:  # the match repeats what it appends
        out += (out[start:] * (length // distance + 1))[:length]


def _read_table(stream: _Stream) -> _Table:
    """Read the code lengths of the values 0, 1, ... and make the canonical codes, read bit-reversed."""
    sizes = [stream.take(4) for _ in range(stream.take(5))]
    longest = max(sizes, default=0)
    entries = [(0, 0, 0, 0)] * (1 << longest)
    code = 0
    for size in range(1, longest + 1):
        for value in (value for value, its_size in enumerate(sizes) if its_size == size):
            extra = max(value - 1, 0)
            base = 1 << extra if value > 1 else value
            reversed_code = int(f"{code:0{size}b}"[::-1], 2)
            count = len(range(reversed_code, 1 << longest, 1 << size))
            entries[reversed_code :: 1 << size] = [(size, (1 << extra) - 1, base, size + extra)] * count
            code += 1
        code <<= 1
    return _Table(entries, (1 << longest) - 1)
