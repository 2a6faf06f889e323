"""The pytest plugin, used as a stranger's test suite uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SUITE = """
import urllib.request

import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Settings

KEY = {"x-api-key": DEFAULT_KEY}


@pytest.mark.anyio
async def test_the_fixture_serves_in_process(segmind_double):
    async with httpx.AsyncClient(transport=segmind_double.transport(), base_url="http://double", headers=KEY) as client:
        segmind_double.fail_next("submitImagen4", status=502)
        assert (await client.post("/v2/imagen-4", json={"prompt": "x"})).status_code == 502
        submitted = (await client.post("/v2/imagen-4", json={"prompt": "x"})).json()
        assert len(segmind_double.billed_requests()) == 1
        segmind_double.clock.advance(hours=1)
        assert (await client.get(submitted["status_url"])).status_code == 404


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("round", [1, 2])
def test_the_fixture_serves_on_a_port_and_is_reset_between_tests(segmind_double, segmind_double_url, round):
    assert segmind_double.requests() == []
    response = httpx.post(f"{segmind_double_url}/v1/imagen", json={"prompt": "x"}, headers=KEY)
    assert response.headers["x-remaining-credits"] == "99.940000"


class TestOtherSettings:
    @pytest.fixture
    def segmind_double_settings(self):
        return Settings(strict=True)

    def test_a_fixture_of_the_suite_changes_the_settings(self, segmind_double_url):
        response = httpx.post(f"{segmind_double_url}/v1/imagen", json={"prompt": "x", "promt": "x"}, headers=KEY)
        assert response.status_code == 400


def test_the_double_is_called_without_any_client_library(segmind_double_url):
    request = urllib.request.Request(f"{segmind_double_url}/v1/get-user-credits", headers=KEY)
    with urllib.request.urlopen(request, timeout=5) as response:
        assert response.status == 200
"""


def test_a_suite_that_imports_nothing_gets_its_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_suite.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "5 passed" in run.stdout


def test_a_suite_without_the_extra_is_told_what_to_install(tmp_path: Path) -> None:
    suite = "def test_one(segmind_double): pass\ndef test_other(segmind_double_url): pass\n"
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError('none', name='starlette')", encoding="utf-8")
    (tmp_path / "test_suite.py").write_text(suite, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_suite.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    hint = "starlette is missing; install it with: pip install 'segmind-openapi[mock]'"
    assert hint in run.stdout
    assert "2 errors" in run.stdout
    assert "Traceback" not in run.stdout
    assert "import_module" not in run.stdout


def test_a_suite_that_does_not_use_it_does_not_import_the_server() -> None:
    program = "import sys, segmind_mock.pytest_plugin; print({'starlette', 'uvicorn', 'orjson'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
