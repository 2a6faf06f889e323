"""What the contract says of jobs, in public vocabularies: an Overlay and an Arazzo document."""

from __future__ import annotations

from typing import Any, TypeAlias

from generator.contract import Contract, GenerationError, Node, pointer

Operations: TypeAlias = dict[str, list[tuple[str, str, Node]]]
"""By role: path, method and operation."""


def vocabularies_overlay(contract: Contract) -> dict[str, Any]:
    """Polling and retries, as Speakeasy and Fern name them.

    Nothing says that an operation has no pages: an operation without an extension for pagination has none.
    """
    actions: list[dict[str, Any]] = []
    for path, method, operation in contract.operations():
        # Where a POST's connection is lost, the call may have been accepted, and a retry is paid for again.
        paid = method == "POST"
        update: dict[str, Any] = {
            "x-speakeasy-retries": {
                "strategy": "backoff",
                "statusCodes": ["429"] if paid else ["429", "5XX"],
                "retryConnectionErrors": not paid,
            }
        }
        if paid:
            update["x-fern-retries"] = {"disabled": True}
        if "x-polling" in operation:
            update["x-speakeasy-polling"] = [speakeasy_polling(contract, operation)]
        actions.append({"target": f"$.paths['{path}'].{method.lower()}", "update": update})
    info = contract.document["info"]
    return {
        "overlay": "1.0.0",
        "info": {"title": f"{info['title']}: polling and retries in public vocabularies", "version": info["version"]},
        "actions": actions,
    }


def speakeasy_polling(contract: Contract, status: Node) -> dict[str, Any]:
    name, value = completed_state(contract)
    polling = status["x-polling"]
    return {
        "name": "WaitForCompletion",
        "intervalSeconds": polling["interval-seconds"],
        "limitCount": polls(polling),
        "successCriteria": [
            {"condition": "$statusCode == 200"},
            {"condition": f'$response.body#/{name} == "{value}"'},
        ],
        "failureCriteria": failed_status(contract, status),
    }


def arazzo_document(contract: Contract) -> dict[str, Any]:
    """A workflow for each model under v2 (submit, poll, result), and one under v1."""
    roles: Operations = {}
    for found in contract.operations():
        roles.setdefault(found[2]["x-role"], []).append(found)
    info = contract.document["info"]
    return {
        "arazzo": "1.0.1",
        "info": {"title": f"{info['title']}: workflows", "version": info["version"]},
        "sourceDescriptions": [{"name": "segmind", "url": "segmind.json", "type": "openapi"}],
        "workflows": [
            *(workflow(contract, it, job_steps(contract, roles, it)) for _, _, it in roles.get("submit", ())),
            *(workflow(contract, it, [paid_step(contract, it)]) for _, _, it in roles.get("generate", ())),
        ],
    }


def workflow(contract: Contract, operation: Node, steps: list[dict[str, Any]]) -> dict[str, Any]:
    (scheme,) = contract.document["components"]["securitySchemes"].values()
    return {
        "workflowId": operation["operationId"],
        "summary": operation["summary"],
        "inputs": {
            "type": "object",
            "required": ["key"],
            "properties": {"key": {"description": "The account's key.", "type": "string"}},
        },
        "parameters": [{"in": scheme["in"], "name": scheme["name"], "value": "$inputs.key"}],
        "steps": steps,
    }


def job_steps(contract: Contract, roles: Operations, submit: Node) -> list[dict[str, Any]]:
    ((_, _, status),) = roles["status"]
    ((_, _, result),) = roles["result"]
    name, value = completed_state(contract)
    polling = status["x-polling"]
    (output,) = job_id_outputs(contract, submit)
    job = [{"in": "path", "name": output, "value": f"$steps.{submit['operationId']}.outputs.{output}"}]
    return [
        {**paid_step(contract, submit), "outputs": {output: f"$response.body#/{output}"}},
        {
            "stepId": status["operationId"],
            "operationId": status["operationId"],
            "parameters": job,
            "successCriteria": [
                {"condition": "$statusCode == 200"},
                {"condition": f"$response.body#/{name} == '{value}'"},
            ],
            "onFailure": [
                *(
                    {"name": "failed", "type": "end", "criteria": [condition]}
                    for condition in failed_status(contract, status)
                ),
                {
                    "name": "poll-again",
                    "type": "retry",
                    "retryAfter": polling["interval-seconds"],
                    "retryLimit": polls(polling),
                    "criteria": [{"condition": "$statusCode == 200"}],
                },
            ],
        },
        {
            "stepId": result["operationId"],
            "operationId": result["operationId"],
            "parameters": job,
            "successCriteria": [{"condition": "$statusCode == 200"}],
        },
    ]


def paid_step(contract: Contract, operation: Node) -> dict[str, Any]:
    body = contract.resolve(operation["requestBody"], "")[0]
    ((media_type, media),) = body["content"].items()
    example, *_ = media["examples"].values()
    return {
        "stepId": operation["operationId"],
        "operationId": operation["operationId"],
        "requestBody": {"contentType": media_type, "payload": example["value"]},
        "successCriteria": [{"condition": "$statusCode == 200"}],
    }


def job_id_outputs(contract: Contract, submit: Node) -> set[str]:
    """The parameters that the links of a submit give to the operations about its job."""
    response = contract.resolve(submit["responses"]["200"], "")[0]
    links = [contract.resolve(link, "")[0] for link in response["links"].values()]
    return {name for link in links for name in link["parameters"]}


def completed_state(contract: Contract) -> tuple[str, str]:
    """The property of a job's result that has one value only, and that value."""
    for path, _, operation in contract.operations():
        if operation["x-role"] == "result":
            if state := state_of(contract, operation["responses"]["200"]):
                return state
            raise GenerationError(pointer("paths", path), "its 200 has no property with a const: the completed state")
    raise GenerationError("#/paths", "no operation has the role result")


def failed_status(contract: Contract, status: Node) -> list[dict[str, str]]:
    """The condition that a job has failed: the status of the error that has a job's state in it, if there is one."""
    failed = [it for it, response in status["responses"].items() if it != "200" and state_of(contract, response)]
    return [{"condition": f"$statusCode == {it}"} for it in failed[:1]]


def state_of(contract: Contract, response: Node) -> tuple[str, str] | None:
    content = contract.resolve(response, "")[0].get("content", {})
    schema = contract.resolve(content.get("application/json", {}).get("schema", {}), "")[0]
    return next(((name, it["const"]) for name, it in schema.get("properties", {}).items() if "const" in it), None)


def polls(polling: Node) -> int:
    return int(polling["deadline-seconds"] / polling["interval-seconds"])
