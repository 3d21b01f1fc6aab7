"""What a run explains where its settings name the target: rows say it, and it is what they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data.regions import read_region
from segattr_lib.data.sample import find_region
from segattr_lib.registry import UserError

OWN = '''
import torch
from torch import nn


class Bright(nn.Module):
    """Class 1 where a picture is red, 2 where it is green, else 0."""

    class_names = ["ground", "red", "green"]

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 3, 1, 2, bias=False), nn.ReLU())
        self.features[0].weight.data = torch.eye(3)[:, :, None, None]

    def forward(self, images):
        seen = nn.functional.interpolate(self.features(images), size=images.shape[2:])
        return 9 * torch.cat([torch.full_like(seen[:, :1], 0.4), seen[:, :2] - seen[:, 2:]], 1)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 3, 3, 2, 1, bias=False)
        self.features.weight.data.fill_(0.05)

    def forward(self, images):
        return 5 * images.mean((2, 3)) + 0 * self.features(images).mean((2, 3))


def bright():
    return Bright().eval()


def named():
    return Named().eval()
'''
NAMES = ["a", "b", "c"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Three pictures of 32 px with a red and a green square; their masks call other squares 1 and 2. On the third the
    model sees nothing."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate(NAMES):
        pixels, mask = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
        if name != "c":
            pixels[2:10, 2 : 12 + 2 * number, 0] = 255
            pixels[16:30, 16:30, 1] = 255
        mask[20:30, 2:12] = 1
        mask[2:8, 20:30] = 2
        Image.fromarray(pixels).save(tmp_path / f"images/{name}.png")
        Image.fromarray(mask).save(tmp_path / f"masks/{name}.png")
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    return tmp_path


def asked(place: Path, **changes: Any) -> Settings:
    usual = {"dataset": "folder", "root": str(place), "model": f"{place}/own.py:bright", "layer": "features"}
    usual |= {"image_size": 32, "methods": ["random"], "metrics": ["tdd"], "device": "cpu", "batch_size": 4}
    return read_settings({**usual, **changes})


def seen(place: Path) -> list[np.ndarray]:
    """What the model says of each picture, by hand: red 1, green 2."""
    labels = []
    for name in NAMES:
        pixels = np.asarray(Image.open(place / f"images/{name}.png"))
        labels.append((pixels[..., 0] > 0) * 1 + (pixels[..., 1] > 0) * 2)
    return labels


@pytest.mark.parametrize("region", ["truth", "predicted"])
@pytest.mark.parametrize("target", ["frequent", "largest_component", "class=1", "point=4,4", "box=0,0,14,14"])
def test_a_target_is_found_in_the_masks_or_in_what_the_model_says(place: Path, region: str, target: str):
    run = asked(place, target=target, region=region, samples=2).runs()[0]
    truth = [np.asarray(Image.open(place / f"masks/{name}.png")) for name in NAMES]
    for name, labels in zip(NAMES[:2], (truth if region == "truth" else seen(place))[:2], strict=True):
        if region == "truth" and target == "box=0,0,14,14":
            continue  # it holds nothing there
        group = group_of(run, [name])
        class_id, mask = find_region(labels.astype(int), read_region(target), [], None)
        assert int(group.target.class_id[0]) == class_id
        assert np.array_equal(group.target.mask[0].numpy(), mask)


@pytest.mark.parametrize(("region", "target"), [("truth", "class=1"), ("predicted", "frequent"), (None, "frequent")])
def test_rows_say_what_was_explained(place: Path, tmp_path: Path, region: str | None, target: str):
    folder = run_benchmark(asked(place, target=target, region=region), tmp_path / "results")
    rows = plain(read_samples(folder))
    assert set(rows["target"]) == {target}
    assert set(rows["region"]) == {region or "truth"}
    lost = rows[rows["status"] == "skipped"]
    assert dict(zip(lost["sample_id"], lost["reason"], strict=True)) == (
        {"c": "there is no object"} if region == "predicted" else {}
    )
    scores = rows[rows["metric"] == "score"].set_index("sample_id")["value"]
    if region == "predicted":
        assert (scores > 0.9).all()  # the model believes what it says
    else:
        assert (scores < 0.1).all()


def test_pictures_without_masks_have_what_the_model_says(place: Path, tmp_path: Path):
    pictures = {"dataset": "pictures", "root": str(place / "images")}
    rows = plain(read_samples(run_benchmark(asked(place, **pictures), tmp_path / "results")))
    assert set(rows["region"]) == {"predicted"}
    assert set(rows[rows["metric"] == "tdd"]["class_id"]) == {2}
    with pytest.raises(UserError, match="'pictures' has no masks; leave region out, or set region=predicted"):
        run_benchmark(asked(place, **pictures, region="truth"), tmp_path / "truth")


def test_settings_of_another_target_are_another_run(place: Path):
    runs = [
        asked(place),
        asked(place, target="class=1"),
        asked(place, region="predicted"),
        asked(place, region="truth"),
    ]
    assert len({run.run_id() for run in runs}) == len(runs)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"target": "class=blue"}, "Unknown class of the target 'blue'; valid are: green, ground, red"),
        ({"target": "class=3"}, "Unknown class of the target '3'"),
        ({"target": "point=3"}, "target is 'point=3'; expected point=x,y"),
        ({"region": "seen"}, "region is 'seen'"),
        ({"model": "{own}:named", "class_map": "predicted", "region": "truth", "metrics": ["average_drop"]},
         "is a classifier, whose target has no region"),
        ({"model": "{own}:named", "class_map": "predicted", "target": "point=1,1", "metrics": ["average_drop"]},
         "is a classifier, whose target has no region"),
        ({"dataset": "photographs", "root": None, "model": "imagenet_mobilenet_v2", "layer": None,
          "class_map": "voc_imagenet"}, "has no masks whose classes 'voc_imagenet' could map"),
        ({"model": "imagenet_mobilenet_v2", "layer": None}, "is a classifier, and the data set 'folder' has masks"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_had_is_refused_before_any_work(
    place: Path, tmp_path: Path, changes: dict[str, Any], sentence: str
):
    own = f"{place}/own.py"
    changes = {key: value.format(own=own) if isinstance(value, str) else value for key, value in changes.items()}
    with pytest.raises(UserError, match=sentence):
        run_benchmark(asked(place, **changes), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_classifier_is_asked_for_the_class_that_is_named(place: Path):
    maps = {"model": f"{place}/own.py:named", "class_map": "predicted", "metrics": ["average_drop"], "samples": 2}
    for target, expected in (("class=0", 0), ("class=2", 2), ("frequent", 1)):
        group = group_of(asked(place, **maps, target=target).runs()[0], ["a"])
        assert int(group.target.class_id[0]) == expected
        assert group.target.mask is None
        with torch.no_grad():
            probability = group.score.model(group.images).softmax(1)[0, expected]
        assert float(group.base[0]) == pytest.approx(float(probability), abs=1e-6)
