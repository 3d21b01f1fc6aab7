"""Rows and tables made by hand, for every question that is asked of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segattr_lib.inference.comparison import compare


def sample_rows(
    values: dict[tuple[str, int, str], dict[str, float]], metric: str = "tdd", k: float | None = 0.2
) -> list:
    """Rows of (model, seed, image) to {method: value}; a NaN is undefined, {} a lost sample; `score` the model's."""
    rows = []
    for (model, seed, image), by_method in values.items():
        about = {"run_id": f"{model}{seed}", "dataset": "d", "model": model, "seed": seed, "sample_id": image}
        if not by_method:
            rows.append({**about, "status": "failed"})
        for key, value in by_method.items():
            method, _, variant = key.rstrip(")").partition("(")
            row = {**about, "metric": metric, "method": method, "variant": variant, "k": k, "fill": "mean"}
            if method == "score":
                row = {**about, "metric": "score"}
            rows.append({**row, "value": value, "status": "undefined" if value != value else "ok"})
    return rows


def two_model_samples() -> pd.DataFrame:
    """Images a to d under models m and n; a under two seeds of m, b undefined once, c lost, d of low score in n."""
    return pd.DataFrame(
        sample_rows(
            {
                ("m", 0, "a"): {"score": 0.9, "ria": 0.1, "ria(grid=7)": 0.5, "ega": 0.2},
                ("m", 1, "a"): {"score": 0.9, "ria": 0.3, "ria(grid=7)": 0.7, "ega": 0.2},
                ("n", 0, "a"): {"score": 0.8, "ria": 0.8, "ria(grid=7)": 0.0, "ega": 0.5},
                ("m", 0, "b"): {"score": 0.7, "ria": np.nan, "ria(grid=7)": 0.1, "ega": 0.1},
                ("n", 0, "b"): {"score": 0.7, "ria": 0.2, "ria(grid=7)": 0.3, "ega": 0.2},
                ("m", 0, "c"): {},
                ("n", 0, "c"): {},
                ("m", 0, "d"): {"score": 0.3, "ria": 0.4, "ria(grid=7)": 0.4, "ega": 0.4},
                ("n", 0, "d"): {"score": 0.1, "ria": 9.0, "ria(grid=7)": 9.0, "ega": 9.0},
            }
        )
    )


def compared(differences, metric: str = "tdd", **options) -> pd.Series:
    """What compare says of two methods that differ by this."""
    table = pd.DataFrame({"dea": differences, "ega": 0.0}, dtype=float)
    return compare(table, [("dea", "ega")], metric, **options).loc[0]


def graded(n: int = 20, methods: tuple[str, ...] = ("gpa", "ega", "ria", "dea"), seed: int = 3) -> pd.DataFrame:
    """Methods that share the images' difficulty; each a little better than the one before."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=(n, len(methods))) + 0.2 * np.arange(len(methods))
    return pd.DataFrame(values, columns=list(methods), index=[f"image {i}" for i in range(n)])


def ways_like(n: int, seed: int = 0, lead: float = 0.0, ways: int = 10) -> pd.DataFrame:
    """Ways that share the images' difficulty and are equal but for the first, which leads."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 1)) + rng.normal(size=(n, ways))
    values[:, 0] += lead
    return pd.DataFrame(values, columns=[f"way{place}" for place in range(ways)])
