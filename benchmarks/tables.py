"""From tables to served models, beside scikit-learn on the same rows.

Four tables: scikit-learn's breast cancer, iris and diabetes (above or below the median), and 4,000
made-up people whose income follows from a known rule, with categories, holes and noise. Each goes
as CSV and as Parquet through `client.datasets.add` of a real service and is trained on with the
preset `table`. scikit-learn's own MLP (of standardized and one-hot columns) and its gradient
boosting have their default settings; all are measured on the test part that the import took.

`python -m benchmarks.tables --write FOLDER` only writes the four as CSV.
"""

import argparse
import csv
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import torch
from scipy.stats import binomtest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier

from app.client import Client
from app.jobspec import DatasetFacts
from app.local import running
from app.settings import Settings
from benchmarks.machine import described_when_idle
from worker.training.dataset import Dataset, TableDescription, load
from worker.training.inputs import Rows

SEEDS = 3
PEOPLE = 4000


class Table(NamedTuple):
    """Column names and rows; the last column is the class."""

    names: list[str]
    rows: list[list[Any]]


def main() -> None:
    """Prints a row for each table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    if (folder := parser.parse_args().write) is not None:
        for name, table in tables().items():
            as_csv(folder / f"{name}.csv", table)
        return
    warnings.simplefilter("ignore")  # scikit-learn's that its MLP has not converged
    print(described_when_idle("torch", "scikit-learn", "duckdb"))
    print(
        "| table | training rows | import, s | training, s | preset `table` (95% interval) "
        "| preset `textbook` | scikit-learn's MLP | gradient boosting | CSV = Parquet |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", port=0)
        with running(settings) as up, Client(up.url) as client:
            for name, table in tables().items():
                print(measured(client, settings, Path(folder), name, table), flush=True)


def measured(client: Client, settings: Settings, folder: Path, name: str, table: Table) -> str:
    """A row: times, accuracies, and whether both files give the same arrays and weights."""
    target: dict[str, Any] = {"table": {"target": table.names[-1]}}
    files = [as_csv(folder / f"{name}.csv", table), as_parquet(folder / f"{name}.parquet", table)]
    digests = set()
    for file in files:
        at = time.monotonic()
        dataset = client.datasets.add(name, file, **target)
        imported = time.monotonic() - at
        jobs = [trained(client, "table", name, seed) for seed in range(SEEDS)]
        weights = client.model(jobs[0][0]["model"])["weights_sha256"]
        digests.add((dataset["facts"]["sha256"], weights))
    accuracies = [job["metrics"]["test_accuracy"] for job, _ in jobs]
    right = round(accuracies[0] * dataset["facts"]["test_images"])
    interval = binomtest(right, dataset["facts"]["test_images"]).proportion_ci(method="wilson")
    textbook = "three classes"
    if dataset["facts"]["classes"] == 2:
        found = [trained(client, "textbook", name, seed)[0] for seed in range(SEEDS)]
        textbook = f"{np.mean([each['metrics']['test_accuracy'] for each in found]):.1%}"
    facts = DatasetFacts.stored(dataset["facts"])
    perceptron, boosting = peers(load(settings.home / "datasets" / dataset["id"], facts))
    seconds = np.mean([seconds for _, seconds in jobs])
    return (
        f"| {name} | {facts.train_images} | {imported:.2f} | {seconds:.2f} "
        f"| {np.mean(accuracies):.1%} ({interval.low:.1%} to {interval.high:.1%}) | {textbook} "
        f"| {perceptron:.1%} "
        f"| {boosting:.1%} | {'yes' if len(digests) == 1 else 'NO'} |"
    )


def trained(client: Client, preset: str, name: str, seed: int) -> tuple[dict[str, Any], float]:
    """A job that has ended, and its seconds from POST to model."""
    at = time.monotonic()
    spec = {"preset": preset, "dataset": {"name": name}, "training": {"seed": seed}}
    job = client.submit(spec)
    while job["status"] in {"queued", "running"}:
        job = client.job(job["id"], wait=30)
    if job["model"] is None:
        raise RuntimeError(f"{job['status']}: {job['failure']}")
    return job, time.monotonic() - at


def peers(dataset: Dataset) -> tuple[float, float]:
    """Test accuracies of scikit-learn's MLP, the mean over its seeds, and gradient boosting."""
    description = dataset.description
    if not isinstance(description, TableDescription):
        raise TypeError("these are no rows")
    see = Rows(description)
    train, test = (np.array(each) for each in (dataset.train_images, dataset.test_images))
    seen, asked = (see(torch.from_numpy(each.copy())).numpy() for each in (train, test))
    networks = [
        MLPClassifier(random_state=seed, max_iter=1000).fit(seen, dataset.train_labels)
        for seed in range(SEEDS)
    ]
    perceptron = np.mean([each.score(asked, dataset.test_labels) for each in networks])
    categorical = [column.is_category for column in description.columns]
    boosting = HistGradientBoostingClassifier(random_state=0, categorical_features=categorical)
    known = np.where((train < 0) & categorical, np.nan, train)
    boosting.fit(known, dataset.train_labels)
    return float(perceptron), float(boosting.score(test, dataset.test_labels))


