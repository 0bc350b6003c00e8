"""Any scikit-learn estimator behind the strategy interface, from YAML alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import Number, Whole, check_value, checked, shown
from barwise.errors import ConfigError
from barwise.runs.directory import write_bytes
from barwise.samples import Samples, direction
from barwise.strategies import scores
from barwise.strategies.base import FitContext
from barwise.strategies.inner_cv import check_cv, is_search, note, purge, settled, splitting

_LIBRARY, _FLOATS = (Whole(-(10**9), 10**9),), (Number(-1e12, 1e12),)  # what its compiled code takes
_KERNEL = (Number(1e-9, 1e9),)  # lengths and levels of a kernel
_MOST = {  # what costs memory or time in proportion
    **dict.fromkeys(("n_estimators", "n_neighbors", "max_bins"), (Whole(1, 100_000),)),
    **dict.fromkeys(("max_iter", "n_iter"), (Whole(-1, 1_000_000),)),
}
_NEEDED = ("n_neighbors",)  # scikit-learn's constraints admit None, which its predictions fail on
_TRUSTED = ("sklearn.", "numpy.", "scipy.sparse.")  # what skops may build; all of it plain numbers and trees


class SklearnStrategy:
    """A classifier scores P(up) - P(down), a regressor its prediction over the training deviation of y.

    `scale`: standardise features on training rows. `takes_nan`: the estimator reads NaN itself. Where the estimator
    tunes itself (`cv` of a search, a calibration or a stack), its folds are purged by time and label end. `most_rows`:
    so many training rows, evenly drawn, for what grows faster than they do.
    """

    lookback = 1

    @checked("strategy")
    def __init__(
        self, estimator: Any, scale: bool = False, takes_nan: bool = False,
        most_rows: Annotated[int, Whole(10, 10**9)] | None = None,
    ) -> None:  # fmt: skip
        for method in ("fit", "predict", "get_params"):
            if not hasattr(type(estimator), method):  # some have predict only once they are fitted
                raise ConfigError(
                    f"strategy.estimator={type(estimator).__name__}: is no scikit-learn estimator, it has no {method}"
                )
        _check_estimator(estimator)
        check_cv(estimator)
        self.estimator = estimator
        self.scale = scale
        self.takes_nan = takes_nan
        self.most_rows = most_rows

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        from sklearn.base import clone, is_classifier
        from sklearn.utils.validation import has_fit_parameter

        if self.most_rows is not None and len(train) > self.most_rows:
            train = train.select(np.linspace(0, len(train) - 1, self.most_rows).astype(np.int64))
            context.facts["fitted_rows"] = len(train)
        model = clone(self.estimator)
        known = model.get_params()
        given = {"random_state": context.seed}
        if not type(model).__module__.startswith("sklearn.linear_model"):  # theirs does nothing but warn
            given["n_jobs"] = context.threads
        seeds = {name: context.seed for name in known if name.endswith("__random_state")}  # of what is nested
        model.set_params(
            **{name: value for name, value in (given | seeds).items() if name in known and known[name] is None}
        )
        self.classifier_ = bool(is_classifier(model))
        y = train.y
        if self.classifier_ and not scores.is_classes(y):
            raise ConfigError(
                f"strategy.estimator={type(model).__name__}: a classifier needs labels of -1, 0 and 1;"
                " use labels=next_return_sign or a regressor"
            )
        asked = known.get("n_neighbors")
        if isinstance(asked, int) and asked > len(train):
            raise ConfigError(
                f"strategy.estimator.n_neighbors={asked}: must be at most a fold's training rows, here {len(train)}"
            )
        self.sigma_ = float(np.std(y))
        weighs = has_fit_parameter(model.estimator if is_search(model) else model, "sample_weight")
        weights = {"sample_weight": train.weight} if weighs else {}
        if train.many and weighs and (weights["sample_weight"] == 1).all():
            weights = {}  # some estimators copy their rows to weigh them
        self.model_ = None
        if not self.classifier_ or len(np.unique(y)) > 1:
            tunes = purge(model, train)
            overwrite = train.many and known.get("copy_X") is True  # the rows are a copy already
            model.set_params(**({"copy_X": False} if overwrite else {}))
            model = _fitted(model, train.X, y.astype(int) if self.classifier_ else y, weights)
            model.set_params(**({"copy_X": True} if overwrite else {}))
            note(model, train, context)
            self.model_ = settled(model) if tunes else model
            if "n_jobs" in self.model_.get_params():
                self.model_.set_params(n_jobs=1)  # forests sum their trees in another order on two threads
            self._loss(train, valid, context)
        return self

    def _loss(self, train: Samples, valid: Samples, context: FitContext) -> None:
        """Log the mean squared distance of score and sign, one point a fit, and offer it for pruning."""
        for name, samples in (("train", train), ("valid", valid)):
            if len(samples):
                loss = float(np.mean((self.predict(samples) - direction(samples.ret)) ** 2))
                context.log(f"{name}_loss", loss, 0)
                if name == "valid" and context.report:
                    context.report(loss, 0)

    def predict(self, samples: Samples) -> np.ndarray:
        if self.model_ is None:
            return np.zeros(len(samples))  # one class only: no opinion on direction
        if not self.classifier_:
            return scores.standardized(_each(self.model_.predict, samples), self.sigma_)
        if hasattr(self.model_, "predict_proba"):
            return scores.direction(_each(self.model_.predict_proba, samples), self.model_.classes_)
        found: np.ndarray = np.sign(_each(self.model_.predict, samples)).astype(np.float64)
        return found

    def importance(self) -> dict[str, float] | None:
        """The estimator's own importances or absolute coefficients, by position, as shares of one; None without."""
        values = getattr(self.model_, "feature_importances_", None)
        if values is None and self.model_ is not None and hasattr(self.model_, "coef_"):
            values = np.abs(np.atleast_2d(self.model_.coef_)).sum(axis=0)
        if values is None:
            return None
        return {str(i): float(v) for i, v in enumerate(values / (values.sum() or 1.0))}

    def save(self, folder: Path) -> None:
        settings = {
            "classifier": self.classifier_, "sigma": self.sigma_, "scale": self.scale, "takes_nan": self.takes_nan,
            "constant": self.model_ is None,
        }  # fmt: skip
        scores.save_settings(folder, "sklearn", settings)
        if self.model_ is not None:
            import skops.io

            write_bytes(folder / "model.skops", skops.io.dumps(self.model_))

    @classmethod
    def load(cls, folder: Path) -> Self:
        settings = scores.load_settings(folder, "sklearn")
        model = cls.__new__(cls)
        model.scale, model.takes_nan = bool(settings["scale"]), bool(settings["takes_nan"])
        model.classifier_, model.sigma_ = bool(settings["classifier"]), float(settings["sigma"])
        model.estimator = model.model_ = None if settings["constant"] else _read(folder / "model.skops")
        return model


