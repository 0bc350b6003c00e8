"""The panel as it was known: what fits and scores is handed nothing later than it could have had.

Nothing is copied but the four arrays of labels: rows that are not there yet read as NaN, whoever reads them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from barwise.data.memmap import on_disk, release
from barwise.samples import Panel

_NAT = np.datetime64("NaT", "ns")
_COPIED = 2**31  # bytes of a matrix that is copied to be asked again


class _KnownRows(NDArrayOperatorsMixin):
    """A feature matrix whose `hidden` rows are NaN; reads as an array does, and cannot be written."""

    ndim = 2

    def __init__(self, X: Any, hidden: np.ndarray) -> None:
        self._X, self._hidden = X, hidden
        self.shape, self.dtype, self.itemsize, self.nbytes = X.shape, X.dtype, X.itemsize, X.nbytes
        self.strides, self.size = X.strides, X.size

    @property
    def on_disk(self) -> bool:
        """Whether the matrix is larger than memory."""
        return on_disk(self._X)

    @property
    def filename(self) -> Any:
        """Where a mapped matrix lies."""
        return self._X.filename

    def release(self) -> None:
        """Let go of the pages of a mapped matrix."""
        release(self._X)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> Any:
        rows, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        if rows is None or rows is Ellipsis:
            return np.asarray(self)[key]
        hidden = self._hidden[rows]
        if not np.any(hidden):
            found = self._X[key]
            return _read_only(found) if np.may_share_memory(found, self._X) else found
        if isinstance(rows, slice) and not rest:
            return _KnownRows(self._X[rows], hidden)
        found = np.array(self._X[key])
        if np.ndim(hidden) == 0:
            found[...] = np.nan
        else:
            listed = not isinstance(rows, slice) and any(not isinstance(one, int | slice) for one in rest)
            found[np.broadcast_to(hidden, found.shape) if listed else hidden] = np.nan
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        found = np.array(self._X, dtype=dtype)
        found[self._hidden] = np.nan
        return found

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [np.asarray(x) if isinstance(x, _KnownRows) else x for x in inputs]
        return getattr(ufunc, method)(*plain, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)


def known_at(panel: Panel, first: np.datetime64, last: np.datetime64, shown: np.ndarray | None = None) -> Panel:
    """What may be read while the block of bars from `first` to `last` is scored.

    Labels are there if they were over before `first` (or where `shown` says so, for the audit), rows up to `last`.
    """
    known = panel.end < first
    return _seen(panel, known if shown is None else known | shown, panel.time > last)


class Rising:
    """What may be read as time goes on, in a matrix of its own: no view, and no name, leads to a later row.

    `at` is as `known_at`, for times that rise; a matrix that is too large to be copied is read as `known_at` reads it.
    """

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.last: Any = _NAT
        small = not on_disk(panel.X) and panel.X.nbytes <= _COPIED
        self.X = np.full(panel.X.shape, np.nan, panel.X.dtype) if small else None

    def at(self, first: np.datetime64, last: np.datetime64, shown: np.ndarray | None = None) -> Panel:
        """The panel as known while the bars from `first` to `last` are scored."""
        found = known_at(self.panel, first, last, shown)
        if self.X is None:
            return found
        new = (self.panel.time <= last) & ~(self.panel.time <= self.last)
        self.X[new] = self.panel.X[new]
        self.last = last if np.isnat(self.last) else max(self.last, last)
        return replace(found, X=_read_only(self.X))


def to_fit_alone(panel: Panel, train: np.ndarray, valid: np.ndarray, lookback: int) -> Panel:
    """As `known_to_fit`, in a matrix of its own."""
    found = known_to_fit(panel, train, valid, lookback)
    if on_disk(panel.X) or panel.X.nbytes > _COPIED:
        return found
    return replace(found, X=_read_only(np.asarray(found.X)))


def known_to_fit(panel: Panel, train: np.ndarray, valid: np.ndarray, lookback: int) -> Panel:
    """What may be read while a strategy is fitted: the labels of its rows, and no row later than the last of them.

    Other rows in between are hidden too where the strategy reads one row at a time.
    """
    learned = np.zeros(len(panel), bool)
    learned[train] = learned[valid] = True
    last = panel.time[learned].max() if learned.any() else _NAT
    return _seen(panel, learned, ~learned if lookback == 1 else ~(panel.time <= last))


def known_to_explain(panel: Panel, valid: np.ndarray, test: np.ndarray) -> Panel:
    """What may be read while a fitted model is asked which features it leans on: the labels of validation rows."""
    labelled = np.zeros(len(panel), bool)
    labelled[valid] = True
    read = panel.time[np.concatenate([valid, test])]
    return _seen(panel, labelled, panel.time > read.max())


def _seen(panel: Panel, labelled: np.ndarray, hidden: np.ndarray) -> Panel:
    labels = {
        name: _read_only(np.where(labelled, getattr(panel, name), _NAT if name == "end" else np.nan))
        for name in ("y", "ret", "end", "weight")
    }
    return replace(
        panel,
        X=cast(np.ndarray, _KnownRows(panel.X, hidden)),
        **labels,
        symbol=_read_only(panel.symbol),
        time=_read_only(panel.time),
        finite=_read_only(panel.finite & ~hidden),
        warm=_read_only(panel.warm & ~hidden),
        start=_read_only(_starts(panel.start, hidden)),
    )


def _starts(start: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    found = start.copy()
    rows = np.flatnonzero(hidden)
    found[rows] = rows
    return found


def _read_only(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        values = values.view()
        values.flags.writeable = False
    return values
