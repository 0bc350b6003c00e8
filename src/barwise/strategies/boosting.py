"""Parameters of XGBoost, LightGBM and CatBoost that one may pass on: their names, ranges, and other names.

A parameter that barwise sets itself would be overwritten or overwrite in silence, and of two names for one parameter
the libraries ignore one: both are errors, as is a name that the library does not know.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from barwise.console.settings import Is, Number, OneOf, Several, Whole, check_value, refuse_other_names, shown
from barwise.errors import ConfigError, require

_SHARE = Number(0.0, 1.0, above=True)
_PART = Number(0.0, 1.0)
_WEIGHT = Number(0.0, 1e9)
_SWITCH = Is((bool,), "true or false")
_SEED = Whole(0, 2**31 - 1)
_CONSTRAINTS = (Is((str, dict), "constraints in the library's own form"), Several(()))

_XGBOOST: dict[str, Any] = {
    "base_score": Number(-1e9, 1e9), "booster": OneOf(("gbtree", "dart")), "colsample_bylevel": _SHARE,
    "colsample_bynode": _SHARE, "colsample_bytree": _SHARE, "gamma": _WEIGHT,
    "grow_policy": OneOf(("depthwise", "lossguide")),
    "interaction_constraints": _CONSTRAINTS, "max_bin": Whole(2, 65_536), "max_cached_hist_node": Whole(1, 10**6),
    "max_delta_step": _WEIGHT, "max_leaves": Whole(0, 65_536), "min_child_weight": _WEIGHT,
    "monotone_constraints": _CONSTRAINTS, "normalize_type": OneOf(("tree", "forest")),
    "num_parallel_tree": Whole(1, 1000),
    "one_drop": (_SWITCH, Whole(0, 1)), "rate_drop": _PART, "reg_alpha": _WEIGHT, "reg_lambda": _WEIGHT,
    "sample_type": OneOf(("uniform", "weighted")), "sampling_method": OneOf(("uniform", "gradient_based")),
    "skip_drop": _PART, "subsample": _SHARE, "verbosity": Whole(0, 3),
}  # fmt: skip
_XGBOOST_SET = {  # set by barwise: whose setting it is
    "device": "device", "eval_metric": "strategy.task", "n_jobs": "threads", "nthread": "threads",
    "num_class": "strategy.task", "random_state": "seed", "seed": "seed",
    "seed_per_iteration": "seed", "tree_method": "device",
}  # fmt: skip
_XGBOOST_ALIASES = {
    "alpha": "reg_alpha", "eta": "learning_rate", "lambda": "reg_lambda", "min_split_loss": "gamma",
    "num_boost_round": "n_estimators", "num_round": "n_estimators",
}  # fmt: skip

_LIGHTGBM: dict[str, Any] = {
    "bagging_fraction": _SHARE, "bagging_freq": Whole(0, 10**6), "bagging_seed": _SEED,
    "bin_construct_sample_cnt": Whole(1),
    "boost_from_average": _SWITCH, "boosting": OneOf(("gbdt", "rf", "dart")), "cegb_penalty_split": _WEIGHT,
    "cegb_tradeoff": _WEIGHT, "data_random_seed": _SEED, "data_sample_strategy": OneOf(("bagging", "goss")),
    "drop_rate": _PART, "drop_seed": _SEED, "early_stopping_min_delta": _WEIGHT, "enable_bundle": _SWITCH,
    "extra_seed": _SEED, "extra_trees": _SWITCH, "feature_fraction": _SHARE,
    "feature_fraction_bynode": _SHARE, "feature_fraction_seed": _SEED, "feature_pre_filter": _SWITCH,
    "interaction_constraints": _CONSTRAINTS, "lambda_l1": _WEIGHT, "lambda_l2": _WEIGHT,
    "max_bin": Whole(2, 65_536), "max_delta_step": _WEIGHT, "max_depth": Whole(-1, 1000), "max_drop": Whole(-1, 10**6),
    "metric": (Is((str,), "a metric's name"), Several(())), "min_data_in_bin": Whole(1, 10**9),
    "min_data_in_leaf": Whole(0, 10**9), "min_gain_to_split": _WEIGHT,
    "min_sum_hessian_in_leaf": _WEIGHT, "monotone_constraints": _CONSTRAINTS,
    "monotone_constraints_method": OneOf(("basic", "intermediate", "advanced")), "monotone_penalty": _WEIGHT,
    "num_grad_quant_bins": Whole(2, 128), "other_rate": _PART, "path_smooth": _WEIGHT,
    "quant_train_renew_leaf": _SWITCH, "skip_drop": _PART, "stochastic_rounding": _SWITCH,
    "top_rate": _PART, "uniform_drop": _SWITCH, "use_missing": _SWITCH, "use_quantized_grad": _SWITCH,
    "xgboost_dart_mode": _SWITCH, "zero_as_missing": _SWITCH,
}  # fmt: skip
_LIGHTGBM_SET = {
    "deterministic": "threads", "device_type": "device", "device": "device", "force_col_wise": "threads",
    "force_row_wise": "threads", "n_jobs": "threads",
    "nthread": "threads", "nthreads": "threads", "num_class": "strategy.task", "num_classes": "strategy.task",
    "num_thread": "threads", "num_threads": "threads", "application": "strategy.task",
    "app": "strategy.task", "loss": "strategy.task", "objective_type": "strategy.task", "random_seed": "seed",
    "random_state": "seed", "seed": "seed", "verbose": "quiet", "verbosity": "quiet",
}  # fmt: skip
_LIGHTGBM_ALIASES = {
    "bagging": "bagging_fraction", "bagging_fraction_seed": "bagging_seed", "boost": "boosting",
    "boosting_type": "boosting", "bundle": "enable_bundle", "colsample_bynode": "feature_fraction_bynode",
    "colsample_bytree": "feature_fraction", "data_seed": "data_random_seed",
    "early_stopping": "early_stopping_rounds", "early_stopping_round": "early_stopping_rounds",
    "eta": "learning_rate",
    "extra_tree": "extra_trees", "is_enable_bundle": "enable_bundle", "l1_regularization": "lambda_l1",
    "l2_regularization": "lambda_l2", "lambda": "lambda_l2", "max_bins": "max_bin", "max_iter": "n_estimators",
    "max_leaf": "num_leaves", "max_leaf_nodes": "num_leaves", "max_leaf_output": "max_delta_step",
    "max_leaves": "num_leaves", "metrics": "metric", "metric_types": "metric", "max_tree_output": "max_delta_step",
    "min_child_samples": "min_data_in_leaf",
    "min_child_weight": "min_sum_hessian_in_leaf", "min_data": "min_data_in_leaf",
    "min_data_per_leaf": "min_data_in_leaf", "min_hessian": "min_sum_hessian_in_leaf",
    "min_samples_leaf": "min_data_in_leaf", "min_split_gain": "min_gain_to_split",
    "min_sum_hessian": "min_sum_hessian_in_leaf", "min_sum_hessian_per_leaf": "min_sum_hessian_in_leaf",
    "monotone_constraint": "monotone_constraints", "monotonic_cst": "monotone_constraints",
    "n_iter": "n_estimators", "n_iter_no_change": "early_stopping_rounds", "nrounds": "n_estimators",
    "num_boost_round": "n_estimators", "num_iteration": "n_estimators", "num_iterations": "n_estimators",
    "num_leaf": "num_leaves", "num_round": "n_estimators", "num_rounds": "n_estimators", "num_tree": "n_estimators",
    "num_trees": "n_estimators", "rate_drop": "drop_rate", "reg_alpha": "lambda_l1", "reg_lambda": "lambda_l2",
    "shrinkage_rate": "learning_rate", "sub_feature": "feature_fraction",
    "sub_feature_bynode": "feature_fraction_bynode", "sub_row": "bagging_fraction", "subsample": "bagging_fraction",
    "subsample_for_bin": "bin_construct_sample_cnt", "subsample_freq": "bagging_freq",
}  # fmt: skip


_CATBOOST: dict[str, Any] = {
    "bagging_temperature": _WEIGHT, "boosting_type": OneOf(("Plain", "Ordered")),
    "bootstrap_type": OneOf(("Bayesian", "Bernoulli", "MVS", "No")), "border_count": Whole(1, 65_535),
    "feature_border_type": OneOf(("GreedyLogSum", "GreedyMinEntropy", "MaxLogSum", "Median", "MinEntropy", "Uniform",
                                  "UniformAndQuantiles")),
    "l2_leaf_reg": _WEIGHT, "leaf_estimation_iterations": Whole(1, 1000),
    "leaf_estimation_method": OneOf(("Newton", "Gradient", "Simple")), "model_shrink_rate": _PART,
    "random_strength": _WEIGHT, "rsm": _SHARE, "score_function": OneOf(("Cosine", "L2")), "subsample": _SHARE,
}  # fmt: skip
_CATBOOST_SET = {
    "allow_writing_files": "barwise", "classes_count": "strategy.task", "custom_loss": "strategy.task",
    "eval_metric": "strategy.task", "logging_level": "quiet", "loss_function": "strategy.task",
    "objective": "strategy.task", "od_type": "strategy.early_stopping_rounds",
    "od_wait": "strategy.early_stopping_rounds", "random_seed": "seed", "random_state": "seed", "silent": "quiet",
    "task_type": "device", "thread_count": "threads", "use_best_model": "strategy.early_stopping_rounds",
    "verbose": "quiet", "verbose_eval": "quiet",
}  # fmt: skip
_CATBOOST_ALIASES = {
    "colsample_bylevel": "rsm", "eta": "learning_rate", "iterations": "n_estimators", "max_bin": "border_count",
    "max_depth": "depth", "num_boost_round": "n_estimators", "num_trees": "n_estimators", "reg_lambda": "l2_leaf_reg",
}  # fmt: skip
_LIBRARIES = {
    "XGBoost": (_XGBOOST, _XGBOOST_SET, _XGBOOST_ALIASES),
    "LightGBM": (_LIGHTGBM, _LIGHTGBM_SET, _LIGHTGBM_ALIASES),
    "CatBoost": (_CATBOOST, _CATBOOST_SET, _CATBOOST_ALIASES),
}

_NEEDS = {  # parameter: without which value of which other it is ignored
    **dict.fromkeys(("normalize_type", "one_drop", "rate_drop", "sample_type"), ("booster", "dart")),
    **dict.fromkeys(("drop_rate", "drop_seed", "max_drop", "uniform_drop", "xgboost_dart_mode"), ("boosting", "dart")),
    "bagging_temperature": ("bootstrap_type", "Bayesian"),
    **dict.fromkeys(("other_rate", "top_rate"), ("data_sample_strategy", "goss")),
    **dict.fromkeys(
        ("num_grad_quant_bins", "quant_train_renew_leaf", "stochastic_rounding"), ("use_quantized_grad", True)
    ),
}


def check_parameters(library: str, given: Mapping[str, Any]) -> None:
    """ConfigError for the first of `given`, keyword arguments for `library`, that has no place or is out of range."""
    known, set_here, aliases = _LIBRARIES[library]
    for name in given:
        require(
            name not in set_here,
            f"strategy.{name}: barwise sets it itself, so it would be overwritten; leave it out,"
            f" {set_here.get(name)} decides",
        )
    refuse_other_names("strategy", given, aliases)
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                f"strategy.{name}: {library} has no such parameter that barwise passes on; {guess}there are"
                f" {', '.join(sorted(known))}"
            )
        other, needed = _NEEDS.get(name, ("", None))
        require(
            not other or given.get(other) == needed,
            f"strategy.{name}: is ignored without strategy.{other}={shown(needed)}; set that too or leave it out",
        )
        if value is not None:
            check_value(f"strategy.{name}", value, known[name] if isinstance(known[name], tuple) else (known[name],))
