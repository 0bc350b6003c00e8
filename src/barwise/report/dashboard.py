"""What TensorBoard shows of a finished run beside its curves: hyper-parameters, figures, configuration and verdict."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from barwise.console.printing import notice
from barwise.console.shortages import shortage
from barwise.errors import DataError
from barwise.report.run import Run, load
from barwise.runs.directory import RunDirectory
from barwise.runs.measures import shown_in
from barwise.runs.tensorboard import Board

_log = logging.getLogger("barwise")

GLANCE = ("equity",)  # of a sweep's trial: one look, and quick to draw
FIGURES = ("equity", "calibration", "rolling_sharpe", "training")  # of a single run; the page has them all
_FACTOR = ("decay", "quantiles", "growth")  # where symbols are compared within each bar
_FRAME = {"left": 0.15, "right": 0.985, "bottom": 0.15, "top": 0.83}
_GLANCED = {"left": 0.08, "right": 0.985, "bottom": 0.075, "top": 0.84, "hspace": 0.13}  # of a trial's figure
_TICKS = 4  # steps of an axis of numbers: each takes a millisecond
_WIDTH = 1000  # dots of a figure, however many inches: readable as TensorBoard shows it
_GROUPS = ("data", "features", "labels", "validation", "strategy", "signals", "backtest", "device")
_LAYOUT = {
    "training": {
        "loss, all folds": ["Multiline", [r"train_loss/fold-\d+", r"valid_loss/fold-\d+"]],
        "validation loss": ["Multiline", [r"valid_loss/fold-\d+"]],
    },
    "result": {
        "Sharpe by fold": ["Multiline", [r"folds/sharpe"]],
        "rank correlation by fold": ["Multiline", [r"folds/rank_ic"]],
        "equity": ["Multiline", [r"backtest/equity"]],
        "correlation by bars held": ["Multiline", [r"factor/(rank_ic|ic)_by_bars_held"]],
    },
    "machine": {
        "seconds by stage": ["Multiline", [r"timing/.*"]],
        "memory": ["Multiline", [r"device/.*_mb"]],
    },
}


class Dashboard(Board):
    """The event file of a run of the command line, with the ending of one that is done."""

    def __init__(self, out: RunDirectory, figures: tuple[str, ...] = FIGURES) -> None:
        super().__init__(out.path / "tensorboard")
        self.out, self.figures = out, figures

    def ended(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """Add the ending of a run that is done, and close; what cannot be drawn is a warning, not a failed run."""
        if manifest.get("status") != "done":
            self.close()
            return
        try:
            with self.out.stage("dashboard"):
                try:
                    _write_ending(self.writer, load(folder), self.figures)
                finally:
                    self.close()
        except Exception as error:
            short = shortage(error)
            if short:
                notice(f"{short}; the run is done, TensorBoard lacks its ending")
                return
            _log.exception("the dashboard's ending could not be written")
            self.out.warn(
                f"TensorBoard lacks the run's ending: {type(error).__name__}: {error}; train.log has the traceback"
            )
        with suppress(OSError):  # the run is done, and run.json says so
            self.out.update()


def _write_ending(writer: Any, run: Run, figures: tuple[str, ...] = FIGURES) -> None:
    """Hyper-parameters with outcomes, figures, text and a layout, into the run's own event file."""
    for name, text in _texts(run.verdict, run.config).items():
        writer.add_text(name, text, 0)
    writer.add_custom_scalars(_LAYOUT)
    for stage, seconds in (run.manifest.get("seconds") or {}).items():
        writer.add_scalar(f"timing/{stage}", float(seconds), 0)
    for stage, megabytes in (run.manifest.get("peak_memory_mb") or {}).items():
        writer.add_scalar(f"memory/{stage}_peak_mb", float(megabytes), 0)
    across = _add_factor(writer, run)
    for name in (*figures, *(_FACTOR if across and figures == FIGURES else ())):
        try:
            figure = run.figures[name]
            if name in _FACTOR:
                _lay_out(figure)
            elif figures == GLANCE:  # to find a frame takes as long as drawing
                figure.set_layout_engine(None)
                figure.subplots_adjust(**_GLANCED)
            _add_image(writer, f"figures/{name}", pixels(figure))
        except DataError:
            continue
    _add_hparams(writer, hyper_parameters(run), outcomes(run))


