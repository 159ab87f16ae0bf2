"""`traind mcp` over stdio: the SDK's own client, a real service, a real worker."""

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from typer.testing import CliRunner

from app.address import free_port
from app.cli import agents as command
from app.cli import app
from app.cli.exit_codes import ERROR
from app.local import Service
from app.mcp.waiting import MAX_SECONDS
from tests.diagnosed import diagnosis, finding
from tests.service.agents import TRAIND, called, over_stdio, refused, text_of, using
from tests.service.conftest import Api
from tests.service.test_diagnosis_api import diverge, start
from tests.waiting import HANG_SECONDS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text()
CALLER = {"name": "test", "version": "1"}
GREETING = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": CALLER}
ASKED = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": GREETING}
TOO_FAST = {
    "dataset": {"name": "digits"},
    "training": {"epochs": 4, "batch_size": 16, "log_every": 50, "optimizer": {"lr": 100.0}},
}


async def at_its_end(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job as wait_for_job tells it, called until it has ended."""
    for _ in range(int(HANG_SECONDS / MAX_SECONDS) + 1):
        job = await called(client, "wait_for_job", job=job["id"], seconds=MAX_SECONDS)
        if job["status"] not in ("queued", "running"):
            return job
    raise AssertionError(job)


def test_an_agent_trains_is_told_what_is_wrong_mends_it_promotes_and_predicts(
    service: Service,
) -> None:
    async def work(agent: Client) -> None:
        plan = await called(agent, "validate_job", spec=TOO_FAST)
        assert plan["steps"] == 4 * plan["steps_per_epoch"]
        bad = await at_its_end(agent, await called(agent, "submit_job", spec=TOO_FAST))
        assert bad["status"] == "failed"
        assert "diagnose_job" in bad["next"]

        found = await called(agent, "diagnose_job", job=bad["id"])
        assert found["verdict"] == found["findings"][0]["code"] == "learning_rate_too_high"
        (change,) = found["suggestion"]
        assert change["field"] == "/training/optimizer/lr"
        assert change["after"] < change["before"] == 100.0
        curves = await called(agent, "show_curves", job=bad["id"], names=["running_loss"])
        assert [curve["name"] for curve in curves["curves"]] == ["running_loss"]

        mended = await called(agent, "apply_suggestion", job=bad["id"])
        assert mended["retry_of"] == bad["id"]
        good = await at_its_end(agent, mended)
        assert good["status"] == "succeeded"
        assert good["test_accuracy"] > 0.8
        assert (await called(agent, "list_jobs"))["jobs"][0]["id"] == good["id"]

        promoted = await called(agent, "promote_model", model=good["model"])
        assert promoted == {"name": "production", "model": good["model"]}
        blank = await called(agent, "predict", inputs=[[0] * 64, [16] * 64])
        assert blank["model"] == good["model"]
        assert len(blank["predictions"]) == 2
        assert blank["predictions"][0]["warnings"][0].startswith("blank: ")
        same = await called(agent, "compare_models", a="production", b="latest")
        assert same["p_value"] == 1
        card = await agent.read_resource("traind://models/production/card")
        assert good["model"] in card.contents[0].text  # type: ignore[union-attr]

    using(over_stdio(service.url), work)


def test_an_agent_brings_a_table_and_trains_on_it(service: Service) -> None:
    rows = [f"{size},{'large' if size > 50 else 'small'}" for size in (3.5, 97.5, 20.5, 71.0) * 30]

    async def work(agent: Client) -> None:
        table = "\n".join(["size,name", *rows])
        made = await called(agent, "add_table", name="sizes", csv=table, target="name")
        assert (made["status"], made["classes"]) == ("ready", 2)
        assert (await called(agent, "list_datasets"))["datasets"][0] == made
        report = await agent.read_resource("traind://datasets/sizes/report")
        assert json.loads(report.contents[0].text)  # type: ignore[union-attr]
        spec = {"preset": "table", "dataset": {"name": "sizes"}, "training": {"epochs": 2}}
        job = await at_its_end(agent, await called(agent, "submit_job", spec=spec))
        shown = await called(agent, "show_model", model=job["model"])
        assert "size (number)" in shown["takes"]
        answer = await called(agent, "predict", inputs=[{"size": 80}], model=job["model"])
        assert answer["predictions"][0]["label"] in ("large", "small")
        without = "a,b\n1,2\n"
        assert (
            "target"
            in (await called(agent, "add_table", name="no", csv=without, target="c"))["refusal"]
        )

    using(over_stdio(service.url), work)


def test_a_refusal_names_each_field_and_stores_nothing(api: Api) -> None:
    before = api.rows()

    async def work(agent: Client) -> str:
        wrong = {"training": {"epochs": "many", "optimizer": {"lr": -1}}}
        told = await refused(agent, "validate_job", spec=wrong)
        assert await refused(agent, "submit_job", spec=wrong) == told.replace("validate", "submit")
        return told

    told = using(over_stdio(api.service.url), work)
    assert "\n  /training/epochs: must be a whole number\n" in told
    assert "\n  /training/optimizer/lr: must be above 0\n" in told
    assert "Traceback" not in told
    assert api.rows() == before


def test_a_wait_ends_in_time_tells_progress_and_says_how_to_go_on(api: Api) -> None:
    job = api.submit()
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, total, message))

    async def work(agent: Client) -> None:
        waited = await called(agent, "wait_for_job", job=job, seconds=0.1)
        assert waited["status"] == "queued"
        assert waited["next"] == "No worker is alive, so that it waits: `traind worker` starts one."
        api.start(job)
        asked = {"job": job, "seconds": 0.1}
        result = await agent.call_tool("wait_for_job", asked, progress_callback=hear)
        assert "Call wait_for_job (again)" in text_of(result)
        too_long = await refused(agent, "wait_for_job", job=job, seconds=3600)
        assert "less than or equal to 50" in too_long

    using(over_stdio(api.service.url), work)
    assert heard[0] == (0, 100, "running")


def test_jobs_are_listed_by_their_dataset(api: Api) -> None:
    mnist, digits = api.submit(), api.submit({"dataset": {"name": "digits"}})

    async def work(agent: Client) -> None:
        for dataset, job in (("mnist", mnist), ("digits", digits)):
            found = await called(agent, "list_jobs", dataset=dataset)
            assert found["jobs"][0]["id"] == job
            assert {each["dataset"] for each in found["jobs"]} == {dataset}
        assert (await called(agent, "list_jobs", dataset="digits@9"))["jobs"] == []

    using(over_stdio(api.service.url), work)


def test_answers_are_small(api: Api) -> None:
    jobs = [diverge(api, start(api), diagnosis(finding())) for _ in range(3)]

    async def work(agent: Client) -> None:
        listed = await agent.call_tool("list_jobs", {"limit": 3})
        assert [job["id"] for job in listed.structured_content["jobs"]] == jobs[::-1]  # type: ignore[index]
        assert listed.structured_content["more"]  # type: ignore[index]
        assert len(text_of(listed)) < 3 * 300
        found = await agent.call_tool("diagnose_job", {"job": jobs[0]})
        assert len(text_of(found)) < 2000
        report = await agent.read_resource(f"traind://jobs/{jobs[0]}/report")
        assert "data:image" not in report.contents[0].text  # type: ignore[union-attr]
        read = {}
        for name in ("spec-schema", "presets", "findings"):
            content = (await agent.read_resource(f"traind://{name}")).contents[0]
            read[name] = json.loads(content.text)  # type: ignore[union-attr]
        assert "digits" in [preset["name"] for preset in read["presets"]]
        with pytest.raises(MCPError, match="There is no model 'nothing'"):
            await agent.read_resource("traind://models/nothing/card")

    using(over_stdio(api.service.url), work)


def test_the_document_lists_what_the_server_has(api: Api) -> None:
    async def work(agent: Client) -> list[str]:
        tools = (await agent.list_tools()).tools
        for tool in tools:
            scope = re.search(rf"^\| `{tool.name}` \|.*\| (\w+) \|$", DOCUMENT, re.MULTILINE)
            assert scope, tool.name
            assert tool.annotations
            assert tool.annotations.read_only_hint is (scope[1] != "write"), tool.name
            assert tool.output_schema
            assert tool.description
            for name, about in tool.input_schema["properties"].items():
                assert about.get("description"), (tool.name, name)
        static = (await agent.list_resources()).resources
        templates = (await agent.list_resource_templates()).resource_templates
        prompts = (await agent.list_prompts()).prompts
        return [
            *(each.name for each in (*tools, *prompts)),
            *(str(each.uri) for each in static),
            *(each.uri_template for each in templates),
        ]

    has = using(over_stdio(api.service.url), work)
    assert re.findall(r"^\| `([^`]+)` \|", DOCUMENT, re.MULTILINE) == sorted(
        has, key=lambda name: DOCUMENT.index(f"| `{name}` |")
    )


def test_a_person_can_start_with_a_prompt(api: Api) -> None:
    async def work(agent: Client) -> str:
        prompt = await agent.get_prompt("mend_my_run", {"job": "job_1"})
        return prompt.messages[0].content.text  # type: ignore[union-attr]

    assert "Job job_1 of traind" in using(over_stdio(api.service.url), work)


def test_a_service_that_does_not_run_is_told_by_each_tool() -> None:
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"

    async def work(agent: Client) -> str:
        return await refused(agent, "list_jobs")

    told = using(over_stdio(url), work)
    assert told.endswith(
        f"No traind answers at {url} (Connection refused); `traind serve` starts one."
    )


def test_nothing_but_messages_is_written_to_standard_output(api: Api) -> None:
    calls = [
        ("initialize", GREETING),
        ("tools/list", {}),
        ("tools/call", {"name": "list_jobs", "arguments": {}}),
        ("tools/call", {"name": "show_job", "arguments": {"job": "job_nowhere"}}),
        ("nonsense", {}),
    ]
    messages = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        for number, (method, params) in enumerate(calls)
    ]
    messages.insert(1, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    with subprocess.Popen(
        [str(TRAIND), "mcp", "--url", api.service.url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert process.stderr
        answers = []
        for message in messages:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
            if "id" in message:
                answers.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.stdout.read() == ""
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0
    assert [answer["id"] for answer in answers] == [0, 1, 2, 3, 4]
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)


def test_ctrl_c_ends_the_command_while_it_waits_for_the_agent(api: Api) -> None:
    with subprocess.Popen(
        [str(TRAIND), "mcp", "--url", api.service.url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(ASKED) + "\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG_SECONDS) == -signal.SIGINT


def test_without_the_extra_the_command_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    done = CliRunner().invoke(app, ["mcp"])
    assert done.exit_code == ERROR
    assert "pip install 'traind[mcp]'" in done.output
