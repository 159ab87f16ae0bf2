"""`traind jobs`, `show` and `diff` against a real API."""

from typing import Any
from uuid import uuid4

from sqlalchemy import update

from app.cli.spec_fields import differences
from app.store import tables
from tests import runs
from tests.diagnosed import HEALTHY, diagnosis
from tests.service.commands import documents, ended, refusal, rows, traind
from tests.service.conftest import Api
from tests.service.test_diagnosis_api import diverge, start, succeed

PROGRESS = {"epoch": 3, "epochs": 10, "step": 250, "steps": 1000, "samples_per_second": 1234.5}


def facts(api: Api, job: str) -> dict[str, str]:
    """What `show` says, by name."""
    shown = rows(api, "show", job)
    assert all(len(line) == 2 for line in shown), shown
    assert len({name for name, _ in shown}) == len(shown)
    return dict(map(tuple, shown))


def test_a_list_is_filtered_by_state_labels_and_dataset(api: Api) -> None:
    team = uuid4().hex
    both = {"labels": {"team": team, "kind": "a"}, "dataset": {"name": "digits"}}
    waiting, done = api.submit(both), api.submit({"labels": {"team": team}})
    traind(api, "cancel", done)
    mine = ["jobs", "--label", f"team={team}"]
    assert [line[0] for line in rows(api, *mine)] == [done, waiting]
    assert [line[0] for line in rows(api, *mine, "--label", "kind=a")] == [waiting]
    assert [line[0] for line in rows(api, *mine, "--dataset", "digits")] == [waiting]
    assert [line[0] for line in rows(api, *mine, "--status", "cancelled")] == [done]
    assert [job["id"] for job in documents(api, *mine, "--status", "queued,cancelled")] == [
        done,
        waiting,
    ]
    several = ["--status", "queued", "--status", "cancelled"]
    assert len(documents(api, *mine, *several)) == 2
    assert "status" in refusal(api, *mine, "--status", "lost")


def test_a_list_has_as_many_as_asked_for_over_all_pages(api: Api) -> None:
    team = uuid4().hex
    made = [api.submit({"labels": {"team": team}}) for _ in range(203)]
    made.reverse()
    mine = ["jobs", "--label", f"team={team}"]
    assert [line[0] for line in rows(api, *mine)] == made[:20]
    assert [line[0] for line in rows(api, *mine, "--limit", "3")] == made[:3]
    assert [line[0] for line in rows(api, *mine, "--limit", "150")] == made[:150]
    assert [line[0] for line in rows(api, *mine, "--all")] == made
    for job in made:
        api.http.post(f"/jobs/{job}/cancel")


def test_a_running_job_shows_where_it_is_and_what_is_not_the_default(api: Api) -> None:
    spec = {
        "name": "[red]mine\n",
        "labels": {"team": "vision"},
        "dataset": {"name": "digits"},
        "training": {"optimizer": {"lr": 0.5}, "schedule": {"name": "cosine"}},
    }
    lease = api.start(api.submit(spec))
    with api.database.write() as connection:
        runs.record(connection, lease, progress=PROGRESS | {"eta_seconds": 42.4})
    shown = facts(api, lease.job_id)
    assert shown["name"] == "[red]mine\\n"
    assert shown["status"] == "running"
    assert shown["label team"] == "vision"
    assert shown["progress"] == "epoch 3/10, 25%, 1,234 examples a second, 42 s left"
    assert shown["training.optimizer.lr"] == "0.5"
    assert shown["dataset.name"] == '"digits"'
    assert shown["training.schedule.name"] == '"cosine"'
    assert "training.schedule.every" not in shown  # null, and the default has no schedule
    assert "training.epochs" not in shown
    assert not any(name.startswith("dataset.facts") for name in shown)
    assert documents(api, "show", lease.job_id) == [api.http.get(f"/jobs/{lease.job_id}").json()]
    with api.database.write() as connection:
        runs.cancel(connection, lease)  # others measure how fast the running ones are


def test_a_field_that_an_old_job_lacks_is_no_difference(api: Api) -> None:
    job = api.submit()
    spec = api.http.get(f"/jobs/{job}").json()["spec"]
    del spec["diagnosis"]
    with api.database.write() as connection:
        connection.execute(update(tables.jobs).where(tables.jobs.c.id == job).values(spec=spec))
    assert "diagnosis" not in {name for name, value in rows(api, "show", job) if not value}


def test_an_ended_job_shows_why_and_what_came_of_it(api: Api) -> None:
    failed = diverge(api, start(api))
    shown = facts(api, failed)
    assert shown["failure"] == "m (diverged)"
    assert shown["advice"] == "a"
    assert "model" not in shown
    again = ended(api, "retry", failed, code=0).stdout.strip()
    assert facts(api, again)["retry of"] == failed
    lease = start(api)
    succeed(api, lease, diagnosis(HEALTHY), 0.9)
    job = api.http.get(f"/jobs/{lease.job_id}").json()
    shown = facts(api, lease.job_id)
    assert (shown["diagnosis"], shown["model"]) == ("healthy", job["model"])
    assert shown["test_accuracy"] == "0.9"


def test_two_jobs_differ_in_these_fields(api: Api) -> None:
    first, second = start(api), api.submit({"training": {"optimizer": {"lr": 0.25}, "epochs": 3}})
    succeed(api, first, diagnosis(HEALTHY), 0.9)
    spec = api.http.get(f"/jobs/{first.job_id}").json()["spec"]
    shown = rows(api, "diff", first.job_id, second)
    lr = spec["training"]["optimizer"]["lr"]
    assert ["training.optimizer.lr", str(lr), "0.25"] in shown
    assert ["training.epochs", str(spec["training"]["epochs"]), "3"] in shown
    assert ["status", "succeeded", "queued"] in shown
    assert ["test_accuracy", "0.9", ""] in shown
    assert not any(line[1] == line[2] for line in shown)
    (told,) = documents(api, "diff", first.job_id, second)
    assert told["jobs"] == [first.job_id, second]
    assert told["spec"]["training.epochs"] == [spec["training"]["epochs"], 3]
    assert told["spec"]["training.optimizer.lr"] == [lr, 0.25]
    assert told["metrics"]["test_accuracy"] == [0.9, None]
    assert "There is no job" in refusal(api, "diff", first.job_id, "job_x")


def test_differences_of_sections_that_only_one_has() -> None:
    def spec(**sections: Any) -> dict[str, Any]:
        return {"dataset": {"name": "a", "facts": {"classes": len(sections)}}, **sections}

    a = spec(schedule=None, hidden=[1], labels={}, other={})
    b = spec(schedule={"name": "cosine", "warmup": 0}, hidden=[1, 2], labels={"team": "x"}, more=1)
    assert differences(a, b) == [
        ("hidden", "[1]", "[1, 2]"),
        ("other", "{}", ""),
        ("schedule.name", "", '"cosine"'),
        ("schedule.warmup", "", "0"),
        ("labels.team", "", '"x"'),
        ("more", "", "1"),
    ]
    assert {(path, y, x) for path, x, y in differences(b, a)} == set(differences(a, b))
    assert differences(b, b) == []
