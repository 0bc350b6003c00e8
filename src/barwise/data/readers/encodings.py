"""Bytes of a text file to UTF-8: byte order marks, UTF-16, and the national encodings that its header is known in."""

from __future__ import annotations

import codecs

from barwise.data.names import RANK, plain
from barwise.data.notes import Notes
from barwise.errors import DataError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NATIONAL = ("gb18030", "cp932", "big5", "cp949", "cp1252", "cp1251", "cp1250", "iso-8859-9")
_HEAD = 8192
_WORDS = frozenset(word for words in RANK.values() for word in words)


def utf8(data: bytes, where: str, notes: Notes) -> bytes:
    """The same text in UTF-8, without a mark, its lines ended by \\n. DataError where it is no text."""
    head = data[:4]
    mark, name = next(((m, n) for m, n in _MARKS if head.startswith(m)), (b"", ""))
    if name and name != "utf-8":
        return _lines(_decoded(data[len(mark) :], name, where, notes))
    data = data[len(mark) :] if mark else data
    if b"\0" in data[:_HEAD]:
        sixteen = _sixteen(data[:_HEAD])
        if not sixteen:
            raise DataError(f"{where}: cannot be read as text: it holds binary data")
        return _lines(_decoded(data, sixteen, where, notes))
    if data.isascii() or _is_utf8(data):
        return _lines(data)
    return _lines(_decoded(data, _national(data), where, notes))


def _lines(data: bytes) -> bytes:
    if b"\r" in data[:_HEAD] and b"\n" not in data[:_HEAD]:  # the old Macintosh's way
        return data.replace(b"\r", b"\n")
    return data


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for begin in range(0, len(data), 2**20):
            decoder.decode(data[begin : begin + 2**20], begin + 2**20 >= len(data))
    except UnicodeDecodeError:
        return False
    return True


def _sixteen(head: bytes) -> str:
    """UTF-16 without a mark: every other byte of plain text is zero."""
    odd, even = head[1::2].count(0), head[0::2].count(0)
    if odd > len(head) * 0.3 and even < odd / 10:
        return "utf-16-le"
    return "utf-16-be" if even > len(head) * 0.3 and odd < even / 10 else ""


def _national(data: bytes) -> str:
    """The encoding in which most cells of the head are words for columns; where that does not tell, what reads on.

    Pairs of bytes that are all Chinese characters are Chinese; else it is Western European.
    """
    best, most = "gb18030" if _chinese(data) else "cp1252", 0
    plain_ones = sum(plain(cell) in _WORDS for cell in _cells(data[:_HEAD].decode("ascii", errors="ignore")))
    for name in _NATIONAL:
        text = data[:_HEAD].decode(name, errors="ignore")
        known = sum(plain(cell) in _WORDS for cell in _cells(text))
        if known > max(most, plain_ones):
            best, most = name, known
    return best


def _cells(text: str) -> list[str]:
    return text.replace('"', "").replace(";", ",").replace("\t", ",").replace("\n", ",").split(",")[:200]


def _chinese(data: bytes) -> bool:
    try:
        letters = [letter for letter in data[: 2**20].decode("gb18030") if not letter.isascii()]
    except UnicodeDecodeError:
        return False
    return sum("\u4e00" <= letter <= "\u9fff" for letter in letters) * 2 > len(letters)


def _decoded(data: bytes, name: str, where: str, notes: Notes) -> bytes:
    try:
        text = data.decode(name)
    except UnicodeDecodeError as error:
        if name == "cp1252":  # five of its bytes mean nothing
            text = data.decode("latin-1")
        else:
            raise DataError(f"{where}: cannot be read as text in {name}: {' '.join(str(error).split())[:80]}") from None
    notes.note(where, f"read as {name}")
    return text.encode()
