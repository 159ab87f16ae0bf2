"""What a run's words about its health become in the store."""

from tests.diagnosed import diagnosis, finding
from worker import relay
from worker.messages import Diagnosed, Log


def test_the_newest_diagnosis_stays_and_each_new_finding_is_an_event() -> None:
    high = finding()
    dead = finding("dead_relus", "warning", symptom_of="learning_rate_too_high")
    first, second = diagnosis(high, final=False), diagnosis(high, dead)
    written = relay.update([Diagnosed(first, [high]), Log("between"), Diagnosed(second, [dead])])
    assert written.diagnosis == second
    found, between, follows = written.events
    assert (found.kind, between.kind, follows.kind) == ("finding", "log", "finding")
    assert found.message == f"learning rate too high (critical): {high['explanation']}"
    assert follows.data["symptom_of"] == "learning_rate_too_high"
    assert found.data["evidence"] == high["evidence"]
    assert not {"explanation", "advice", "changes"} & set(found.data)


def test_without_a_word_about_it_the_diagnosis_stays_as_it_is() -> None:
    assert relay.update([Log("a line")]).diagnosis is None
