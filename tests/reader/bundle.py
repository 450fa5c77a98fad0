"""The files of a bundle: trailer, index, frames, volumes. Written from docs/format.md."""

import hashlib
import json
import struct
import subprocess
from pathlib import Path

TRAILER = 76
KNOWN = {"images", "detached", "volumes"}


class Wrong(Exception):
    """The file is not what docs/format.md says."""


def need(holds, what):
    if not holds:
        raise Wrong(what)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def skippable(frame, magic, what):
    """The content of a zstd skippable frame."""
    need(len(frame) >= 8 and frame[:4] == magic, f"{what}: not the skippable frame that belongs there")
    need(struct.unpack("<I", frame[4:8])[0] == len(frame) - 8, f"{what}: its length is not that of the frame")
    return frame[8:]


def pointed_to(data):
    """What a trailer points to: the offset of the index or table frame, and its bytes."""
    need(len(data) >= TRAILER, "shorter than a trailer")
    trailer = skippable(data[-TRAILER:], b"\x5b\x2a\x4d\x18", "trailer")
    magic, version, at, size, sha, length = struct.unpack("<8sIQQ32sQ", trailer)
    need(magic == b"pack.run", "trailer: its magic is another")
    need(version == 1, f"trailer: format {version}, not 1")
    need(length == len(data), f"trailer: a file of {length} bytes, found {len(data)}")
    need(at + size == len(data) - TRAILER, "trailer: the index does not end where the trailer begins")
    frame = data[at:at + size]
    need(hashlib.sha256(frame).digest() == sha, "index: digest differs")
    return at, frame


def parsed(frame):
    """The JSON in an index or table frame, once all that it requires is known."""
    found = json.loads(skippable(frame, b"\x5a\x2a\x4d\x18", "index"))
    for word in found["requires"]:
        need(word in KNOWN, f"requires {word!r}, which this reader does not know")
    return found


def joined(path, data, at, table):
    """The bundle in one file, made of what is in `path` and its volumes."""
    need(table["requires"] == ["volumes"], "table: requires more than volumes")
    start = at - table["indexSize"]
    index = data[start:at]
    need(digest(index) == table["indexDigest"], "index: digest differs from that in the table")
    parts = [data[:start]]
    for number, volume in enumerate(table["volumes"], 1):
        name = Path(f"{path}.{number:03}")
        part = name.read_bytes()
        need(len(part) == volume["size"], f"{name.name}: {len(part)} bytes, expected {volume['size']}")
        need(digest(part[:65536]) == volume["head"], f"{name.name}: another volume")
        need(digest(part) == volume["digest"], f"{name.name}: digest differs")
        parts.append(part)
    offset = sum(map(len, parts))
    length = offset + len(index) + TRAILER
    trailer = struct.pack("<4sI8sIQQ32sQ", b"\x5b\x2a\x4d\x18", 68, b"pack.run", 1, offset, len(index),
                          hashlib.sha256(index).digest(), length)
    return b"".join([*parts, index, trailer])


class Bundle:
    """An opened bundle, each of whose bytes was compared with a digest."""

    def __init__(self, path):
        self.folder = Path(path).parent
        self.data = Path(path).read_bytes()
        at, frame = pointed_to(self.data)
        self.index = parsed(frame)
        if "volumes" in self.index["requires"]:
            self.data = joined(path, self.data, at, self.index)
            at, frame = pointed_to(self.data)
            self.index = parsed(frame)
        need("volumes" not in self.index["requires"], "index: a table within a table")
        header = self.data[:self.index["headerSize"]]
        need(digest(header) == self.index["headerDigest"], "launcher and runtime: digest differs")
        self.stream = self.unpacked(at)
        self.members = {entry["path"]: self.content(entry) for entry in self.index["entries"]}

    def unpacked(self, end):
        """The tar stream, out of its frames."""
        at, parts = self.index["headerSize"], []
        for number, frame in enumerate(self.index["frames"]):
            need(frame["offset"] == at, f"frame {number}: does not begin where the one before ends")
            stored = self.data[at:at + frame["size"]]
            need(digest(stored) == frame["digest"], f"frame {number}: digest differs")
            parts.append(zstd(stored))
            need(len(parts[-1]) == frame["rawSize"], f"frame {number}: its content has another length")
            at += frame["size"]
        need(at == end, "the last frame does not end where the index begins")
        stream = b"".join(parts)
        need(len(stream) == self.index["rawSize"], "the tar stream has another length")
        return stream

    def content(self, entry):
        start = entry["offset"]
        content = self.stream[start:start + entry["size"]]
        need(digest(content) == entry["digest"], f"{entry['path']}: digest differs")
        return content


def zstd(stored):
    """The content of one frame, by the stock program."""
    found = subprocess.run(["zstd", "-dcq", "--long=31"], input=stored, stdout=subprocess.PIPE, check=False)
    need(found.returncode == 0, "zstd cannot read a frame")
    return found.stdout
