"""The proof that a sentence of evidence needs: every test row is what its own past gives, every score needs no more."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from barwise.audit.findings import Audit, Finding
from barwise.audit.in_run import FoldAudit
from barwise.audit.process import Failed
from barwise.audit.rows import SIZE, RowProof, default_workers
from barwise.audit.scores import described, differing, rescored
from barwise.data.memmap import blocks
from barwise.runs.directory import write_bytes
from barwise.samples import Panel
from barwise.validation.folds import Fold

WORTH = 0.8  # of the run's own PSR, below which no sentence speaks of evidence, however few trials there were


def prove(
    audit: Audit,
    checks: FoldAudit,
    rows: RowProof,
    panel: Panel,
    folds: list[Fold],
    kept: Path | None,
    over: Callable[[int, str], Callable[[int], None]],
) -> None:
    """Prove every test row (a thorough audit: the training rows too), and what scored them; fills in `audit.proven`.

    `kept`: the file that says which rows were proven before, of the same code and bars. `over(n, name)`: a progress
    bar, to be called with each of `n` that is done.
    """
    test = np.unique(np.concatenate([fold.test for fold in folds]))
    learned = np.unique(np.concatenate([np.concatenate([fold.train, fold.valid]) for fold in folds]))
    wanted = np.union1d(test, learned) if audit.thorough else test
    rows.proven |= _read(kept, len(rows.proven))
    left = wanted[~rows.proven[wanted]]
    if len(left):
        done = over(-(-len(left) // SIZE), "proving rows")
        audit.hear("proof", rows.compare(left, default_workers(), SIZE, done))
        if kept is not None and not audit.leaks:
            _write(kept, rows.proven)
    count = int(rows.proven[test].sum())
    audit.proven = {
        "rows": count, "of": len(test), "share": count / max(1, len(test)),
        "training": float(rows.proven[learned].mean()) if audit.thorough else None, "kept": len(left) == 0,
    }  # fmt: skip
    if not checks.ours:
        audit.hear("proof", _scores_again(checks, panel, folds))


def _scores_again(checks: FoldAudit, panel: Panel, folds: list[Fold]) -> Iterator[Finding | int]:
    """Each bar's scores again by themselves, unless the run asked for them bar by bar."""
    for fold in folds:
        if fold.number not in checks.folds:
            continue
        name, score_of, score = checks.folds[fold.number]
        if not checks.by_bar:
            found = rescored(name, score_of, panel, fold.test, score, np.unique(panel.time[fold.test]), labels=False)
            yield from found
            if found.by_bar:
                yield Finding("proof", "leak", f"{name}: its scores depend on where a block begins, on some bars only.")
            if found.findings:
                return


def fits_again(
    checks: FoldAudit, rows: RowProof, panel: Panel, folds: list[Fold], device: str,
    over: Callable[[int, str], Callable[[int], None]],
) -> Iterator[Finding | int]:  # fmt: skip
    """Each fold fitted again where nothing was fitted before, under other names and dates, and asked bar by bar with
    nothing later in reach, scores its test rows the same."""
    ours = [fold for fold in folds if fold.number in checks.folds]
    if checks.ours or not ours:
        return

    def given(fold: Fold, hide: bool) -> dict[str, np.ndarray]:
        return {"fold": np.array(fold.number), "hide": np.array(hide), "device": np.array(device)}

    workers = default_workers() if device == "cpu" else 1
    heard = over(len(ours), "proving fits")
    answers = rows.clean.ask("refit", *[given(fold, True) for fold in ours], workers=workers, done=heard)
    for fold, answer in zip(ours, answers, strict=True):
        name, _, score = checks.folds[fold.number]
        if isinstance(answer, Failed):
            yield Finding("proof", "not_audited", f"{name} cannot be fitted again in a process of its own ({answer})")
            return
        yield len(score)
        for what in answer["_opened"].tolist():
            yield Finding("parts", "not_audited", f"{name} reads {what}")
        if not len(differing(score, answer["score"])):
            continue
        yield from _unlike(rows, name, panel, fold, score, given(fold, False))
        return


def _unlike(
    rows: RowProof, name: str, panel: Panel, fold: Fold, score: np.ndarray, given: dict[str, np.ndarray]
) -> Iterator[Finding]:
    """Why a fold that was fitted again scores otherwise."""
    first, twin = (rows.clean.ask("refit", given)[0] for _ in range(2))
    if any(isinstance(one, Failed) for one in (first, twin)) or len(differing(first["score"], twin["score"])):
        text = f"{name} is irreproducible: two fits on the same rows, from the same seed, score them differently"
        yield Finding("proof", "not_audited", text)
        return
    differ = differing(score, first["score"])
    if not len(differ):
        text = f"{name} scores otherwise under other names, or 28 years later: it may look them up"
        yield Finding("proof", "not_audited", text)
        return
    what = described(panel, fold.test, int(differ[0]), score, first["score"])
    how = "fitted where nothing was seen before, and asked bar by bar"
    text = f"{name}: {how}, it scores otherwise: it remembers: {what}."
    yield Finding("proof", "leak", text)


def kept_in(home: Path | None, key: str | None, X: np.ndarray) -> Path | None:
    """Where it is kept which rows of the matrix `X` are proven; `key` names code and bars."""
    if home is None or key is None:
        return None
    digest = hashlib.sha256(f"1|{key}|{X.shape}|".encode())
    for part in blocks(X, len(X)):
        digest.update(np.ascontiguousarray(X[part]).data)
    return home / "proofs" / f"{digest.hexdigest()[:32]}.npy"


def _read(path: Path | None, count: int) -> np.ndarray:
    """The mask in `path`; none is proven where there is no such file, or another one."""
    none = np.zeros(count, bool)
    try:
        found = np.load(path, allow_pickle=False) if path is not None else none
    except (OSError, ValueError, EOFError):
        return none
    bits = np.unpackbits(found)[:count] if found.dtype == np.uint8 and found.ndim == 1 else none
    return bits.astype(bool) if len(bits) == count else none


def _write(path: Path, proven: np.ndarray) -> None:
    """Keep the mask; where the disk is full or read-only it is proven again next time."""
    data = io.BytesIO()
    np.save(data, np.packbits(proven), allow_pickle=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data.getvalue())
    except OSError:
        return