def _check_estimator(estimator: Any, where: str = "strategy.estimator") -> None:
    """ConfigError for a parameter that scikit-learn's own constraints refuse, or that memory or time cannot bear."""
    from sklearn.base import BaseEstimator
    from sklearn.utils._param_validation import InvalidParameterError

    if isinstance(estimator, type):
        return
    if not isinstance(estimator, BaseEstimator):
        if type(estimator).__module__ == "sklearn.gaussian_process.kernels":
            _check_kernel(estimator, where)
        return
    constraints = getattr(type(estimator), "_parameter_constraints", {})
    if hasattr(estimator, "_validate_params"):
        try:
            estimator._validate_params()
        except InvalidParameterError as error:
            raise ConfigError(f"{where}: {error}") from error
    signature = inspect.signature(type(estimator)).parameters
    usual = {name: parameter.default for name, parameter in signature.items()}
    for name, value in estimator.get_params(deep=False).items():
        if value is usual.get(name, inspect.Parameter.empty):
            continue  # the library's own, such as NaN
        rules = constraints.get(name, ())
        if isinstance(value, bool) and isinstance(rules, list) and not any(map(_takes_switch, rules)):
            raise ConfigError(f"{where}.{name}={shown(value)}: must be a number, not true or false")
        if isinstance(value, int | float) and not isinstance(value, bool):
            check_value(f"{where}.{name}", value, _MOST.get(name, _LIBRARY if isinstance(value, int) else _FLOATS))
        elif value is None and name in _NEEDED:
            check_value(f"{where}.{name}", value, _MOST[name])
        elif isinstance(value, list | tuple | dict) and isinstance(usual.get(name), int | float):
            raise ConfigError(f"{where}.{name}={shown(value)}: must be one number; the library's is {usual[name]}")
        elif hasattr(value, "get_params"):
            _check_estimator(value, f"{where}.{name}")


def _check_kernel(kernel: Any, where: str) -> None:
    """ConfigError for a parameter of a Gaussian process's kernel, of which scikit-learn checks none."""
    for name, value in kernel.get_params(deep=False).items():
        if hasattr(value, "get_params"):
            _check_kernel(value, f"{where}.{name}")
        elif name == "kernels" or name.endswith("_bounds") or (isinstance(value, str) and name == "metric"):
            continue
        elif name == "length_scale" and isinstance(value, list | tuple) and len(value):
            for one in value:
                check_value(f"{where}.{name}", one, _KERNEL)
        else:
            check_value(f"{where}.{name}", value, _KERNEL)


def _takes_switch(rule: Any) -> bool:
    """Whether one of scikit-learn's constraints admits true and false as such."""
    if isinstance(rule, str):
        return rule in ("boolean", "verbose")
    return rule is bool or any(isinstance(option, bool) for option in getattr(rule, "options", ()))


def _fitted(model: Any, X: np.ndarray, y: np.ndarray, weights: dict[str, Any]) -> Any:
    from sklearn.utils._param_validation import InvalidParameterError

    try:
        return model.fit(X, y, **weights)
    except (InvalidParameterError, OverflowError) as error:
        raise ConfigError(f"strategy.estimator: {error}") from error
    except ValueError as error:
        if "Anisotropic kernel" in str(error):
            raise ConfigError(f"strategy.estimator: {error}; give one length_scale, or one a feature") from error
        if not splitting(model):
            raise
        line = str(error).splitlines()[0][:200]
        raise ConfigError(
            f"strategy.estimator={type(model).__name__}: does not fit on purged folds ({line}); if it needs each row"
            " tested once, set its cv to a number"
        ) from error


def _each(predict: Callable[[np.ndarray], np.ndarray], samples: Samples) -> np.ndarray:
    return np.concatenate([predict(block.X) for block in samples.blocks()])


def _read(path: Path) -> Any:
    """The estimator in `path`; only types of scikit-learn and numpy are ever built."""
    import skops.io

    unknown = skops.io.get_untrusted_types(file=path)
    strange = [name for name in unknown if not name.startswith(_TRUSTED)]
    if strange:
        raise ConfigError(f"{path}: holds {strange[0]}, which is not a scikit-learn or numpy type; it is not loaded")
    return skops.io.load(path, trusted=unknown)
