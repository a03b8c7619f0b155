# SPDX-License-Identifier: MIT
"""Marks that nobody may find again: texts cut into pieces, in every form in which one could leak, and a
search for all of them at once."""
import base64
import collections
import sys
import urllib.parse
from dataclasses import dataclass

PIECE = 16    # bytes: so much in a row, and up to STEP - 1 more, is found
STEP = 8
VARIETY = 7   # different bytes in a piece
WORD = 8      # bytes that the search compares at once


@dataclass(frozen=True)
class Mark:
    """What a piece is of."""

    kind: str
    name: str
    form: str


@dataclass
class Found:
    """What a search has come to."""

    size: int = 0        # bytes looked at
    hits: collections.Counter = None   # by mark

    def __post_init__(self):
        if self.hits is None:
            self.hits = collections.Counter()

    def add(self, other):
        self.size += other.size
        self.hits.update(other.hits)


def pieces(data, step=STEP):
    """All windows of a piece, the last one to the very end."""
    if len(data) < PIECE:
        raise ValueError(f"too short to be told from other things: {len(data)} bytes")
    starts = [*range(0, len(data) - PIECE, step), len(data) - PIECE]
    found = [data[start:start + PIECE] for start in starts]
    # Zeros and the like are no secret, and everywhere.
    return [piece for piece in found if len(set(piece)) >= VARIETY]


def base64_forms(piece):
    """The characters that stand for this piece wherever it begins within what is encoded."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + piece + bytes(2))
        inner = text[-(-before * 8 // 6):(before + len(piece)) * 8 // 6]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


def forms(piece):
    """{form: texts} of everything that a piece is searched as."""
    lower, upper = piece.hex(), piece.hex().upper()
    return {
        "raw": {piece},
        "hex": {lower.encode(), upper.encode()},
        "base64": set(base64_forms(piece)),
        "percent": {("".join(f"%{text[i:i + 2]}" for i in range(0, len(text), 2))).encode()
                    for text in (lower, upper)}
                   | {urllib.parse.quote_plus(piece).encode(), urllib.parse.quote(piece).encode()} - {piece},
    }


class Marks:
    """All that is searched for, at once: each pattern has one of its first words at a place of what is
    searched that is a multiple of the word's size, wherever it begins."""

    def __init__(self):
        self.marks = {}      # pattern -> what it is of; the first that had it
        self.words = {}      # word -> patterns, one or a list
        self.names = set()

    def add(self, kind, name, data, only=None, step=STEP):
        """Search for this from now on; only: in these forms."""
        data = data if isinstance(data, bytes) else data.encode()
        self.names.add((kind, name))
        for piece in pieces(data, step):
            for form, patterns in forms(piece).items():
                if only is None or form in only:
                    for pattern in patterns:
                        self._add_pattern(pattern, Mark(kind, name, form))

    def _add_pattern(self, pattern, mark):
        if pattern in self.marks:
            return
        self.marks[pattern] = mark
        for start in range(WORD):
            word = int.from_bytes(pattern[start:start + WORD], sys.byteorder)
            known = self.words.get(word)
            if known is None:
                self.words[word] = pattern
            elif isinstance(known, list):
                known.append(pattern)
            else:
                self.words[word] = [known, pattern]

    def search(self, data):
        """What is found in these bytes."""
        found = Found(len(data))
        whole = memoryview(data)[:len(data) // WORD * WORD]
        patterns = set()
        for word in self.words.keys() & whole.cast("Q"):
            known = self.words[word]
            patterns.update(known if isinstance(known, list) else [known])
        for pattern in patterns:
            if pattern in data:
                found.hits[self.marks[pattern]] += data.count(pattern)
        return found

    def search_file(self, path):
        return self.search(path.read_bytes())
