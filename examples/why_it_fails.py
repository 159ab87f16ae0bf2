"""A run that fails, what the diagnosis says, and the job that it suggests.

python examples/why_it_fails.py
"""

from traind import Client, JobFailed

TOO_FAST = {
    "name": "too fast",
    "dataset": {"name": "digits"},
    "model": {"hidden": [64]},
    "training": {"epochs": 5, "batch_size": 16, "optimizer": {"lr": 100.0}},
}

with Client() as client:
    job = client.train(TOO_FAST)
    try:
        job.wait()
    except JobFailed as failed:  # where the loss is no number any more
        print(failed)
    found = job.diagnosis()
    print(f"verdict: {found.verdict}")
    for change in found.changes:
        print(f"  {change.pointer}: {change.before} -> {change.after}, {change.effect}")

    better = job.retry(apply="suggestion").wait()
    print(f"{better.id}: {better.diagnosis().verdict}")
    for each in better.refresh().answer.chain:
        print(f"  {each.id}: validation accuracy {each.validation_accuracy}")
