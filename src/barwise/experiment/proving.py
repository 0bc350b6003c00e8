"""When a run is proven, and what run.json keeps of its audit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from barwise.audit.again import CUTS, MOST, book_again, rules_again
from barwise.audit.findings import Audit
from barwise.audit.in_run import FoldAudit
from barwise.audit.ledger import ledger_adds_up, ledger_looks_back
from barwise.audit.own import is_users
from barwise.audit.proof import WORTH, fits_again, kept_in, prove
from barwise.audit.row_sample import seed_of
from barwise.audit.rows import RowProof
from barwise.backtest.grid import Grid
from barwise.evidence.deflated import Moments, probability
from barwise.features.fingerprint import fingerprint
from barwise.listener import Listener
from barwise.runs.directory import RunDirectory
from barwise.samples import Panel
from barwise.validation.folds import Fold
from barwise.validation.paths import full_paths, path_of

if TYPE_CHECKING:
    from barwise.data.bars import Universe
    from barwise.experiment.parts import Parts
    from barwise.experiment.results import OutOfSample, Result
    from barwise.features.matrix import FeatureMatrix


def file_audit(audit: Audit, out: RunDirectory) -> None:
    """Put what the audit found so far into run.json, and warn of what was not said yet."""
    audit.note_watched()
    for warning in audit.warnings:
        if warning not in out.manifest.get("warnings", []):
            out.warn(warning)
    out.update(audit=audit.report())


def may_be_evidence(excess: np.ndarray) -> bool:
    """Whether a sentence may come to speak of evidence: the run's own PSR is large enough, were it the only trial."""
    moments = Moments.of(excess)
    if len(excess) < 3 or not np.isfinite(moments.sharpe) or not np.isfinite(moments.spread):
        return False
    return probability(moments) >= WORTH


def prove_run(
    parts: Parts, audit: Audit, checks: FoldAudit, proof: RowProof, panel: Panel, folds: list[Fold], out: RunDirectory,
    tell: Listener, result: Result, grid: Grid, per_year: float,
) -> None:  # fmt: skip
    """Prove each test row; and of the user's own parts that scores, signals and what was earned come from the past
    alone."""
    table, (main, net) = result.table, _path_and_net(parts.backtest, result, grid, per_year)
    store = parts.cache
    key = fingerprint(out.manifest["data_hash"], parts.features, proof.bars).key if store and store.gb else None

    def over(n: int, name: str) -> Callable[[int], None]:
        done = count(1)
        return lambda _: tell.progress(name, next(done), n)

    prove(audit, checks, proof, panel, folds, kept_in(store.home.parent if store else None, key, panel.X), over)
    if audit.leaks or not proof.clean.forked:
        return
    audit.hear("proof", fits_again(checks, proof, panel, folds, str(out.manifest["device"]["used"]), over))
    tables = {f.number: (table.score[table.fold == f.number], table.time[table.fold == f.number]) for f in folds}
    rule = type(parts.signals).__name__
    audit.hear("proof", rules_again(proof.clean, rule, checks.rules, tables))
    audit.hear("execution", book_again(proof, parts.backtest, main.signals(), net, per_year, MOST, over))


def audit_ledger(
    parts: Parts, audit: Audit, result: Result, matrix: FeatureMatrix, universe: Universe | None, grid: Grid,
    per_year: float, proof: RowProof | None,
) -> None:  # fmt: skip
    """Look for what could not be earned in the ledger, and for a result that is too good to be true."""
    if audit.mode == "none":
        return
    seed = seed_of(matrix)
    audit.hear("execution", ledger_adds_up(parts.backtest, result.ledger, grid, matrix.bars))
    if is_users(parts.backtest):
        main, net = _path_and_net(parts.backtest, result, grid, per_year)
        audit.hear("execution", ledger_looks_back(parts.backtest, main.signals(), matrix.bars,
                                                  lambda bars: Grid.build(bars, universe), per_year, seed))  # fmt: skip
        if proof is not None and not audit.leaks:
            audit.hear("execution", book_again(proof, parts.backtest, main.signals(), net, per_year, CUTS))
    cause = _likely_cause(audit, parts)
    audit.implausible = parts.plausibility.implausible(result.metrics, len(result.ledger.net), per_year, cause)


def _path_and_net(backtest: Any, result: Result, grid: Grid, per_year: float) -> tuple[OutOfSample, np.ndarray]:
    """The table that the ledger trades and its net returns; of splits that overlap the first path, traded once more."""
    table = result.table
    if len(np.unique(np.stack([table.symbol, table.time.astype(np.int64)]), axis=1).T) == len(table.time):
        return table, result.ledger.net
    path = path_of(table.symbol, table.time, table.fold)
    first = table.select(path == next(iter(full_paths(path))))
    return first, backtest.run(grid, first.signals(), per_year).net if is_users(backtest) else result.ledger.net


def _likely_cause(audit: Audit, parts: Parts) -> str | None:
    """What the audit has against a result that is too good to be true."""
    if audit.suspicions:
        return "this: " + audit.suspicions[0].removesuffix(".")
    return None if not is_users(parts.backtest) else f"the fills of {type(parts.backtest).__name__}"
