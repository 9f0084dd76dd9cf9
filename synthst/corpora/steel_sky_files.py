"""Read the files of Beneath a Steel Sky: the directory sky.dnr, the data sky.dsk, and the speech in them."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from synthst.corpora.steel_sky_rnc import MAGIC, unpack_rnc
from synthst.errors import DataError

RATE = 11_025  # Hz; a sample is one unsigned byte
HEADER = struct.Struct("<11H")  # the first number holds flags, the seventh the bytes with this header
FIRST_CLIPS = (0, 600, 1100, 2430, 3380, 4530, 5080, 5230)  # of sections 0 to 6, and behind the last
FIRST_CLIP_FILE = 50_000
TEXT_FILE = 60_600  # of the first language's first section; a language has eight
MIN_CLIP_BYTES = 800  # below it a clip is empty

_ENTRY_BYTES = 8
_SIZE_BITS, _OFFSET_BITS = 22, 23
_PACKED = 1 << 7


class Place(NamedTuple):
    """Where a file is in sky.dsk, in bytes."""

    offset: int
    size: int


@dataclass(frozen=True)
class SkyFiles:
    """The files by number."""

    places: Mapping[int, Place]
    data: bytes

    def read(self, number: int) -> bytes:
        """Return a file as it is stored. Raises DataError when there is none, or the data end before it."""
        if number not in self.places:
            raise DataError(f"sky.dnr lists no file {number}; is it the CD version, 0.0372?")
        offset, size = self.places[number]
        if offset + size > len(self.data):
            found = f"sky.dsk has {len(self.data):,} bytes, but file {number} ends at {offset + size:,}"
            raise DataError(f"{found}; fetch the package beneath-a-steel-sky again")
        return self.data[offset : offset + size]

    def clips(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (section, number in the section, stored file) of every clip of speech."""
        for section, (first, end) in enumerate(pairwise(FIRST_CLIPS)):
            for clip in range(first, end):
                if (number := FIRST_CLIP_FILE + clip) in self.places:
                    yield section, clip - first, self.read(number)

    def text_file(self, language: int, section: int) -> bytes:
        """Return the texts of a section in the language of a number (English is 0)."""
        return self.read(TEXT_FILE + 8 * language + section)


def read_places(directory: bytes) -> dict[int, Place]:
    """Read sky.dnr. Raises DataError when it has another size than its number of entries says."""
    count = int.from_bytes(directory[:4], "little")
    if len(directory) != 4 + _ENTRY_BYTES * count or not count:
        found = f"sky.dnr says that it has {count:,} entries, which does not fit its {len(directory):,} bytes"
        raise DataError(f"{found}; fetch the package beneath-a-steel-sky again")
    places: dict[int, Place] = {}
    for start in range(4, len(directory), _ENTRY_BYTES):
        entry = directory[start : start + _ENTRY_BYTES]
        number, offset, size = (int.from_bytes(part, "little") for part in (entry[:2], entry[2:5], entry[5:]))
        in_paragraphs = offset >> _OFFSET_BITS  # then it counts units of 16 bytes
        offset = (offset & (1 << _OFFSET_BITS) - 1) * (16 if in_paragraphs else 1)
        place = Place(offset, size & (1 << _SIZE_BITS) - 1)
        places.setdefault(number, place)  # the first of a number counts
    return places


def read_samples(stored: bytes) -> bytes:
    """Return the samples of a clip: unsigned bytes at 11,025 Hz, of which silence is 128.

    Raises DataError when the clip is cut off or damaged.
    """
    if len(stored) < HEADER.size:
        raise DataError(f"a clip of {len(stored)} bytes is shorter than its header")
    flags, _, _, _, _, _, size, *_ = HEADER.unpack_from(stored)
    body = stored[HEADER.size :]
    if flags & _PACKED and body.startswith(MAGIC[:3]):
        body = unpack_rnc(body)
    if size - HEADER.size > len(body):
        raise DataError(f"a clip has {len(body):,} bytes, its header says {size - HEADER.size:,}")
    return body[: max(size - HEADER.size, 0)]
