"""Model files damaged at random, by a seed: bytes turned, cut, repeated, or numbers and words replaced by odd ones."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
ODD = (b"-1", b"0", b"1", b"2147483647", b"-2147483648", b"99999999999999999999", b"1e999", b"nan", b"NaN", b"x", b"",
       b"1.5", b"null", b"true", b"[]", b"{}", b'"x"', b"3 4", b"\0", b"65536", b"1000000", b"inf")  # fmt: skip


def mutated(raw: bytes, random: Random) -> bytes:
    """One to three damages of one kind each."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        raw = random.choice(KINDS)(raw, random)
    return raw


def repacked(raw: bytes, random: Random) -> bytes:
    """A zip archive whose entries, not its own bytes, are damaged; half of the time only its bytes are."""
    if random.random() < 0.3:
        return mutated(raw, random)
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(raw)) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        victim = random.choice(archive.namelist())
        for name in archive.namelist():
            data = archive.read(name)
            made.writestr(name, mutated(data, random) if name == victim else data)
    return out.getvalue()


def flipped(raw: bytes, random: Random) -> bytes:
    at = random.randrange(max(len(raw), 1))
    return raw[:at] + bytes([random.randrange(256)]) + raw[at + 1 :]


def cut(raw: bytes, random: Random) -> bytes:
    return raw[: random.randrange(len(raw) + 1)]


def without(raw: bytes, random: Random) -> bytes:
    at = random.randrange(len(raw) + 1)
    return raw[:at] + raw[at + random.choice((1, 4, 30, 200)) :]


def twice(raw: bytes, random: Random) -> bytes:
    at, n = random.randrange(len(raw) + 1), random.choice((1, 8, 100))
    return raw[: at + n] + raw[at : at + n] * random.choice((1, 3)) + raw[at + n :]


def other_number(raw: bytes, random: Random) -> bytes:
    found = list(NUMBER.finditer(raw))
    if not found:
        return flipped(raw, random)
    one = random.choice(found)
    return raw[: one.start()] + random.choice(ODD) + raw[one.end() :]


def other_integer(raw: bytes, random: Random) -> bytes:
    """Four bytes that look like a number in binary files."""
    at = random.randrange(max(len(raw) - 4, 1))
    value = random.choice((0, 1, 2, 7, 255, 2**16, 2**31 - 1, 2**32 - 1, 2**30))
    return raw[:at] + value.to_bytes(4, random.choice(("big", "little"))) + raw[at + 4 :]


def swapped(raw: bytes, random: Random) -> bytes:
    """Two lines, or two stretches, change places."""
    a, b = sorted(random.randrange(len(raw) + 1) for _ in range(2))
    n = min(random.choice((4, 40)), b - a)
    return raw[:a] + raw[b : b + n] + raw[a + n : b] + raw[a : a + n] + raw[b + n :]


def zeros(raw: bytes, random: Random) -> bytes:
    at = random.randrange(len(raw) + 1)
    return raw[:at] + b"\0" * random.choice((1, 8, 300)) + raw[at:]


KINDS = (flipped, cut, without, twice, other_number, other_number, other_number, other_integer, swapped, zeros)


# A process of its own runs `main`, so that its peak of memory is its own: -m tests.safety.mutations N SEED FOLDER


