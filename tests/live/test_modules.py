"""The live model's plain functions, in JavaScript, against Pillow, scipy, scikit-image and the library; and their own
tests, under node's test runner."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from skimage import measure

from segattr_lib.attribution import adaptive
from segattr_lib.attribution.maps import normalise
from segattr_lib.data.images import as_rgb
from segattr_lib.data.regions import read_region
from segattr_lib.data.sample import find_region, resized_shape
from segattr_lib.metrics.null import blind_selections, border_length, level_set_field, local_fit
from segattr_lib.perturbation import bind_fill, cells, top_fraction
from segattr_lib.photograph import held_against
from segattr_lib.seeds import Draws

HERE = Path(__file__).parent
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="no node on the path, which runs JavaScript")
KINDS = {"u": "Uint8Array", "b": "Uint8Array", "f": "Float32Array", "i": "Int32Array"}


def typed(values: np.ndarray | torch.Tensor) -> dict[str, Any]:
    """An array as ask.js reads it."""
    array = np.asarray(values)
    numbers = array.astype(np.uint8) if array.dtype == bool else array
    return {"type": KINDS[array.dtype.kind], "values": numbers.ravel().tolist()}


@pytest.fixture(scope="module")
def asked() -> Iterator[Callable[..., Any]]:
    """What a function of segattr.live gives: asked(name, *arguments)."""
    assert NODE is not None
    command = [NODE, str(HERE / "ask.js")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdin is not None and node.stdout is not None

        def ask(name: str, *given: Any, then: list[list[Any]] | None = None) -> Any:
            print(json.dumps({"name": name, "given": given, "then": then}), file=node.stdin, flush=True)
            answer = node.stdout.readline()
            assert answer, f"{name} raised, see what node wrote"
            return json.loads(answer)

        yield ask
        node.stdin.close()


def blobs(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A mask of a few smooth blobs, (H,W) bool."""
    return ndimage.gaussian_filter(rng.standard_normal((height, width)), 5) > 0.02


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((300, 200), (225, 150)),
        ((600, 200), (225, 75)),
        ((280, 200), (200, 160)),
        ((281, 200), (200, 160)),  # Pillow goes along the columns first
        ((61, 97), (141, 225)),
        ((225, 225), (225, 225)),
        ((1201, 7), (225, 8)),
        ((9, 9), (9, 4)),
    ],
)
def test_a_picture_is_resized_as_pillow_does_to_the_bit(asked, before, after):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*before, 3), dtype=np.uint8)
    pixels[: before[0] // 2] = np.where(rng.random((before[0] // 2, before[1], 1)) > 0.5, 255, 0)  # full steps
    expected = Image.fromarray(pixels).resize(after[::-1], Image.Resampling.BILINEAR)
    given = asked("resized", typed(pixels), before[1], before[0], after[1], after[0])
    assert np.array_equal(np.array(given, np.uint8).reshape(*after, 3), np.asarray(expected))


def test_a_transparent_picture_lies_on_white_as_the_library_lays_it(asked):
    levels = np.stack(np.meshgrid(np.arange(0, 256, 3), np.arange(256), indexing="ij"), -1).astype(np.uint8)
    pixels = np.concatenate([levels[..., :1], 255 - levels[..., :1], levels[..., 1:] // 2, levels[..., 1:]], -1)
    picture = {"width": pixels.shape[1], "height": pixels.shape[0], "data": typed(pixels)}
    expected = np.asarray(as_rgb(Image.fromarray(pixels, "RGBA")))
    assert np.array_equal(np.array(asked("opaque", picture)), expected.ravel())


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (1000, 3), (90, 4), (450, 449), (7, 7)])
def test_proportions_round_as_the_library_rounds_them(asked, width, height):
    shape = asked("resizedShape", width, height, 225)
    assert (shape["width"], shape["height"]) == resized_shape(width, height, 225)


@pytest.mark.parametrize(("sigma", "border", "mode"), [(2.0, "mirror", "reflect"), (9.3, "zero", "constant")])
def test_a_gaussian_is_scipys(asked, sigma, border, mode):
    values = np.random.default_rng(1).random((19, 31), np.float32)
    given = np.array(asked("gaussian", typed(values), 19, 31, sigma, border)).reshape(19, 31)
    assert np.allclose(given, ndimage.gaussian_filter(values, sigma, mode=mode), atol=1e-6)


@pytest.mark.parametrize("fill", ["mean", "blur", "zeros"])
def test_a_fill_is_the_librarys(asked, fill):
    image = torch.rand(1, 3, 41, 23, generator=torch.Generator().manual_seed(2))
    given = torch.tensor(asked("filledWith", fill, typed(image), 41, 23), dtype=torch.float32)
    assert torch.allclose(given, bind_fill(fill, image).reference.flatten(), atol=1e-6)


@pytest.mark.parametrize("k", [0.001, 0.2, 0.5, 1.0])
def test_the_top_share_of_a_map_full_of_ties_is_the_librarys(asked, k):
    rng = np.random.default_rng(3)
    attribution = torch.from_numpy(rng.integers(0, 5, (1, 33, 21)).astype(np.float32))
    region = torch.from_numpy(blobs(rng, 33, 21))[None]
    expected = top_fraction(attribution, region, k).pixels.flatten()
    assert asked("topFraction", typed(attribution), typed(region), k) == expected.int().tolist()


@pytest.mark.parametrize(("height", "width", "grid"), [(225, 150, 14), (20, 31, 20), (5, 9, 1)])
def test_cells_are_the_librarys(asked, height, width, grid):
    assert asked("cellsOf", height, width, grid) == cells(height, width, grid).flatten().tolist()


def test_a_map_is_normalised_as_the_library_does(asked):
    values = torch.rand(1, 6, 7, generator=torch.Generator().manual_seed(4)) * 3 - 1
    assert np.allclose(asked("normalised", typed(values)), normalise(values).flatten())
    assert asked("normalised", typed(np.full(4, 0.3, np.float32))) == [0, 0, 0, 0]


@pytest.mark.parametrize(("height", "width", "count"), [(225, 150, 48), (96, 225, 120), (17, 16, 48)])
def test_adaptive_cells_are_the_librarys(asked, height, width, count):
    rng = np.random.default_rng(height)
    for mask in (blobs(rng, height, width), np.zeros((height, width), bool), np.ones((height, width), bool)):
        expected = adaptive._cut(adaptive._cumulated(mask, 0.6), count)
        layout = asked("layoutOf", typed(mask), height, width, count)
        given = [tuple(cell[edge] for edge in ("top", "bottom", "left", "right")) for cell in layout]
        assert sorted(given) == sorted(expected)


def test_parts_hang_together_over_edges_and_corners(asked):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (24, 31)).astype(np.uint8) * blobs(rng, 24, 31)
    given = asked("partsOf", typed(labels), 24, 31)
    numbers = np.array(given["numbers"]).reshape(labels.shape)
    expected = measure.label(labels, background=-1, connectivity=2)
    assert len(set(zip(numbers.flat, expected.flat, strict=True))) == expected.max() == numbers.max() + 1
    assert [part["size"] for part in given["parts"]] == np.bincount(numbers.ravel()).tolist()
    assert all((labels[numbers == number] == part["label"]).all() for number, part in enumerate(given["parts"]))
    _, mask = find_region(labels, read_region("point=11,7"), [], None)
    assert asked("partAt", typed(labels), 24, 31, 7, 11) == mask.astype(int).ravel().tolist()


