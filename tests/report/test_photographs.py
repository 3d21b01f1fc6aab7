"""What pages open with: photographs as a classifier is shown them, and what is said of their maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.data.photographs import available
from segattr_lib.models.loading import load_model
from segattr_lib.registry import UserError
from segattr_lib.report.page import read_page
from segattr_lib.report.photographs import (
    Photographs,
    PhotoPage,
    central_squares,
    first_by,
    maps_by_label,
    photo_gallery,
    photographed,
    values_of,
    values_table,
)

CAM = "layercam(layer=features.18)"


def page_of(**changes: Any) -> PhotoPage:
    return read_page(PhotoPage, {"results": "results/none", "photo_ids": ["coffee", "chelsea"], **changes})


@pytest.fixture(scope="module")
def photographs() -> Photographs:
    page = page_of(scalar="logit")
    return photographed(page.of_photographs(["layercam", "half"]), page.photo_ids)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"photo_ids": ["chelsa"]}, "Unknown photograph 'chelsa' (did you mean 'chelsea'?)"),
        ({"photo_ids": []}, "photo_ids is []"),
        ({"photo_id": ["chelsea"]}, "Unknown parameter 'photo_id' (did you mean 'photo_ids'?)"),
    ],
)
def test_photographs_that_cannot_be_are_refused_in_a_sentence(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        page_of(**changes)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_the_run_of_photographs_is_the_pages_own_but_for_what_is_explained() -> None:
    about = {"dataset": "single_shapes", "model": ["shapes_vgg11"], "samples": 3, "floor": 0.5, "layer": "features.5"}
    run = page_of(**about, image_size=96, seed=4, scalar="logit").of_photographs(["half"])
    assert (run.dataset, run.model, run.class_map) == ("photographs", ["imagenet_mobilenet_v2"], "predicted")
    assert (run.image_size, run.seed, run.scalar) == (96, [4], "logit")
    assert (run.samples, run.floor, run.layer, run.batch_size) == (None, None, None, 16)
    assert page_of(batch_size=2).of_photographs(["half"]).batch_size == 2


def test_a_classifier_is_shown_the_central_square_and_names_what_it_sees(photographs: Photographs) -> None:
    """The classes and probabilities of the central squares at 224 px, known from the model's own package."""
    assert photographs.names == ["espresso", "tiger cat"]
    assert photographs.probabilities == pytest.approx([0.91, 0.60], abs=0.02)
    module = load_model("imagenet_mobilenet_v2", shape=(224, 224), kind="classifier").module
    for name, image, sure in zip(photographs.ids, photographs.group.images, photographs.probabilities, strict=True):
        with Image.open(available()[name].path) as opened:
            picture = opened.convert("RGB")
        width, height = picture.size
        left = (width - height) // 2  # both lie across
        square = picture.crop((left, 0, left + height, height)).resize((224, 224), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(square)).movedim(-1, 0).float() / 255
        torch.testing.assert_close(image.contiguous(), pixels)
        assert module(pixels[None]).softmax(1).max().item() == pytest.approx(sure, abs=1e-4)
    assert photographs.titles[1] == f"chelsea\ntiger cat\n{photographs.probabilities[1]:.2f}"
    assert photographs.said.startswith("espresso on coffee (0.9") and ", tiger cat on chelsea (0." in photographs.said
    assert photographs.credit == "; ".join(f"{name}: {available()[name].credit}" for name in ("coffee", "chelsea"))


