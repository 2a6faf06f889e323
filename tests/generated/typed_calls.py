# Calls that a type checker must pass, and, on the lines that end in `# rejected`, calls that it must not.
from __future__ import annotations

from pathlib import Path
from typing import assert_type

import httpx

import segmind_client as segmind
from segmind_api.api.jobs import get_job_status, submit_imagen_4
from segmind_api.models import Imagen4FastRequest, Imagen4Request, JobStatus
from segmind_client import (
    AsyncClient,
    AsyncGeneration,
    AsyncJobHandle,
    AsyncResult,
    Client,
    Generation,
    JobHandle,
    Result,
)
from segmind_client.vendor import AsyncJob, ResultDict
from segmind_mock import Double, MovableClock


def sync_calls(client: Client) -> None:
    assert_type(client.run("imagen-4", prompt="x", aspect_ratio="4:3"), Result)
    assert_type(client.submit("imagen", prompt="x", person_generation="DONT_ALLOW"), JobHandle)
    assert_type(client.generate("imagen-4-fast", prompt="x", width=512, guidance_scale=7), Generation)
    assert_type(client.run("imagen-4-ultra", prompt="x", seed=-1).output, str)
    assert_type(client.run_model("some-other-model", {"anything": 1}), Result)
    assert_type(client.run("imagen-4", prompt="x").save("x.png", overwrite=True), Path)
    assert_type(client.generate("imagen-4", prompt="x").content, bytes)
    client.run("imagen-4", prompt="x", aspect="4:3")  # rejected
    client.run("imagen-4", prompt="x", width=512)  # rejected
    client.run("imagen-4", prompt="x", aspect_ratio="2:1")  # rejected
    client.run("imagen-4-fast", prompt="x", width="512")  # rejected
    client.run("imagen-4-fast", prompt="x", steps=7.5)  # rejected
    client.run("imagen-4", aspect_ratio="4:3")  # rejected
    client.run("imagen-four", prompt="x")  # rejected
    client.run(model="imagen-4", prompt="x")  # rejected
    client.submit("imagen", prompt=7)  # rejected
    client.submit("imagen-4-slow", prompt="x")  # rejected
    client.generate("imagen-4-ultra", prompt="x", scheduler="ddim")  # rejected
    client.generate("imagen-4-ultra")  # rejected


async def async_calls(client: AsyncClient) -> None:
    assert_type(await client.run("imagen-4", prompt="x", aspect_ratio="4:3"), AsyncResult)
    assert_type(await client.submit("imagen", prompt="x", person_generation="DONT_ALLOW"), AsyncJobHandle)
    assert_type(await client.generate("imagen-4-fast", prompt="x", width=512), AsyncGeneration)
    assert_type(await client.run_model("some-other-model", {"anything": 1}), AsyncResult)
    assert_type(await (await client.run("imagen-4", prompt="x")).save("x.png", overwrite=True), Path)
    assert_type(await (await client.generate("imagen-4", prompt="x")).content(), bytes)
    await client.run("imagen-4", prompt="x", aspect="4:3")  # rejected
    await client.run("imagen-4", prompt="x", aspect_ratio="2:1")  # rejected
    await client.run("imagen-4-fast", prompt="x", width="512")  # rejected
    await client.run("imagen-4", aspect_ratio="4:3")  # rejected
    await client.run("imagen-four", prompt="x")  # rejected
    await client.submit("imagen", prompt="x", safety_filter_level="BLOCK_NOTHING")  # rejected
    await client.generate("imagen-4-ultra")  # rejected


def vendor_calls() -> None:
    assert_type(segmind.run("imagen-4", prompt="x"), ResultDict)
    assert_type(segmind.run("imagen-4", prompt="x").save("x.png"), Path)
    assert_type(segmind.run_sync("imagen-4", prompt="x"), httpx.Response)
    assert_type(segmind.submit_async("imagen-4", prompt="x"), AsyncJob)
    segmind.submit_async("imagen-4", prompt="x").wait(timeout=3, interval=0.5)
    segmind.run("imagen-4", promt="x")  # rejected
    segmind.run_sync("imagen-4")  # rejected
    segmind.submit_async("imagen-5", prompt="x")  # rejected


def generated_classes(client: httpx.Client) -> None:
    body = Imagen4Request(prompt="x", negative_prompt="y")
    answer = submit_imagen_4.call(client, body)
    if answer.result is not None:
        assert_type(answer.result.request_id, str)
    status = get_job_status.call(client, "an id").result
    if isinstance(status, JobStatus):
        assert_type(status.metrics.cost, float | None)
    Imagen4Request("x")  # rejected
    Imagen4Request(prompt="x", width=512)  # rejected
    Imagen4Request(negative_prompt="y")  # rejected
    Imagen4FastRequest(prompt="x", scheduler="ddim")  # rejected
    body.aspect_ratio = "2:1"  # rejected
    submit_imagen_4.build(Imagen4FastRequest(prompt="x"))  # rejected
    submit_imagen_4.call(httpx.AsyncClient(), body)  # rejected


async def generated_classes_async(client: httpx.AsyncClient) -> None:
    answer = await submit_imagen_4.call_async(client, Imagen4Request(prompt="x"))
    if answer.result is not None:
        assert_type(answer.result.request_id, str)
    await submit_imagen_4.call_async(client, Imagen4FastRequest(prompt="x"))  # rejected
    await get_job_status.call_async(client, 7)  # rejected


def clocks_of_doubles(movable: Double[MovableClock], any_double: Double) -> None:
    assert_type(Double(clock=MovableClock()), Double[MovableClock])
    Client(clock=Double(clock=MovableClock()).clock)
    AsyncClient(clock=movable.clock)
    any_double.clock.advance(hours=1)
    Client(clock=Double().clock)  # rejected
    AsyncClient(clock=any_double.clock)  # rejected
    any_double = Double()
    any_double = movable