def tables() -> dict[str, Table]:
    """The four of them."""
    cancer, iris, diabetes = load_breast_cancer(), load_iris(), load_diabetes()
    median = np.median(diabetes.target)
    return {
        "tumours": _of(cancer, cancer.target_names[cancer.target]),
        "iris": _of(iris, iris.target_names[iris.target]),
        "diabetes": _of(diabetes, np.where(diabetes.target > median, "high", "low")),
        "incomes": people(PEOPLE),
    }


def _of(found: Any, labels: Any) -> Table:
    rows = [[*row.tolist(), str(label)] for row, label in zip(found.data, labels, strict=True)]
    return Table([*map(str, found.feature_names), "class"], rows)


def people(count: int) -> Table:
    """The logarithm of the odds of a high income is a sum over columns, one of them a parabola."""
    chance = np.random.default_rng(5)
    jobs = ["clerk", "nurse", "smith", "manager", "farmer", "teacher"]
    schools = ["none", "school", "college", "doctorate"]
    rows = []
    for _ in range(count):
        age, job = int(chance.integers(18, 80)), jobs[chance.integers(6)]
        school = schools[chance.choice(4, p=[0.2, 0.4, 0.3, 0.1])]
        hours = int(np.clip(chance.normal(40, 10), 5, 90))
        gain = float(np.round(np.exp(chance.normal(6, 2)), 2)) if chance.random() < 0.15 else 0.0
        odds = -2.4 + 0.03 * (age - 40) - 0.00075 * (age - 45) ** 2 + 0.03 * (hours - 40)
        odds += 1.1 * schools.index(school) + 2.5 * (gain > 2000)
        odds += {"manager": 1.3, "farmer": -0.8}.get(job, 0.0)
        high = chance.random() < 1 / (1 + np.exp(-2 * odds))
        rows.append(
            [
                None if chance.random() < 0.03 else age,
                None if chance.random() < 0.05 else job,
                school,
                hours,
                gain,
                ">50K" if high else "<=50K",
            ]
        )
    return Table(["age", "job", "education", "hours", "capital gain", "income"], rows)


def as_csv(path: Path, table: Table) -> Path:
    """With a header; nothing stands for what is missing."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([table.names, *table.rows])
    return path


def as_parquet(path: Path, table: Table) -> Path:
    """Numbers as DOUBLE or BIGINT, texts as VARCHAR."""
    kinds = {int: "BIGINT", float: "DOUBLE", str: "VARCHAR"}
    types = [
        kinds[type(next(value for value in values if value is not None))]
        for values in zip(*table.rows, strict=True)
    ]
    columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(table.names, types, strict=True))
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE made ({columns})")
        marks = ", ".join("?" * len(table.names))
        connection.executemany(f"INSERT INTO made VALUES ({marks})", table.rows)  # noqa: S608 (question marks)
        connection.execute(f"COPY made TO '{path}' (FORMAT parquet)")
    return path


if __name__ == "__main__":
    main()
