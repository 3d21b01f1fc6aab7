"""How the copies that judge in domain are tuned: on deletions no map chose, by turns, and never on what they judge."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import ConvNet, random_images
from safetensors import safe_open
from torch import nn

from segattr_lib.data import load_dataset
from segattr_lib.models import IN_DOMAIN, MODELS, WEIGHTS, loading
from segattr_lib.models.judging import check_not_tuned_on, tuned_on
from segattr_lib.models.loading import load_model, registered
from segattr_lib.perturbation import top_fraction
from segattr_lib.registry import FILLS, UserError
from segattr_lib.training import in_domain
from segattr_lib.training.in_domain import KINDS, PLACES

PHOTOGRAPHED = IN_DOMAIN["voc_deeplabv3_mobilenetv2_half"]


def test_the_kinds_of_deletion_have_their_grain():
    """Pixels alone; whole cells of one side, from a corner on; the level set of a field without pixels' grain."""
    shape, edges = (96, 80), {}
    for kind in KINDS:
        noise = in_domain.noise_of(kind, shape, np.random.default_rng(4))
        assert noise.shape == shape and noise.dtype == np.float32
        holes = top_fraction(torch.from_numpy(noise)[None], torch.ones(1, *shape, dtype=torch.bool), 0.4).pixels[0]
        edges[kind] = int((holes[1:] != holes[:-1]).sum() + (holes[:, 1:] != holes[:, :-1]).sum())
    assert edges["pixels"] > 4 * edges["cells"] > 0 and edges["pixels"] > 4 * edges["smooth"] > 0
    sides = set()
    for seed in range(60):
        cells = in_domain.noise_of("cells", shape, np.random.default_rng(seed))
        starts = np.flatnonzero((cells[1:] != cells[:-1]).any(1)) + 1
        assert len(set(np.diff(starts))) == 1
        assert starts[0] <= np.diff(starts)[0]
        sides.add(int(np.diff(starts)[0]))
    assert min(sides) >= 4 and max(sides) <= 32 and len(sides) > 20
    with pytest.raises(ValueError, match="'rays'; expected one of pixels, cells, smooth"):
        in_domain.noise_of("rays", shape, np.random.default_rng(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.05, 0.2, 0.9])
def test_a_share_of_the_place_is_deleted_and_nothing_else(kind: str, share: float):
    where = np.zeros((64, 64), bool)
    where[10:40, 20:60] = True
    deleted = in_domain.deletion(kind, where, share, np.random.default_rng(1))
    assert deleted.sum() == int(share * where.sum() + 0.5)
    assert not deleted[~where].any()


def test_places_are_the_image_one_object_or_all_else():
    labels = np.zeros((8, 8), int)
    labels[:2], labels[6:], labels[3] = 3, 5, 255
    rng = np.random.default_rng(0)
    assert in_domain.place_of("image", labels, rng).all()
    drawn = [in_domain.place_of("inside", labels, rng) for _ in range(40)]
    assert {int(labels[place][0]) for place in drawn} == {3, 5}
    assert all(np.array_equal(place, labels == labels[place][0]) for place in drawn)
    for _ in range(10):
        outside = in_domain.place_of("outside", labels, rng)
        assert np.array_equal(outside, labels != 3) or np.array_equal(outside, labels != 5)
    assert in_domain.place_of("inside", np.zeros((4, 4), int), rng).all()  # there is no object
    assert in_domain.place_of("outside", np.ones((4, 4), int), rng).all()  # and nothing beside it