@pytest.mark.parametrize("size", [(9, 4), (4, 9), (5, 5)])
def test_central_squares_stretch_nothing(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    square, labels = central_squares(lambda _: (Image.fromarray(pixels), None))("a")
    side, top, left = min(size), (size[1] - min(size)) // 2, (size[0] - min(size)) // 2
    assert labels is None
    np.testing.assert_array_equal(np.asarray(square), pixels[top : top + side, left : left + side])


def test_values_are_those_of_the_maps_and_are_shown_in_order(photographs: Photographs) -> None:
    keys = [method_key(CAM), method_key("half")]
    values = values_of(photographs, keys, ["complexity", "adcc", "coherency"])
    assert list(values.index) == [(name, key.text) for name in ("coffee", "chelsea") for key in keys]
    for key in keys:
        means = photographs.group.maps_of(key)[0].mean((1, 2))
        assert values.xs(key.text, level="key")["complexity"].to_numpy() == pytest.approx(means.numpy(), abs=1e-6)
    table = values_table(values)
    assert list(table) == ["Complexity ↓", "ADCC ↑", "Coherency ↑"]
    assert table.loc[("coffee", "half"), "Complexity ↓"] == "0.50"
    assert table.loc[("chelsea", "LayerCAM"), "ADCC ↑"] == f"{values.loc[('chelsea', CAM), 'adcc']:.2f}"
    assert list(values_table(values, {CAM: "deep", "half": "none"}).index.unique(1)) == ["deep", "none"]


def nowhere(score: Any, images: torch.Tensor, target: Any) -> torch.Tensor:
    return torch.full_like(images[:, 0], torch.nan)


def nothing(score: Any, images: torch.Tensor, target: Any) -> torch.Tensor:
    return torch.zeros_like(images[:, 0])


def test_a_map_that_fails_is_refused_and_one_that_vanished_counts_nothing(photographs: Photographs) -> None:
    with pytest.raises(UserError, match=r"nowhere has no complexity on coffee: the map holds .*; leave it out\.$"):
        values_of(photographs, [method_key(f"{__file__}:nowhere")], ["complexity"])
    values = values_of(photographs, [method_key(f"{__file__}:nothing")], ["arcc", "coherency"])
    assert values["arcc"].tolist() == [0, 0] and values["coherency"].isna().all()


def test_who_is_first_is_told_by_the_metrics_direction_as_far_as_the_page_shows_it() -> None:
    index = pd.MultiIndex.from_product([["a", "b"], ["layercam", "half", "edges"]], names=["sample_id", "key"])
    columns = {
        "average_drop": [0.2, 0.1, 0.9, 0.2, 0.1, 0.9],
        "road": [0.5, 0.4, 0.1, 0.1, 0.4, 0.1],
        "arcc": [0.501, 0.499, 0.1, 0.501, 0.499, 0.1],
        "adcc": [0.998, 0.997, 0.996] * 2,
        "coherency": [np.nan] * 6,
    }
    first = first_by(pd.DataFrame(columns, index))
    assert first == {
        "average_drop": "half",
        "road": "half",
        "arcc": "LayerCAM and half",
        "adcc": "none",
        "coherency": "none",
    }


def test_the_gallery_draws_the_photographs_and_their_maps_and_outlines_nothing(photographs: Photographs) -> None:
    keys = [method_key("layercam"), method_key(CAM)]
    maps = maps_by_label(photographs, keys)
    figure = photo_gallery(photographs, maps)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["photograph", "LayerCAM", "LayerCAM\n(layer=features.18)"]
    assert [figure.axes[place].get_ylabel() for place in (0, 3)] == photographs.titles
    for row, image in enumerate(photographs.group.images):
        drawn = figure.axes[3 * row].images[0].get_array()
        np.testing.assert_allclose(np.asarray(drawn), image.movedim(0, -1).numpy())
        for column, key in enumerate(keys, 1):
            expected = photographs.group.maps_of(key)[0][row].numpy()
            np.testing.assert_array_equal(figure.axes[3 * row + column].images[1].get_array(), expected)
    assert not any(axes.collections for axes in figure.axes)


def test_a_class_without_a_name_is_called_by_its_number() -> None:
    run = read_settings({"dataset": "photographs", "model": f"{__file__}:bare", "layers": ["0"], "batch_size": 2})
    run = run.changed({"class_map": "predicted", "image_size": 16, "methods": ["half"]})
    assert photographed(run, ["camera"]).names == ["class 2"]


def bare() -> torch.nn.Module:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    torch.nn.init.zeros_(module[0].weight)
    module[0].bias.data = torch.tensor([0.0, 1.0, 2.0])
    return module.eval()
