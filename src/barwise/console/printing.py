"""Text for a terminal, a page or a file, whatever a stranger or a broken file name put into it."""

from __future__ import annotations

import contextlib
import io
import os
import sys

_WORD, _LINE = 300, 2000  # characters of a word and of a message that are shown


def printable(text: str, most: int = _LINE) -> str:
    """`text` as one line for a terminal, a page or a table: control signs and what UTF-8 cannot write are escaped, long
    words and long lines lose their middle."""
    if len(text) > 4 * most:  # megabytes are not looked at sign by sign
        text = _cut(text, 4 * most)
    words = (_cut(_escaped(word), _WORD) for word in text.split())
    return _cut(" ".join(words), most)


def _escaped(word: str) -> str:
    """Signs that a terminal acts on or cannot show, as Python writes them."""
    if word.isprintable():
        return word
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in word)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    kept = most - 1
    return f"{text[: kept - kept // 3]}…{text[len(text) - kept // 3 :]}"


def shortened(text: str, most: int = 100_000) -> str:
    """A long text of many lines, such as a traceback, without its middle."""
    return text if len(text) <= most else f"{text[: most // 2]}\n…\n{text[-most // 2 :]}"


def notice(text: str) -> None:
    """Say something on standard error, as one line."""
    with contextlib.suppress(OSError, ValueError):
        print(f"barwise: {printable(text)}", file=sys.stderr, flush=True)


def writable() -> None:
    """Make standard output and error take any text: what their encoding lacks is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def mute() -> None:
    """What is still to be printed goes nowhere, or the interpreter would try, and complain, at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
