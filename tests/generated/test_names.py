"""The rule by which parameters get their names in Python."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.contract import GenerationError
from generator.names import module_name, python_name, python_names

TAKEN = {"to_dict", "str"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("prompt", "prompt"),
        ("Prompt", "Prompt"),
        ("model-name", "model_name"),
        ("a.b c/d", "a_b_c_d"),
        ("2d", "p_2d"),
        ("_x", "p__x"),
        ("", "p_"),
        ("-", "p__"),
        ("class", "class_"),
        ("None", "None_"),
        ("match", "match"),
        ("to_dict", "to_dict_"),
        ("str", "str_"),
        ("größe", "größe"),
        ("ﬁt", "fit"),
        ("x²", "x2"),
    ],
)
def test_a_name_becomes_one_that_python_can_say(name: str, expected: str) -> None:
    assert python_name(name, TAKEN) == expected


@given(st.text())
def test_any_name_becomes_an_identifier_that_is_not_taken(name: str) -> None:
    made = python_name(name, TAKEN)
    assert made.isidentifier()
    assert not keyword.iskeyword(made)
    assert not made.startswith("_")
    assert made not in TAKEN


def test_two_names_that_become_the_same_are_refused_by_their_place() -> None:
    with pytest.raises(GenerationError, match="#/here: 'a-b' and 'a_b' both get the Python name 'a_b'"):
        python_names(["a-b", "a_b"], TAKEN, "#/here")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Imagen4FastRequest", "imagen_4_fast_request"), ("submitImagen4", "submit_imagen_4"), ("Class", "class_")],
)
def test_a_class_or_an_operation_has_a_module_named_after_its_words(name: str, expected: str) -> None:
    assert module_name(name) == expected
