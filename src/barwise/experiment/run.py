"""One experiment, from bars to a filed result: `run()` is the program in one page."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from barwise.as_of import known_to_explain, known_to_fit
from barwise.audit.findings import Audit
from barwise.audit.in_run import FoldAudit
from barwise.audit.process import CleanProcess
from barwise.audit.row_sample import seed_of
from barwise.audit.scores import scored
from barwise.audit.watch import Watch, watched
from barwise.backtest.hooks import portfolio_of
from barwise.backtest.ledger import check_columns
from barwise.backtest.metrics import steady_t
from barwise.data.bars import Market
from barwise.data.calendar import periods_per_year
from barwise.data.checks import check_market
from barwise.data.memmap import check_fits, release
from barwise.devices.monitor import RunMonitor
from barwise.errors import LeakError
from barwise.experiment.auditing import clean_work, hear_fits
from barwise.experiment.checkpoint import Curves, Finished
from barwise.experiment.compute import choose_device, settle_threads, threads_of, watched_device
from barwise.experiment.ensemble import agreement, sharpe_alone, spread
from barwise.experiment.factor import factor_tables, write_tables
from barwise.experiment.facts import note_costs, note_data, ranking
from barwise.experiment.fitting import fit_fold, learner_of
from barwise.experiment.fold_jobs import folds_at_once, note_pool, settle_pool
from barwise.experiment.fold_pool import FoldPool
from barwise.experiment.fold_process import Order
from barwise.experiment.groundwork import groundwork
from barwise.experiment.learning import alert_too_few, alert_unlearned, learned_little
from barwise.experiment.measures import measured
from barwise.experiment.parts import Parts
from barwise.experiment.proving import audit_ledger, file_audit, may_be_evidence, prove_run
from barwise.experiment.record import record
from barwise.experiment.results import OutOfSample, evaluate, so_far
from barwise.experiment.session import FitSession
from barwise.experiment.shared import Shared
from barwise.features.matrix import FeatureMatrix
from barwise.listener import Listener, Listeners
from barwise.runs.directory import RunDirectory, peak_memory_mb
from barwise.samples import Panel
from barwise.signals import SignalRule
from barwise.strategies.base import Strategy
from barwise.strategies.rows import neutralized, scores_of, usable
from barwise.validation.folds import Fold
from barwise.validation.shuffled import shuffled


def run(parts: Parts, out: RunDirectory, *listeners: Listener, shared: Shared | None = None) -> dict[str, Any]:
    """Train on past bars, score later ones, trade the scores and file the result in `out`; returns the metrics.

    `listeners` hear how it goes; whoever called tells them that it `ended`. `shared`: what trials of the same parts
    have in common.
    """
    tell = Listeners(listeners)
    out.on_stage = tell.stage
    with out.stage("data"):
        market = check_market(parts.data())
        per_year = market.periods_per_year or periods_per_year(market.times())
        check_columns(parts.backtest, market.bars)
        note_data(out, market, per_year)
        note_costs(out, parts.backtest, market)
    out.on_stage = _letting_go(market, tell.stage)
    tell.started(out.path, out.manifest)
    threads = out.manifest.get("threads") or threads_of(parts)
    out.update(seed=parts.seed, shuffle_labels=parts.shuffle_labels)
    clean = (
        CleanProcess(clean_work(parts, market, out.manifest["data_hash"], threads)) if parts.audit != "none" else None
    )
    watch = Watch()
    with ExitStack() as ends:
        if clean is not None:
            ends.callback(clean.close)
        with watched(watch):
            return _run(parts, market, per_year, threads, (clean, watch, ends), out, tell, shared or Shared())


def _run(
    parts: Parts, market: Market, per_year: float, threads: int, guards: tuple[CleanProcess | None, Watch, ExitStack],
    out: RunDirectory, tell: Listeners, shared: Shared,
) -> dict[str, Any]:  # fmt: skip
    clean, watch, ends = guards
    ground = groundwork(parts, market, threads, clean, out, shared)
    parts, matrix, panel, folds = ground.parts, ground.matrix, ground.panel, ground.folds
    most = max(len(fold.train) for fold in folds)
    check_fits(panel.X, most, {"strategy": parts.strategy, "baseline": parts.baseline})
    pool = ends.enter_context(fold_pool(parts, panel, folds, matrix, threads, out))
    audit, proof = ground.audit, ground.proof
    audit.watch = watch
    with out.stage("audit"):
        hear_fits(audit, parts, panel, folds)
        file_audit(audit, out)
        audit.refuse()
    with out.stage("device"):
        device = choose_device(parts, len(panel.features), out)
        threads = settle_threads(parts, len(panel.features), threads, out)
        settle_pool(pool, parts, device, threads)
    monitor = RunMonitor(parts.monitor, out, watched_device(device), others=tell)
    grid = ground.grid
    session = FitSession(
        out.path / "model", device.used, threads, parts.seed, Listeners((monitor, *tell.of)), parts.shuffle_labels,
        resumed="resumed" in out.manifest, importance=parts.importance,
        profile=parts.monitor.profile if parts.monitor else 0, engine=device.engine, pool=pool,
        traded=lambda folds: so_far(folds, grid(), parts.backtest, per_year), common=ground.common,
    )  # fmt: skip
    session.checks = FoldAudit(audit, seed_of(matrix), learner_of(parts, session).ours)
    with out.stage("fit"):
        try:
            table = walk(panel, folds, parts.strategy, parts.signals, session)
        except LeakError:
            file_audit(audit, out)
            raise
        note_pool(pool, out)
        pool.close()
    facts = [fold.facts for fold in session.finished]
    alert_unlearned(facts, out)
    out.update(folds=facts, monitor=monitor.facts())
    with out.stage("baselines"):
        linear = walk(panel, folds, parts.baseline, parts.signals, session.silent()) if parts.baseline else None
    with out.stage("backtest"):
        result = evaluate(table, linear, grid(), parts.backtest, per_year, parts.seed)
        alert_too_few(table, parts.backtest, out)
        alone = sharpe_alone(table, parts.signals, session.finished, grid(), parts.backtest, per_year)
        result.metrics.update(spread(facts, alone))
        result.metrics.update(measured(parts.measures, result.ledger.net, per_year))
        out.update(t_steady=steady_t(result.ledger, grid(), per_year))
        audit_ledger(parts, audit, result, matrix, market.universe, grid(), per_year, proof)
    if proof is not None and (audit.thorough or may_be_evidence(result.ledger.excess)):
        with out.stage("proof"):
            prove_run(parts, audit, session.checks, proof, panel, folds, out, tell, result, grid(), per_year)
    file_audit(audit, out)
    audit.refuse()
    portfolio = portfolio_of(parts.backtest)
    out.update(hold=portfolio.tranches if portfolio else 1)
    out.update(ranks=ranking(parts) and result.metrics.get("rank_ic_cross") is not None)
    grid().forget_drifts()
    with out.stage("factor"):
        write_tables(out, factor_tables(result, grid(), parts.backtest, per_year, parts.factor_returns))
    with out.stage("report"):
        record(out, result, {f"fold-{fold.facts['fold']}": fold.curves for fold in session.finished})
        tell.finished(result.metrics, result.ledger.equity)
    return result.metrics


def _letting_go(market: Market, tell: Callable[[str | None], None]) -> Callable[[str | None], None]:
    """Hears of stages; between them the memory that bars mapped from a file hold is given back."""

    def stage(name: str | None) -> None:
        if name is None and market.bars:
            release(market.bars[0].close)  # all of them lie in one file
        tell(name)

    return stage


def walk(panel: Panel, folds: list[Fold], strategy: Strategy, rule: SignalRule, session: FitSession) -> OutOfSample:
    """The one loop over folds: fit on the past, learn thresholds from validation scores, score the test rows."""
    parts: list[OutOfSample] = []
    kept = {fold.number: session.load_fold(fold) for fold in folds}
    for fold in session.begin(folds, kept):
        found = kept[fold.number] or session.beside(fold) or walk_fold(panel, fold, strategy, rule, session)
        parts.append(OutOfSample.of(panel, fold, found.score, found.signal))
        session.end_fold(fold, found, parts)
    return OutOfSample.join(parts)


def walk_fold(panel: Panel, fold: Fold, strategy: Strategy, rule: SignalRule, session: FitSession) -> Finished:
    """Score and signal of each test row of one fold, and what run.json says of it."""
    began = time.perf_counter()
    learned_from = shuffled(panel, fold, session.seed) if session.shuffle_labels else panel
    known = known_to_fit(learned_from, fold.train, fold.valid, strategy.lookback)
    curves: Curves = {}
    context = session.context(fold, curves)
    model, scaler = fit_fold(known, fold, copy.deepcopy(strategy), context)
    del known, learned_from  # copies of the labels

    def score_of(part: Panel, rows: np.ndarray) -> np.ndarray:
        return scores_of(model, part, rows, scaler)

    valid = neutralized(panel, fold.valid, scored(score_of, panel, fold.valid))
    fitted = copy.deepcopy(rule).fit(valid)
    checked = session.checks or FoldAudit(Audit("none"))
    score = checked.scores(model, scaler, partial(scores_of, scaler=scaler), panel, fold)
    score = neutralized(panel, fold.test, score)
    signal = checked.signals(fitted, score, panel.time[fold.test], fold.number, valid)
    saved = session.save_model(panel, fold, model, scaler, fitted)
    explained = known_to_explain(panel, fold.valid, fold.test)
    session.explain(explained, fold, model, score_of)
    traded = fold.test[usable(model, panel, fold.test) & (np.nan_to_num(signal) != 0)]
    session.why(panel, fold, model, scaler, traded)
    agreed, alone = agreement(model, explained, fold, scaler, panel.ret[fold.test], rule)
    facts = {"fold": fold.number, **context.facts, **saved, **agreed, **learned_little(score, signal)}
    facts["seconds"] = round(time.perf_counter() - began, 4)
    return session.save_fold(fold, Finished(score, signal, facts, curves, alone))


def fold_pool(
    parts: Parts, panel: Panel, folds: list[Fold], matrix: FeatureMatrix, threads: int, out: RunDirectory
) -> FoldPool:
    """The processes that train folds side by side, forked here; none where one after the other is as good."""
    at_once, each = folds_at_once(parts, panel, folds, threads)
    numbered = {fold.number: fold for fold in folds}
    resumed = "resumed" in out.manifest

    def work(order: Order, tell: Listener) -> Mapping[str, Any]:
        session = FitSession(
            out.path / "model", order["device"], order["threads"], parts.seed, Listeners((tell,)), parts.shuffle_labels,
            resumed=resumed, importance=parts.importance, profile=order["profile"], engine=order["engine"],
        )  # fmt: skip
        session.checks = FoldAudit(Audit(parts.audit, parts.seed), seed_of(matrix))
        try:
            walk_fold(panel, numbered[order["fold"]], parts.strategy, parts.signals, session)
        except LeakError:
            if not session.checks.audit.leaks:
                raise
        return {**session.checks.findings(), "peak_memory_mb": peak_memory_mb()}

    return FoldPool(at_once, each, work)