def models(folder: Path) -> dict[str, Path]:
    """Small models of every format, by name; the file to damage."""
    from sklearn import ensemble, linear_model

    from barwise.strategies.cat import CatBoostStrategy
    from barwise.strategies.lgbm import LightGBMStrategy
    from barwise.strategies.sequence import SequenceStrategy
    from barwise.strategies.sklearn import SklearnStrategy
    from barwise.strategies.xgb import XGBoostStrategy
    from tests.safety.test_accepted import saved

    made: dict[str, tuple[Any, str]] = {
        "xgboost": (XGBoostStrategy(5), "model.json"),
        "xgboost dart": (XGBoostStrategy(5, booster="dart"), "model.json"),
        "xgboost regression": (XGBoostStrategy(5, task="regress"), "model.json"),
        "lightgbm": (LightGBMStrategy(5), "model.txt"),
        "lightgbm regression": (LightGBMStrategy(5, task="regress"), "model.txt"),
        "catboost": (CatBoostStrategy(5), "catboost.json"),
        "catboost regression": (CatBoostStrategy(5, task="regress"), "catboost.json"),
        "forest": (SklearnStrategy(ensemble.RandomForestClassifier(2, max_depth=4)), "model.skops"),
        "histogram": (SklearnStrategy(ensemble.HistGradientBoostingClassifier(max_iter=2)), "model.skops"),
        "linear": (SklearnStrategy(linear_model.Ridge()), "model.skops"),
        "net": (SequenceStrategy(lookback=3, hidden_size=4, epochs=1), "model.safetensors"),
    }
    found = {}
    for name, (strategy, file) in made.items():
        place = folder / name.replace(" ", "-")
        place.mkdir(parents=True)
        found[name] = saved(strategy, place) / file
    for name in ("xgboost", "xgboost dart"):
        import xgboost

        place = shutil.copytree(found[name].parent, folder / f"{found[name].parent.name}-earlier")
        (place / "model.json").unlink()
        xgboost.Booster(model_file=found[name]).save_model(place / "model.ubj")
        found[f"{name} earlier"] = place / "model.ubj"
    return found


def score_each(given: dict[str, Any]) -> None:
    """In a child: load and score each model as serving does; a crash ends the child."""
    from barwise.errors import BarwiseError
    from barwise.safety.apart import at
    from barwise.serving.model_files import _score_some
    from barwise.strategies.cat import CatBoostStrategy
    from barwise.strategies.lgbm import LightGBMStrategy
    from barwise.strategies.sequence import SequenceStrategy
    from barwise.strategies.sklearn import SklearnStrategy
    from barwise.strategies.xgb import XGBoostStrategy

    kinds = {
        "xgboost": XGBoostStrategy,
        "lightgbm": LightGBMStrategy,
        "catboost": CatBoostStrategy,
        "net": SequenceStrategy,
    }
    for place in map(Path, given["places"]):
        at(place)
        with suppress(BarwiseError):
            _score_some(place, kinds.get(place.name.split("-")[0], SklearnStrategy), 6)


def main(n: int, seed: int, folder: Path) -> None:
    """Damage `n` models, check each here, and load in a child what passed; print what came of it as JSON."""
    import resource

    from barwise.errors import DataError
    from barwise.safety.apart import apart
    from barwise.safety.model import check_model

    files = models(folder / "sound")
    for file in files.values():
        check_model(file.parent, 6)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    passed: list[str] = []
    began, slowest = time.perf_counter(), 0.0
    for i in range(n):
        random = Random(1_000_003 * seed + i)
        file = list(files.values())[i % len(files)]
        raw = file.read_bytes()
        raw = repacked(raw, random) if file.suffix == ".skops" else mutated(raw, random)
        place = folder / f"{file.parent.name}-{i}"
        shutil.copytree(file.parent, place)
        (place / file.name).write_bytes(raw)
        begin = time.perf_counter()
        try:
            check_model(place, 6)
            passed.append(str(place))
        except DataError as error:
            assert len(str(error).splitlines()) == 1 and len(str(error)) < 600, error
            shutil.rmtree(place)
        slowest = max(slowest, time.perf_counter() - begin)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    crashes = []
    libraries = ("xgboost", "lightgbm", "catboost", "skops.io", "sklearn.ensemble", "torch")
    while passed:
        try:
            apart(f"{__spec__.name}:score_each", {"places": passed}, libraries, 0)
            break
        except DataError as error:
            crashes.append(str(error))
            passed = passed[1 + next(i for i, place in enumerate(passed) if str(error).startswith(f"{place}: ")) :]
    print(json.dumps({"refused": n - len(list(folder.glob("*-[0-9]*"))), "crashes": crashes, "grown": grown,
                      "slowest": slowest, "seconds": time.perf_counter() - began}))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