def _lay_out(figure: Any) -> None:
    """Give the axes of a factor figure their place, and its labels theirs at the rim; to find it takes as long as to
    draw it."""
    figure.set_layout_engine(None)
    figure.subplots_adjust(**_FRAME)
    axes = figure.axes[0]
    axes.locator_params(axis="y", nbins=_TICKS)
    axes.yaxis.label.set_verticalalignment("top")
    axes.yaxis.set_label_coords(0.008, 0.5, figure.transFigure)
    axes.xaxis.label.set_verticalalignment("bottom")
    axes.xaxis.set_label_coords(0.57, 0.012, figure.transFigure)


def _add_image(writer: Any, name: str, dots: np.ndarray) -> None:
    """Enter `dots` (height, width, 3) as a PNG, packed for speed; the library's add_image packs it for size."""
    from PIL import Image
    from tensorboardX.proto.summary_pb2 import Summary

    packed = BytesIO()
    Image.fromarray(np.ascontiguousarray(dots)).save(packed, "PNG", compress_level=1)
    height, width, colours = dots.shape
    image = Summary.Image(height=height, width=width, colorspace=colours, encoded_image_string=packed.getvalue())
    writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), 0)


def _texts(verdict: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """Verdict and configuration as code: TensorBoard takes texts for Markdown, in which a name may be a picture."""
    sentence = " ".join(str(verdict.get("sentence") or "no verdict").split())
    return {
        "verdict": f"    {sentence}",
        "configuration": "```\n" + json.dumps(config, indent=1, default=str) + "\n```",
    }


def _add_factor(writer: Any, run: Run) -> bool:
    """Decay by bars held, and what each quantile earns, as scalars; whether symbols are compared within each bar.
    Nothing where the run kept no factor tables."""
    try:
        tables = run.factor("decay", "quantiles", "about")
    except DataError:
        return False
    for row in tables["decay"].itertuples() if "decay" in tables else ():
        for name in ("rank_ic", "ic"):
            value = float(getattr(row, name))
            if np.isfinite(value):
                writer.add_scalar(f"factor/{name}_by_bars_held", value, int(row.horizon))
    for row in tables["quantiles"].itertuples() if "quantiles" in tables else ():
        if np.isfinite(row.excess):
            writer.add_scalar(
                f"factor/excess_by_quantile_{int(row.horizon)}_bars", float(row.excess), int(row.quantile)
            )
    return bool("about" in tables and tables["about"]["across"].iloc[0])


def rehearse() -> None:
    """Draw a figure for nobody: a process forked afterwards has the canvas, the fonts and the image formats."""
    import matplotlib
    from matplotlib.figure import Figure
    from PIL import Image

    from barwise.report.svg import STYLE

    Image.preinit()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot(np.array(["2000-01-01", "2001-01-01"], "datetime64[D]"), [1.0, 2.0], label="nothing")
        axes.set_yscale("log")
        figure.legend(loc="outside upper left")
    pixels(figure)


def _add_hparams(writer: Any, given: Mapping[str, Any], found: Mapping[str, float]) -> None:
    """Enter the run in the HParams tab under its own name; the library's add_hparams would open a run beside it."""
    from tensorboardX.summary import hparams

    for part in hparams(dict(given), dict(found)):
        writer.file_writer.add_summary(part)
    for name, value in found.items():
        writer.add_scalar(name, value, 0)


def outcomes(run: Run) -> dict[str, float]:
    """Final numbers by which trials are sorted; what is undefined is left out."""
    found = {m.name: run.metrics.get(m.name) for m in shown_in("dashboard", run.ranks)} | {
        name: run.verdict.get(name) for name in ("p_value", "dsr")
    }
    return {f"outcome/{name}": float(value) for name, value in found.items() if isinstance(value, int | float)}


def hyper_parameters(run: Run) -> dict[str, Any]:
    """The choice of each group, the seed, and every plain setting of strategy, labels, signals and validation."""
    found: dict[str, Any] = {"strategy": run.choices.get("strategy"), "seed": run.config.get("seed")}  # shown first
    found |= {group: run.choices[group] for group in _GROUPS if group in run.choices}
    features = run.config.get("features")
    if isinstance(features, dict):
        found["features"] = ",".join(features)
    for group in ("strategy", "labels", "signals", "validation"):
        found.update(_leaves(run.config.get(group), group))
    return {name: value for name, value in found.items() if isinstance(value, bool | int | float | str)}


def _leaves(node: Any, name: str) -> dict[str, Any]:
    """The plain values below `node`, by dotted name, but for Hydra's own keys."""
    if isinstance(node, dict):
        return {k: v for key, child in node.items() if not str(key).startswith("_")
                for k, v in _leaves(child, f"{name}.{key}").items()}  # fmt: skip
    return {name: node}


def pixels(figure: Any) -> np.ndarray:
    """(height, width, 3) bytes of a figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(_WIDTH / figure.get_figwidth())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
