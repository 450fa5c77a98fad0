"""Recipes: how an archive is made again, bit for bit, of blobs and what is not in them. Written from docs/format.md."""

import struct
import subprocess
import zlib

from bundle import need

MAGIC = b"pack recipe 1\n"


class NeedsPack(Exception):
    """The recipe has DEFLATE blocks that only preflate-rs, or `pack` itself, writes again."""


class Reader:
    """The bytes of a recipe, from the first to the last."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        need(self.at + length <= len(self.data), "recipe: it ends too early")
        self.at += length
        return self.data[self.at - length:self.at]

    def number(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def byte(self):
        return self.take(1)[0]

    def bytes(self):
        return self.take(self.number())


def parts_of(reader):
    """A list of parts: tuples that begin with the kind of the part."""
    return [part_of(reader) for _ in range(reader.number())]


def part_of(reader):
    kind = reader.byte()
    if kind == 0:
        return "literal", reader.bytes()
    if kind == 1:
        return "blob", "sha256:" + reader.take(32).hex(), reader.number()
    need(kind == 2, f"recipe: a part of kind {kind}")
    text = parts_of(reader)
    return "gzip", text, [record_of(reader) for _ in range(reader.number())]


def record_of(reader):
    kind = reader.byte()
    if kind == 0:
        return "plain", reader.bytes()
    size, first = reader.number(), reader.byte()
    bits = reader.number()
    if kind == 1:
        return "raw", size, first, bits, reader.bytes()
    if kind == 2:
        reader.number()
        for _ in range(reader.number()):
            reader.number()
        return "predicted", size, first, bits, reader.bytes()
    need(kind == 3, f"recipe: a record of kind {kind}")
    return "encoder", size, first, bits, reader.byte(), reader.byte()


def read(data):
    """The size and digest of the original, and the parts it is made of."""
    reader = Reader(data)
    need(reader.take(len(MAGIC)) == MAGIC, "recipe: it does not begin as one")
    size, sha = reader.number(), "sha256:" + reader.take(32).hex()
    parts = parts_of(reader)
    need(reader.at == len(data), "recipe: bytes behind its end")
    return size, sha, parts


def content_of(parts, blobs, write):
    """The parts end to end; `write` makes of a gzip part, its text and records, what stands in its place."""
    made = []
    for kind, *rest in parts:
        if kind == "literal":
            made.append(rest[0])
        elif kind == "blob":
            blob = blobs[rest[0]]
            need(len(blob) == rest[1], "recipe: a blob of another size")
            made.append(blob)
        else:
            made.append(write(content_of(rest[0], blobs, write), rest[1]))
    return b"".join(made)


def compressed(text, records):
    """A gzip file of its text and records."""
    bits, at, place = Bits(), 0, 0
    while place < len(records):
        if records[place][0] == "plain":
            bits.whole(records[place][1])
            place += 1
        else:
            end = next((i for i in range(place, len(records)) if records[i][0] == "plain"), len(records))
            size = sum(record[1] for record in records[place:end])
            stream(bits, text[at:at + size], records[place:end])
            at, place = at + size, end
    need(at == len(text), "recipe: text that no record uses")
    return bytes(bits.data)


def stream(bits, text, records):
    """A DEFLATE stream: what one encoder writes from its begin on, and blocks as they were."""
    known = 0
    while known < len(records) and records[known][0] == "encoder" and records[known][4] == records[0][4]:
        known += 1
    if any(record[0] != "raw" for record in records[known:]):
        raise NeedsPack
    if known:
        bits.blocks(0, sum(record[3] for record in records[:known]), by_encoder(records[0][4], text))
    for _, _, first, count, data in records[known:]:
        bits.blocks(first, count, data)


def by_encoder(encoder, text):
    """The DEFLATE stream of all of `text`, by a stock program."""
    level = encoder & 15
    if encoder & 16:
        writer = zlib.compressobj(level, zlib.DEFLATED, -15)
        return writer.compress(text) + writer.flush()
    file = subprocess.run(["gzip", f"-{level}nc"], input=text, stdout=subprocess.PIPE, check=True).stdout
    return file[10:-8]


class Bits:
    """A file that is written bit by bit, the lowest of a byte first."""

    def __init__(self):
        self.data, self.used = bytearray(), 0

    def whole(self, data):
        """Bytes, from a byte boundary on; the bits before it are zero."""
        self.used = 0
        self.data += data

    def blocks(self, first, count, data):
        """`count` bits of `data`, whose first is bit `first` of its first byte."""
        need(first == self.used, "recipe: blocks begin at another bit than those before ended")
        need(first + count <= 8 * len(data), "recipe: fewer bits than its blocks have")
        value = int.from_bytes(data, "little") >> first & (1 << count) - 1
        if first:
            value = value << first | self.data.pop()
        self.used = (first + count) % 8
        self.data += value.to_bytes((first + count + 7) // 8, "little")


def check_texts(parts, blobs):
    """Compares the text of each gzip member with the checksum behind its stream."""

    def check(text, records):
        at = size = 0
        for kind, *rest in records:
            if kind != "plain":
                size += rest[0]
            elif size:
                own, at, size = text[at:at + size], at + size, 0
                found = struct.pack("<II", zlib.crc32(own), len(own) & 0xffffffff)
                need(rest[0][:8] == found, "recipe: a text with another CRC")
        need(at == len(text), "recipe: text that no record uses")
        return b""

    content_of(parts, blobs, check)