def test_a_border_is_as_long_as_the_library_has_it(asked):
    mask = blobs(np.random.default_rng(6), 40, 30)
    assert asked("borderLength", typed(mask), 40, 30) == pytest.approx(
        float(border_length(torch.from_numpy(mask)[None]))
    )


def test_smooth_noise_inside_a_mask_is_the_librarys(asked):
    rng = np.random.default_rng(7)
    mask, noise = blobs(rng, 30, 44), rng.standard_normal((30, 44), np.float32)
    for sigma in (0.0, 0.7, 5.6):
        given = np.array(asked("levelSetField", typed(noise), typed(mask), 30, 44, sigma)).reshape(30, 44)
        assert np.allclose(given, level_set_field(noise, mask, sigma), atol=1e-5)


def test_the_fit_to_blind_selections_and_its_verdict_are_the_librarys(asked):
    rng = np.random.default_rng(8)
    lengths = torch.from_numpy(np.exp(rng.uniform(3, 7, 86)).astype(np.float32))
    drops = (0.1 * lengths.log() + 0.05 * torch.from_numpy(rng.standard_normal(86).astype(np.float32))).float()
    for length, value in ((400.0, 0.75), (1.0, 0.2), (1e6, 0.9)):
        scores = {"map": {"tdd": value, "status": "ok"}}
        row = held_against(scores, {"map": length}, lengths, drops).loc["map"]
        given = asked("heldAgainst", typed(lengths), typed(drops), length, value)
        assert given["expected"] == pytest.approx(row["chance"], abs=1e-5)
        assert given["excess"] == pytest.approx(row["excess"], abs=1e-5)
        assert given["p"] == pytest.approx(row["p"], abs=1e-9)
        at = torch.tensor([length]).log()
        straight = float(local_fit(lengths.log()[None], drops[None], at))
        assert asked("localFit", typed(lengths.log()), typed(drops), float(at)) == pytest.approx(straight, abs=1e-5)


def test_blind_selections_are_as_large_and_as_ragged_as_the_librarys(asked):
    """Other draws of the same fields: of each field the mean border length over many draws is alike."""
    height, width, k, repeats = 40, 56, 0.2, 12
    mask = blobs(np.random.default_rng(9), height, width)
    numbers = [[number] for number in range(86 * repeats)]
    drawn = asked("blindSelections", typed(mask), height, width, k, 86 * repeats, then=numbers)
    selected = torch.tensor(drawn).bool().view(86, repeats, height, width)
    assert not (selected & ~torch.from_numpy(mask)).any()
    assert (selected.sum((2, 3)) == int(k * mask.sum() + 0.5)).all()
    assert len({tuple(row) for row in drawn}) > 0.9 * len(drawn)
    region = torch.from_numpy(mask)[None]
    expected = blind_selections(region, k, Draws(0, ["mask"]), repeats=repeats)[0].view(repeats, 86, height, width)
    ours = border_length(selected.flatten(0, 1)).view(86, repeats).log()
    theirs = border_length(expected.flatten(0, 1)).view(repeats, 86).T.log()
    apart = ours.mean(1) - theirs.mean(1)
    error = ((ours.var(1) + theirs.var(1)) / repeats).sqrt() + 1e-3
    assert float((apart / error).abs().max()) < 5
    assert float(ours[0].mean() - ours[55].mean()) > 0.5  # from the finest grain to the coarsest


def test_the_modules_own_tests_pass():
    assert NODE is not None
    tests = sorted(HERE.glob("*.test.js"))
    run = subprocess.run([NODE, "--test", *tests], capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stdout[-4000:]
