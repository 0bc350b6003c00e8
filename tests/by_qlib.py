"""In a Python that has pyqlib: its LightGBM and LSTM on the panel in a file, as scores and CPU seconds.

`python by_qlib.py PANEL.parquet OUT.parquet < settings.json`; the file has time, symbol, part, label and the features.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # LGBModel logs to MLflow's files, which today's MLflow refuses

import pandas as pd
import qlib
import torch
from qlib.contrib.model.gbdt import LGBModel
from qlib.contrib.model.pytorch_lstm_ts import LSTM
from qlib.data.dataset import DatasetH, TSDatasetH
from qlib.data.dataset.handler import DataHandlerLP


def handler_of(panel: pd.DataFrame) -> tuple[Any, dict[str, tuple[Any, Any]]]:
    """qlib's handler of the rows, by time and instrument, and the first and last time of each part."""
    at = pd.MultiIndex.from_arrays([panel["time"], panel["symbol"]], names=["datetime", "instrument"])
    names = [name for name in panel.columns if name not in ("time", "symbol", "part", "label")]
    frame = panel[[*names, "label"]].set_axis(
        pd.MultiIndex.from_tuples([*(("feature", name) for name in names), ("label", "label")]), axis=1
    )
    segments = {str(part): (rows.min(), rows.max()) for part, rows in panel.groupby("part")["time"]}
    return DataHandlerLP.from_df(frame.set_index(at).sort_index()), segments


def main(source: str, out: str) -> None:
    torch.set_num_threads(1)
    given, panel = json.load(sys.stdin), pd.read_parquet(source)
    handler, segments = handler_of(panel)
    flat = DatasetH(handler, segments)
    steps = TSDatasetH(step_len=given["lookback"], handler=handler, segments=segments)
    n_features = len(panel.columns) - 4
    scores, seconds = [], {}
    for seed in given["seeds"]:
        models = {
            "lightgbm": (lambda seed=seed: LGBModel(**given["lightgbm"], seed=seed), flat, {"verbose_eval": 0}),
            "lstm": (lambda seed=seed: LSTM(d_feat=n_features, **given["lstm"], n_jobs=0, GPU=-1, seed=seed), steps,
                     {"save_path": "lstm.pt"}),
        }  # fmt: skip
        for name, (made, data, more) in models.items():
            begin = time.process_time()
            model = made()
            model.fit(data, **more)
            found = model.predict(data)
            seconds.setdefault(name, []).append(time.process_time() - begin)
            scores.append(found.rename("score").reset_index().assign(model=name, seed=seed))
    pd.concat(scores).rename(columns={"datetime": "time", "instrument": "symbol"}).to_parquet(out)
    print(json.dumps(seconds))


if __name__ == "__main__":
    source, out = (os.path.abspath(path) for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where qlib leaves its records
        qlib.init(provider_uri=folder, logging_level=40)
        main(source, out)