def test_kinds_places_and_fills_go_by_turns_and_a_third_stays_whole(monkeypatch: pytest.MonkeyPatch):
    seen: list[tuple[str, str, str]] = []
    chosen: list[str] = []
    monkeypatch.setattr(in_domain, "place_of", lambda place, labels, rng: (chosen.append(place), labels >= 0)[1])
    monkeypatch.setattr(
        in_domain, "deletion", lambda kind, where, share, rng: (chosen.append(kind), shares.append(share), where)[2]
    )
    monkeypatch.setattr(
        in_domain, "filled", lambda image, where, fill, other, draws: (seen.append((*chosen[-2:], fill)), 1 - image)[1]
    )
    shares: list[float] = []
    images, rng = random_images(9, 4), np.random.default_rng(0)
    whole = 0
    turns = len(KINDS) * len(PLACES) * len(FILLS)
    for first in range(0, 3 * turns // 2, 9):
        result = in_domain.with_holes(images, np.ones((9, 4, 4), int), first, rng, seed=0)
        whole += sum(torch.equal(after, before) for after, before in zip(result, images, strict=True))
    assert whole == len(seen) / 2 == turns / 2
    counts = Counter((kind, place, fill) for place, kind, fill in seen)
    assert set(counts.values()) == {1} and len(counts) == turns
    assert 0 <= min(shares) < 0.1 and 0.8 < max(shares) <= 0.9
    assert np.mean(shares) == pytest.approx(0.45, abs=0.1)


def test_a_hole_is_filled_as_a_benchmark_fills_it_and_the_rest_is_left():
    image, other = random_images(2, 32)[[0]], random_images(2, 32)[[1]]
    where = in_domain.deletion("cells", np.ones((32, 32), bool), 0.3, np.random.default_rng(0))
    holes = torch.from_numpy(where)
    expected = {
        "mean": image.mean((2, 3), keepdim=True).expand_as(image),
        "zeros": torch.zeros_like(image),
        "other_image": other,
    }
    for fill in FILLS:
        result = in_domain.filled(image, where, fill, other, in_domain.Draws(0, ["a"]))
        assert torch.equal(result[..., ~holes], image[..., ~holes])
        assert not torch.equal(result[..., holes], image[..., holes])
        if fill in expected:
            assert torch.allclose(result[..., holes], expected[fill][..., holes])


def test_the_loss_takes_labels_or_answers_and_leaves_the_norms_as_they_are():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images, labels = random_images(2, 6), torch.randint(0, 4, (2, 6, 6), generator=torch.Generator().manual_seed(0))
    soft = nn.functional.one_hot(labels, 4).movedim(-1, 1).float()
    by_labels, by_answers = (in_domain.loss(model.train(), images, wanted) for wanted in (labels, soft))
    assert torch.allclose(by_labels, by_answers)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    with_void = labels.clone()
    with_void[:, :3] = 255
    alone = in_domain.loss(model, images[:, :, 3:], labels[:, 3:])
    assert torch.allclose(in_domain.loss(model, images, with_void), alone)


def test_what_is_wanted_of_a_photograph_is_the_originals_answer_to_it_whole():
    pixels = (random_images(3, 16).movedim(1, -1) * 255).byte().numpy()
    original = ConvNet(3).eval()
    stage = replace(in_domain.RECIPE[PHOTOGRAPHED], images=18, batch=9)
    pictures = in_domain.Pictures(pixels, None, "")
    both = [pixels, pixels[:, :, ::-1]]
    for images, wanted in in_domain.batches(pictures, original, stage, seed=1):
        kept = 0
        for image, probabilities in zip(images, wanted, strict=True):
            seen = [
                torch.from_numpy(np.array(view[place])).movedim(-1, 0).float().div(255)
                for view in both
                for place in range(3)
            ]
            with torch.no_grad():
                answers = original(torch.stack(seen)).softmax(1)
            assert any(torch.allclose(answer, probabilities, atol=1e-5) for answer in answers)
            kept += any(torch.equal(image, candidate) for candidate in seen)
        assert kept == 3


def test_measures_of_a_copy_that_is_its_original_and_of_one_that_sees_nothing_of_holes():
    samples = [load_dataset("shapes").load(f"test-{number:05d}", 64) for number in range(3)]

    class Knowing(nn.Module):
        """Says of every pixel what stands there in the labels of the sample it is asked of, whatever is deleted."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            whole = torch.stack([sample.image for sample in samples])
            places = (images[:, None] - whole).abs().mean((2, 3, 4)).argmin(1)
            labels = torch.stack([samples[place].labels.long() for place in places.tolist()])
            return nn.functional.one_hot(labels, 7).movedim(-1, 1).float()

    facts = in_domain.measured(Knowing(), Knowing(), samples)
    assert set(facts.values()) == {1.0}
    pairs = [f"{kind}_{fill}" for kind in KINDS for fill in in_domain.JUDGED_UNDER]
    keys = {f"iou_{pair}{suffix}" for pair in pairs for suffix in ("", "_original")}
    assert set(facts) == {"miou", "miou_original", *keys}


def test_mean_iou_by_hand():
    sample = load_dataset("shapes").load("test-00000", 8)
    labels, said = torch.full((8, 8), 255), np.zeros((8, 8), int)
    labels[:2, :4] = torch.tensor([[0, 0, 1, 255], [1, 1, 1, 1]])
    said[:2, :4] = np.array([[0, 1, 1, 7], [1, 1, 1, 0]])
    given = replace(sample, labels=labels)
    assert in_domain.mean_iou([said], [given]) == pytest.approx((1 / 3 + 4 / 6) / 2)


def test_a_copy_is_tuned_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = IN_DOMAIN["planted_own_lraspp"]
    monkeypatch.setattr(in_domain, "SIDE", 64)
    monkeypatch.setattr(in_domain, "POOL", 4)
    monkeypatch.setattr(in_domain, "TESTED", 2)
    monkeypatch.setitem(in_domain.RECIPE, name, replace(in_domain.RECIPE[name], images=96))
    about = in_domain.train_in_domain(name, 3, tmp_path)
    assert about["command"] == f"python -m segattr_lib train {name} --seed 3"
    assert (about["images"], about["tuned_on"]) == ("96", "train-*")
    again = in_domain.train_in_domain(name, 3, tmp_path / "again")
    assert {key: about[key] for key in about if key != "seconds"} == {
        key: again[key] for key in again if key != "seconds"
    }
    assert (tmp_path / f"{name}.safetensors").stat().st_size < 1_100_000
    monkeypatch.setattr(loading, "WEIGHTS", tmp_path)
    copy, original = load_model(name, shape=(64, 64)), MODELS[name].copy_of
    monkeypatch.setattr(loading, "WEIGHTS", WEIGHTS)
    before = registered(original).state_dict()
    changes = {key: float((copy.module.state_dict()[key] - value).abs().max()) for key, value in before.items()}
    assert 0 < max(changes.values()) < 0.1
    assert all(change < 1e-2 for key, change in changes.items() if "running" in key)  # half precision alone


@pytest.mark.parametrize("name", IN_DOMAIN.values())
def test_a_shipped_copy_is_near_its_original_and_knows_holes_better(name: str):
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        about = file.metadata()
    assert float(about["miou"]) >= float(about["miou_original"]) - 0.06
    assert int(about["images"]) == in_domain.RECIPE[name].images
    gains = [
        float(about[f"iou_{kind}_{fill}"]) - float(about[f"iou_{kind}_{fill}_original"])
        for kind in KINDS
        for fill in ("mean", "zeros", "blur")
    ]
    assert np.mean(gains) > 0.05


def test_no_copy_was_tuned_on_what_it_judges(real: Path):
    """Photographs: the first hundred of voc200. Scenes: those of the splits that are held out."""
    listed = list(load_dataset("voc", str(real), "voc200").sample_ids)
    judged, others = listed[: in_domain.JUDGED], listed[in_domain.JUDGED :]
    seen = tuned_on(PHOTOGRAPHED)
    assert len(seen) == in_domain.FROM_TRAIN + len(others)
    assert seen >= set(others) and not seen & set(judged)
    check_not_tuned_on(PHOTOGRAPHED, judged)
    with pytest.raises(UserError, match=f"was tuned on the image {sorted(others)[0]}"):
        check_not_tuned_on(PHOTOGRAPHED, listed)
    pictures = in_domain.pictures_of(PHOTOGRAPHED, str(real))
    assert set(pictures.tuned_on.split()) == seen and pictures.labels is None
    assert len(pictures.pixels) == len(seen)


@pytest.mark.parametrize("name", [name for name in IN_DOMAIN.values() if name != PHOTOGRAPHED])
def test_a_copy_of_scenes_judges_those_that_were_held_out(name: str):
    data = MODELS[MODELS[name].copy_of].trained_on
    check_not_tuned_on(name, load_dataset(data).sample_ids)
    with pytest.raises(UserError, match="was tuned on the image train-00000"):
        check_not_tuned_on(name, load_dataset(data, split="train").sample_ids[:1])


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_DOMAIN.values())
def test_what_a_copys_file_says_is_measured_again(name: str, real: Path):
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        about = file.metadata()
    models = [registered(MODELS[name].copy_of).eval(), registered(name).eval()]
    facts = in_domain.measured(*models, in_domain.samples_to_judge(name, str(real)))
    for key, value in facts.items():
        assert value == pytest.approx(float(about[key]), abs=0.02), key
