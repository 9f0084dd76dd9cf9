"""Reading the game's files: the directory, and compression by RNC method 1."""

import random
import struct
from contextlib import suppress

import pytest
from steel_sky_game import pack_clip, pack_files, pack_rnc

from synthst.corpora.steel_sky_files import SkyFiles, read_places, read_samples
from synthst.corpora.steel_sky_rnc import unpack_rnc
from synthst.errors import DataError

# By hand, bits from the lowest: two to skip; three leaves (11000), of which value 2 has a code of one bit
# (0000 0000 1000); two empty tables (00000 00000); one run (1 and 15 zeros); value 2 (0) and its extra bit,
# so 2 + 1 bytes (1). Bits 2, 3, 15, 29 and 46 are set.
THREE_BYTES = bytes.fromhex("524e4301 00000003 00000009 0000 0000 00 01 0c8000200040 616263")


def test_unpack_rnc_reads_a_run_packed_by_hand() -> None:
    assert unpack_rnc(THREE_BYTES) == b"abc"


def test_unpack_rnc_copies_matches() -> None:
    packed = pack_rnc([[(b"abcd", 4, 3), (b"", 1, 2), (b"x", 0, 0)]], 10)
    assert unpack_rnc(packed) == b"abcd" + b"abc" + b"cc" + b"x"


def test_unpack_rnc_repeats_a_match_that_is_longer_than_its_distance() -> None:
    assert unpack_rnc(pack_rnc([[(b"ab", 2, 7), (b"", 0, 0)]], 9)) == b"ab" + b"abababa"


@pytest.mark.parametrize("seed", range(20))
def test_unpack_rnc_inverts_an_encoder(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray()
    blocks = []
    for _ in range(chance.randint(1, 4)):
        block = []
        for _ in range(chance.randint(1, 30)):
            literal = chance.randbytes(chance.choice((0, 1, 2, 3, 4, 17, 300)))
            data += literal
            distance, length = chance.randint(1, max(len(data), 1)), chance.choice((2, 3, 4, 5, 99, 1000))
            block.append((literal, distance if data else 0, length))
            if not data:
                block[-1] = (b"!", 1, length)
                data += b"!"
            for _ in range(block[-1][2]):
                data.append(data[-block[-1][1]])
        del data[len(data) - block[-1][2] :]  # behind a block's last run is no match
        blocks.append(block)
    assert unpack_rnc(pack_rnc(blocks, len(data))) == data


@pytest.mark.parametrize(
    ("packed", "complaint"),
    [
        (b"RNC\x02" + bytes(30), "not compressed by RNC method 1"),
        (THREE_BYTES[:12], "not compressed by RNC method 1"),
        (THREE_BYTES[:-1], "cut off at byte 26 of 27"),
        (THREE_BYTES[:7] + b"\4" + THREE_BYTES[8:], "they give 3 bytes instead of 4"),
        (pack_rnc([[(b"a", 5, 3), (b"", 0, 0)]], 4), "damaged"),
    ],
)
def test_unpack_rnc_refuses_damaged_data(packed: bytes, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        unpack_rnc(packed)


def test_unpack_rnc_survives_any_damage() -> None:
    packed = pack_clip(bytes(range(256)) * 4)[22:]
    chance = random.Random(1)
    for _ in range(300):
        damaged = bytearray(packed)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(18, len(damaged))] = chance.randrange(256)
        with suppress(DataError):
            assert len(unpack_rnc(bytes(damaged))) == 1024


def test_read_places_finds_files_by_bytes_and_by_units_of_16_bytes() -> None:
    directory, data = pack_files({7: b"seven", 50_000: b"fifty thousand", 60_600: b"last"})
    files = SkyFiles(read_places(directory), data)
    assert [files.read(number) for number in (7, 50_000, 60_600)] == [b"seven", b"fifty thousand", b"last"]
    assert [place.offset for place in files.places.values()] == [0, 16, 32]


def test_read_places_takes_the_first_entry_of_a_number() -> None:
    entry = struct.pack("<H", 5) + (1).to_bytes(3, "little") + (2).to_bytes(3, "little")
    directory = struct.pack("<I", 2) + entry + bytes(entry[:2]) + bytes(6)
    assert read_places(directory)[5] == (1, 2)


def test_clips_are_found_by_section() -> None:
    directory, data = pack_files(
        {50_001: b"a", 50_600: b"b", 55_229: b"c", 55_230: b"no clip", 49_999: b"no"}
    )
    found = list(SkyFiles(read_places(directory), data).clips())
    assert found == [(0, 1, b"a"), (1, 0, b"b"), (6, 149, b"c")]


def test_a_cut_off_game_is_refused() -> None:
    directory, data = pack_files({7: b"seven", 8: b"eight"})
    with pytest.raises(DataError, match="says that it has 2 entries"):
        read_places(directory[:-1])
    files = SkyFiles(read_places(directory), data[:-1])
    with pytest.raises(DataError, match="file 8 ends at 21; fetch"):
        files.read(8)
    with pytest.raises(DataError, match="no file 9"):
        files.read(9)


def test_read_samples_unpacks_a_clip_and_takes_a_plain_one() -> None:
    samples = random.Random(0).randbytes(12_345)
    assert read_samples(pack_clip(samples)) == samples
    plain = struct.pack("<11H", 0, 0, 0, 0, 0, 0, 22 + 3, 0, 0, 0, 0) + b"abcd"
    assert read_samples(plain) == b"abc"


def test_read_samples_refuses_a_clip_shorter_than_it_says() -> None:
    with pytest.raises(DataError, match="shorter than its header"):
        read_samples(b"short")
    with pytest.raises(DataError, match="its header says 5"):
        read_samples(struct.pack("<11H", 0, 0, 0, 0, 0, 0, 22 + 5, 0, 0, 0, 0) + b"abcd")
