"""Holds generated request classes, and the double, against jsonschema.

As a program, for long: `python -m tests.generated.differential --contracts 200 --seed 1`; without a seed, one is drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, Phase, Verbosity, assume, given, seed, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from generator.contract import Contract, GenerationError, checked_contract, is_list, is_mapping, load_contract
from generator.grammar import python_pattern
from generator.python import write_python_package
from generator.views import Views
from segmind_mock.contract import Contract as ContractOfDouble
from tests.conftest import ROOT
from tests.generated.drawn_contracts import WILD, Facts, contracts, values

VALUES_OF_A_MODEL = 25
FORMATS = FormatChecker(formats=())


@FORMATS.checks("byte", raises=ValueError)
def is_base64(value: object) -> bool:
    # Raises ValueError.
    return not isinstance(value, str) or b64decode(value, validate=True) == b64decode(value)


for _name in ("uri", "uuid", "date-time"):
    _validator = jsonschema_rs.Draft202012Validator({"format": _name}, validate_formats=True)
    FORMATS.checks(_name)(_validator.is_valid)


def compare(folder: Path, shipped: Facts, *, contracts_count: int, seed_value: int) -> int:
    """Draws contracts and values for them; returns how many values. Raises AssertionError for a difference."""
    sys.path.insert(0, str(folder))
    numbers, compared = count(), count()

    @seed(seed_value)
    @settings(
        max_examples=contracts_count,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(st.data())
    def draw_and_compare(data: st.DataObject) -> None:
        document = data.draw(contracts(shipped))
        assume(is_possible(document))
        package = folder / f"drawn_{seed_value}_{next(numbers)}" / "segmind_api"
        package.parent.mkdir()
        write_python_package(Views(checked_contract(document)), package)
        for _ in compare_package(f"{package.parent.name}.segmind_api", document, data):
            next(compared)

    try:
        draw_and_compare()
    finally:
        sys.path.remove(str(folder))
    return next(compared)


def is_possible(document: Facts) -> bool:
    """Whether a drawn contract is one that is to be generated: it has no names that collide and no empty enum."""
    try:
        Views(Contract(document))
    except GenerationError as error:
        if "both get the Python name" not in str(error) and "no value is allowed" not in str(error):
            raise
        return False
    return True


def compare_package(package: str, document: Facts, data: st.DataObject) -> Iterator[None]:
    models = import_module(f"{package}.catalog").MODELS
    refusal: type[Exception] = import_module(f"{package}.errors").InvalidParameter
    double = ContractOfDouble(json.loads(json.dumps(document)))
    schemas: Facts = document["components"]["schemas"]
    for slug, model in models.items():
        reference = f"#/components/schemas/{model.request.__name__}"
        schema = schemas[model.request.__name__]
        oracle: Any = Draft202012Validator(
            {"$ref": reference, "components": for_python(document["components"])}, format_checker=FORMATS
        )
        for _ in range(VALUES_OF_A_MODEL):
            value = data.draw(values(schema, schemas))
            expected = oracle.is_valid(value)
            by_double = double.models[slug].validator.is_valid(value)
            try:
                body = model.request.from_parameters(value)
            except refusal:
                body = None
            case = f"{slug} {schema}: {value!r}"
            if not is_different_by_design(value):
                assert (body is not None) == expected == by_double, case
            if body is not None:
                assert expected, case
                assert json.loads(json.dumps(body.to_dict())) == value, case
                compare_assignment(model.request, value, data.draw(WILD), refusal)
            yield


def compare_assignment(request: Any, value: Facts, wild: Any, refusal: type[Exception]) -> None:
    """What is accepted in a mapping is accepted by name too, and what is assigned is what would have been accepted."""
    names = {parameter.name: python_name for python_name, parameter in request.PARAMETERS.items()}
    others = {name: it for name, it in value.items() if name not in names}
    body = request(**{names[name]: value[name] for name in names if name in value}, additional_properties=others)
    assert body == request.from_parameters(value)
    for name, python_name in names.items():
        before = body.to_dict()
        try:
            anew = request.from_parameters({**value, name: wild}).to_dict()
        except refusal:
            anew = before
        try:
            setattr(body, python_name, wild)
        except refusal:
            assert body.to_dict() == before
        assert body.to_dict() == anew
        setattr(body, python_name, getattr(request.from_parameters(value), python_name))


def is_different_by_design(value: Any) -> bool:
    """Whether a value holds a whole number as a float, which JSON Schema takes for an integer, and Python does not."""
    if is_mapping(value):
        return any(map(is_different_by_design, value.values()))
    if is_list(value):
        return any(map(is_different_by_design, value))
    return isinstance(value, float) and value.is_integer()


def for_python(schema: Any) -> Any:
    """A schema with its regular expressions, which are those of JavaScript, written for Python."""
    if is_mapping(schema):
        made = {name: for_python(inner) for name, inner in schema.items()}
        if isinstance(schema.get("pattern"), str):
            made["pattern"] = python_pattern(schema["pattern"], "")
        return made
    return [for_python(inner) for inner in schema] if is_list(schema) else schema


def type_errors(folder: Path, most: int | None = None) -> list[str]:
    """What mypy and pyright say of the packages in a folder, or of the first few of them."""
    found: list[str] = []
    # Mypy takes packages of one name one at a time, or inside packages of other names.
    drawn = sorted(folder.glob("drawn_*"))[:most]
    for package in drawn:
        (package / "__init__.py").touch()
    included = {"typeCheckingMode": "strict", "include": [package.name for package in drawn]}
    (folder / "pyrightconfig.json").write_text(json.dumps(included), encoding="utf-8")
    cache = str(folder / ".mypy")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "--cache-dir", cache]
    packages = [argument for package in drawn for argument in ("-p", package.name)]
    pyright = [
        str(ROOT / "node_modules" / ".bin" / "pyright"),
        "--pythonpath",
        sys.executable,
        "--project",
        str(folder),
    ]
    for command in ([*mypy, *packages], pyright):
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            found += [line for line in f"{run.stdout}{run.stderr}".splitlines() if "rror" in line]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare generated classes and the double with jsonschema.")
    parser.add_argument("--contracts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311  no secret
    parser.add_argument("--no-types", action="store_true", help="leave mypy and pyright out")
    options = parser.parse_args()
    shipped = json.loads(json.dumps(load_contract(ROOT / "openapi" / "segmind.yaml").document))
    with tempfile.TemporaryDirectory() as name:
        made = compare(Path(name), shipped, contracts_count=options.contracts, seed_value=options.seed)
        packages = len(list(Path(name).iterdir()))
        errors = [] if options.no_types else type_errors(Path(name))
        if errors:
            sys.exit("\n".join(errors))
        print(f"seed {options.seed}: {made} values of {packages} contracts, no difference")


if __name__ == "__main__":
    main()
