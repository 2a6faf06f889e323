"""Images say what they are, have their size, and stay the same."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segmind_mock.images import draw, png_size

DIGEST = "00ff" * 8
SIZES = [(1, 1), (1, 4096), (4096, 1), (5, 3), (63, 64), (64, 64), (1024, 768), (255, 2048), (1024, 65), (4096, 4096)]
PROMPT = "a lighthouse on a cliff at first light, with gulls and a boat"


def opened(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.convert("RGB")


def written(image: Image.Image, box: tuple[float, float, float, float]) -> int:
    """How many pixels in a part of an image, in shares of its sides, differ from its ground."""
    sides = (image.width, image.height) * 2
    left, top, right, bottom = (round(share * side) for share, side in zip(box, sides, strict=True))
    part = image.crop((left, top, right, bottom))
    ground = image.getpixel((0, 0))
    return sum(count for count, colour in part.getcolors(part.width * part.height) or () if colour != ground)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_png_has_the_size_that_was_known_before_it_was_drawn(size: tuple[int, int]) -> None:
    content = draw(DIGEST, *size, title="a model", text=PROMPT, note="seed 7")
    assert opened(content).size == size
    assert len(content) == png_size(*size)


@pytest.mark.parametrize("image_format", ["jpeg", "webp"])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (300, 200)], ids=str)
def test_other_formats_have_their_sides(image_format: str, size: tuple[int, int]) -> None:
    content = draw(DIGEST, *size, image_format=image_format, title="a model", text=PROMPT)
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert (image.format, image.size) == (image_format.upper(), size)


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(
    "change",
    [{"digest": "ff00" * 8}, {"title": "other"}, {"text": "a cliff"}, {"note": "seed 8"}],
    ids=lambda change: next(iter(change)),
)
def test_the_same_image_has_the_same_bytes_and_another_has_others(image_format: str, change: dict[str, str]) -> None:
    texts = {"digest": DIGEST, "title": "model", "text": PROMPT, "note": "seed 7"}

    def drawn(digest: str, **texts: str) -> bytes:
        return draw(digest, 300, 200, image_format=image_format, **texts)

    assert drawn(**texts) == drawn(**texts)
    assert drawn(**texts) != drawn(**{**texts, **change})


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_images_of_two_digests_with_one_colour_differ(image_format: str) -> None:
    files = [draw(f"00ff{end:028x}", 32, 32, image_format=image_format) for end in (1, 2)]
    assert files[0] != files[1]


@pytest.mark.parametrize(
    ("name", "place"), [("title", (0, 0, 1, 0.2)), ("text", (0, 0, 1, 0.5)), ("note", (0, 0.9, 1, 1))]
)
def test_each_text_has_its_place(name: str, place: tuple[float, float, float, float]) -> None:
    image = opened(draw(DIGEST, 512, 512, **{name: "a cabin"}))
    assert 100 < written(image, place) == written(image, (0, 0, 1, 1))


@pytest.mark.parametrize("digest", [f"{hue:04x}{0:028x}" for hue in range(0, 0x10000, 0x1555)])
def test_text_on_every_ground_has_the_contrast_of_wcag_aaa(digest: str) -> None:
    image = opened(draw(digest, 512, 512, title="a cabin"))
    colours = [colour for _, colour in image.getcolors(512 * 512) or ()]
    lights = sorted(luminance(colour) for colour in colours if isinstance(colour, tuple))
    assert (lights[-1] + 0.05) / (lights[0] + 0.05) >= 7


def luminance(colour: tuple[int, ...]) -> float:
    """Relative luminance as WCAG 2 defines it."""
    shares = [value / 255 for value in colour]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("text", ["word " * 1000, "x" * 5000, "字" * 5000], ids=["words", "one word", "no spaces"])
def test_a_long_text_stays_inside_the_margins_and_above_the_note(text: str) -> None:
    image = opened(draw(DIGEST, 512, 512, text=text))
    assert written(image, (0.06, 0.06, 0.94, 0.9)) > 1000
    for margin in ((0, 0, 0.05, 1), (0.95, 0, 1, 1), (0, 0, 1, 0.05), (0, 0.9, 1, 1)):
        assert written(image, margin) == 0


def test_a_text_that_is_cut_ends_in_an_ellipsis() -> None:
    cut = draw(DIGEST, 256, 64, note="m" * 1000)
    assert [count for count in range(1, 50) if draw(DIGEST, 256, 64, note="m" * count + "…") == cut]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("café Ångström", "cafe Angstrom"), ("two\nlines\tand  blanks", "two lines and blanks"), ("ﬁne", "fine")],
)
def test_accents_are_left_out_and_line_breaks_are_blanks(text: str, shown: str) -> None:
    assert draw(DIGEST, 512, 128, text=text) == draw(DIGEST, 512, 128, text=shown)


@pytest.mark.parametrize("text", ["字", "Ж", "\U0001f600", "\u202e", "\0"])
def test_a_character_that_the_font_lacks_is_a_box(text: str) -> None:
    assert draw(DIGEST, 512, 128, text=text) == draw(DIGEST, 512, 128, text="\U000f0000")


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(text=st.text(), width=st.integers(1, 300), height=st.integers(1, 300))
def test_any_text_can_be_drawn_in_any_size(text: str, width: int, height: int) -> None:
    assert opened(draw(DIGEST, width, height, title=text, text=text, note=text)).size == (width, height)
