"""Make a small Beneath a Steel Sky: its files packed as the game packs them, inside Debian packages."""

import gzip
import io
import struct
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from debs import write_deb

TREE_NODES = 245
GAME = "usr/share/scummvm/beneath-a-steel-sky"
LANGUAGES = {"en": 0, "de": 1, "fr": 2, "it": 5, "es": 7}
FIRST_CLIPS = (0, 600, 1100, 2430, 3380, 4530, 5080)
WORD_LISTS = {"de": "wogerman", "fr": "wfrench", "es": "wspanish", "it": "witalian"}


class RncWriter:
    """Write bits into 16-bit words, lowest first; a word's place is where its first bit is written."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.word_at, self.used = 0, 16

    def bits(self, value: int, count: int) -> None:
        for bit in range(count):
            if self.used == 16:
                self.word_at, self.used = len(self.out), 0
                self.out += b"\0\0"
            self.out[self.word_at + self.used // 8] |= (value >> bit & 1) << self.used % 8
            self.used += 1

    def table(self) -> None:
        """Sixteen values with codes of four bits: the value itself, read backwards."""
        self.bits(16, 5)
        for _ in range(16):
            self.bits(4, 4)

    def number(self, number: int) -> None:
        value = number.bit_length() if number > 1 else number
        self.bits(int(f"{value:04b}"[::-1], 2), 4)
        self.bits(number, max(value - 1, 0))  # without its highest bit


def pack_rnc(blocks: Sequence[Sequence[tuple[bytes, int, int]]], size: int) -> bytes:
    """Compress; a block is a list of (literal bytes, distance and length of the match behind them)."""
    writer = RncWriter()
    writer.bits(0, 2)
    for block in blocks:
        for _ in range(3):
            writer.table()
        writer.bits(len(block), 16)
        for number, (literal, distance, length) in enumerate(block):
            writer.number(len(literal))
            writer.out += literal
            if number < len(block) - 1:
                writer.number(distance - 1)
                writer.number(length - 2)
    header = b"RNC\x01" + struct.pack(">IIHHBB", size, len(writer.out), 0, 0, 0, len(blocks))
    return header + bytes(writer.out)


def pack_clip(samples: bytes) -> bytes:
    """Make a clip's file: its header, and the samples compressed without a match."""
    blocks = [[(samples[at : at + 5000], 0, 0)] for at in range(0, len(samples), 5000)]
    header = struct.pack("<11H", 0x81, 0, 0, 0, 0, 0, len(samples) + 22, 0, 0, 0, 0)
    return header + pack_rnc(blocks, len(samples))


def make_tree() -> list[tuple[int, int, int]]:
    """Make a tree that begins as the game's: 000 is a blank, 001 an e, 01 the end, 1... all other glyphs."""
    nodes = [(0, 0, 0)] * TREE_NODES
    nodes[:5] = [(1, 20, 0), (2, 7, 0), (3, 4, 0), (0, 0, ord(" ")), (0, 0, ord("e"))]
    values = [value for value in (9, *range(33, 128), 0x8A, 0x8B, 0x91, 0x92) if value != ord("e")]
    free = 21

    def fill(node: int, values: list[int]) -> None:
        nonlocal free
        if len(values) == 1:
            nodes[node] = (0, 0, values[0])
            return
        left, free = free, free + 2
        nodes[node] = (left, left + 1, 0)
        fill(left, values[: len(values) // 2])
        fill(left + 1, values[len(values) // 2 :])

    fill(20, values)
    return nodes


def codes(nodes: Sequence[tuple[int, int, int]], node: int = 0, code: str = "") -> dict[int, str]:
    """Return the code of each value."""
    left, right, value = nodes[node]
    if not left and not right:
        return {value: code}
    return codes(nodes, left, f"{code}0") | codes(nodes, right, f"{code}1")


def pack_texts(texts: Sequence[str]) -> bytes:
    """Make a section's file of texts, which are given as glyphs."""
    table = codes(make_tree())
    lengths, stream = bytearray(), ""
    for text in texts:
        bits = "".join(table[value] for value in (*text.encode("latin-1"), 0))
        units = (len(bits) + 1) // 2
        if units >= 128:
            lengths.append(0x80 | (units + 7) // 8)
            units = (units + 7) // 8 * 8
        else:
            lengths.append(units)
        stream += bits.ljust(2 * units, "0")
    blocks = len(texts) // 32
    start = 4 + 2 * blocks
    stream = stream.ljust(-(-len(stream) // 8) * 8, "0")
    packed = int(f"1{stream}", 2).to_bytes(len(stream) // 8 + 1)[1:]
    return struct.pack("<HH", start, start + len(lengths)) + bytes(2 * blocks) + bytes(lengths) + packed


def pack_files(files: Mapping[int, bytes]) -> tuple[bytes, bytes]:
    """Make sky.dnr and sky.dsk; every second file lies at a multiple of 16 and is found by that."""
    directory, data = bytearray(struct.pack("<I", len(files))), bytearray()
    for count, (number, content) in enumerate(files.items()):
        data += bytes(-len(data) % 16)
        offset = len(data) // 16 | 1 << 23 if count % 2 else len(data)
        directory += struct.pack("<H", number) + offset.to_bytes(3, "little")
        directory += (len(content) | 1 << 22).to_bytes(3, "little")
        data += content
    return bytes(directory), bytes(data)


def make_package(path: Path, files: Mapping[str, bytes]) -> Path:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return write_deb(path, stream.getvalue(), data_name="data.tar")


def make_game(
    folder: Path,
    texts: Mapping[str, Mapping[int, Sequence[str]]],
    clips: Mapping[tuple[int, int], bytes],
    *,
    words: Mapping[str, str] | None = None,
    program: bytes | None = None,
) -> Path:
    """Write the packages: texts by language and section, samples by section and number, lists of words."""
    files = {
        60_600 + 8 * LANGUAGES[language] + section: pack_texts(texts[language].get(section, []))
        for language in texts
        for section in range(8)
    }
    files |= {50_000 + FIRST_CLIPS[s] + number: pack_clip(samples) for (s, number), samples in clips.items()}
    directory, data = pack_files(files)
    readme = gzip.compress(b"Keep this readme.\n")
    content = {f"{GAME}/sky.dnr": directory, f"{GAME}/sky.dsk": data}
    content["usr/share/doc/beneath-a-steel-sky/readme.txt.gz"] = readme
    folder.mkdir(parents=True, exist_ok=True)
    make_package(folder / "beneath-a-steel-sky_0.0372-8_all.deb", content)
    tree = bytes(value for node in make_tree() for value in node)
    decoy = tree[:12] + bytes(600)  # begins as the tree does
    program = b"\x7fELF" + decoy + tree + b"\1\2" if program is None else program
    make_package(folder / "scummvm_2.7.0_amd64.deb", {"usr/games/scummvm": program})
    for language, name in WORD_LISTS.items():
        lines = (words or {}).get(language, "Wort\n").encode()
        make_package(folder / f"{name}_1_all.deb", {f"usr/share/dict/{name}": lines})
    return folder
