"""Models drawn anew: what a cascade changes and what it leaves, and which maps follow it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import ConvNet, PixelOracle, random_images, random_masks, ready
from scenes import of_maps, own, seen, toy
from scipy import stats
from torch import Tensor, nn
from torchvision.models import VisionTransformer
from torchvision.ops import FrozenBatchNorm2d

from segattr_lib.attribution.intervention import ria
from segattr_lib.metrics import metric_key
from segattr_lib.models.embedded import shapes_convnext, shapes_swin
from segattr_lib.perturbation import perturb
from segattr_lib.sections.beyond_dea.randomisation import (
    BINS,
    NOISE,
    SHARE,
    cascade,
    cascade_curve,
    entropy,
    from_rows,
    randomisation,
    ranks,
    rows_of_group,
    smoothed,
)
from segattr_lib.targets import Target, bind


def deep() -> nn.Module:
    """Five layers with weights, some of them nested, among layers that have none."""
    inner = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), inner, nn.Dropout(), nn.Flatten())
    model.append(nn.ModuleList([nn.Linear(4, 3), nn.Linear(3, 2)]))
    with torch.no_grad():
        rng = torch.Generator().manual_seed(5)
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=rng))
    return model


LAYERS = ["0", "2.0", "2.1", "5.0", "5.1"]


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Each layer's weights and biases, in one row."""
    named = dict(model.named_modules())
    return {
        name: torch.cat([weight.detach().flatten() for weight in named[name].parameters()]).clone() for name in LAYERS
    }


def changed_layers(model: nn.Module, before: dict[str, Tensor]) -> list[str]:
    return [name for name, weights in weights_of(model).items() if not torch.equal(weights, before[name])]


@pytest.mark.parametrize("stages", range(1, len(LAYERS) + 1))
def test_a_cascade_goes_from_the_output_to_the_input_and_ends_with_every_layer(stages):
    model = deep()
    before, shares, redrawn = weights_of(model), [], []
    for share, changed in cascade(model, stages, 0):
        shares.append(share)
        redrawn.append(changed_layers(changed, before))
        count = len(redrawn[-1])
        assert share == count / len(LAYERS) and redrawn[-1] == LAYERS[-count:]
    assert len(shares) == stages and shares == sorted(set(shares)) and shares[0] > 0
    assert shares[-1] == 1 and redrawn[-1] == LAYERS
    assert np.diff([0, *shares]).max() < 1 / stages + 1 / len(LAYERS)  # as even as whole layers allow


def test_a_cascade_leaves_the_model_as_it_is():
    model = deep()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for _, changed in cascade(model, 3, 0):
        assert changed is not model
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_layer_that_is_drawn_anew_stays_so_and_does_not_depend_on_the_stages():
    model = deep()
    steps = [weights_of(changed) for _, changed in cascade(model, len(LAYERS), 0)]
    for number, name in enumerate(reversed(LAYERS)):
        assert all(torch.equal(step[name], steps[-1][name]) for step in steps[number:])
    for stages in range(1, len(LAYERS)):
        *_, (_, changed) = cascade(model, stages, 0)
        assert changed_layers(changed, steps[-1]) == []


def test_layers_are_drawn_as_new_ones_are():
    """PyTorch's own: uniform, within 1 / sqrt(inputs); a normalisation begins with scales of 1 and shifts of 0."""
    ((_, changed),) = cascade(deep(), 1, 0)
    drawn = weights_of(changed)
    assert drawn["2.1"].tolist() == [1] * 4 + [0] * 4
    for name, inputs in (("0", 27), ("2.0", 36), ("5.0", 4), ("5.1", 3)):
        bound = inputs**-0.5
        assert 0.7 * bound < drawn[name].abs().max() <= bound
        assert len(drawn[name].unique()) == len(drawn[name])


def test_the_seed_alone_tells_the_weights_and_no_other_draw_is_disturbed():
    model, drawn = deep(), {}
    for seed, noise in ((3, 0), (3, 99), (4, 0)):
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        for _, changed in cascade(model, 2, seed):
            assert torch.equal(torch.get_rng_state(), state)
            drawn[seed, noise] = weights_of(changed)
    first, same, other = drawn.values()
    assert all(torch.equal(first[name], same[name]) for name in LAYERS)
    differ = [name for name in LAYERS if not torch.equal(first[name], other[name])]
    assert differ == ["0", "2.0", "5.0", "5.1"]  # a normalisation has nothing to draw


def test_no_accelerators_draws_are_disturbed(monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("the GPU's generator is seeded"))
    assert len(list(cascade(deep(), 2, 0))) == 2


@pytest.mark.parametrize("stages", [0, -1, 6])
def test_stages_that_a_model_does_not_have_are_refused(stages):
    with pytest.raises(ValueError, match=rf"stages is {stages}; expected 1 to 5, the model's layers with weights"):
        next(cascade(deep(), stages, 0))
    with pytest.raises(ValueError, match="stages is 2; expected 1 to 1"):
        next(cascade(PixelOracle(torch.ones(4, 4)), 2, 0))  # weights that no layer can draw are a layer's too


def test_maps_that_ignore_the_model_stay_and_maps_that_read_it_do_not():
    group = toy(3, methods=["random", "edges", "ground_truth", "ria", "gpa"], seed=7)
    weights = {key: value.clone() for key, value in group.score.model.state_dict().items()}
    rows = randomisation(group, group.run.method_keys(), stages=3, copies=2)
    assert not rows.duplicated(["sample_id", "key", "share", "measure"]).any()
    alike, last = rows[rows["measure"] == "likeness"], rows[rows["share"] == 1]
    assert len(alike) == 3 * 5 * 3 and alike["share"].unique().tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert last.groupby("measure").size().to_dict() == {"likeness": 15, "likeness_smoothed": 15, "entropy_rise": 15}
    reads, rise = rows["key"].isin(["ria", "gpa"]), rows["measure"] == "entropy_rise"
    np.testing.assert_allclose(rows.loc[~reads & ~rise, "value"], 1, atol=1e-6)
    assert set(rows.loc[~reads & rise & (rows["key"] != "ground_truth"), "value"]) == {0}
    assert not (rows.loc[reads & ~rise, "value"] > 0.999).any() and (rows.loc[reads & rise, "value"] != 0).all()
    assert rows.loc[rows["key"] == "ria", "value"].notna().all()  # a gradient's map may become constant
    assert all(torch.equal(value, weights[key]) for key, value in group.score.model.state_dict().items())


def test_likeness_along_the_cascade_is_that_of_scipy():
    group = toy(2, methods="ria", seed=7)
    rows = randomisation(group, group.run.method_keys(), stages=3).set_index(["measure", "share", "sample_id"])
    before = ria(group.score, group.images, group.target, grid=4).flatten(1)
    for share, module in cascade(ConvNet(), 3, 7):
        after = ria(bind(ready(module), group.target), group.images, group.target, grid=4).flatten(1)
        for number in range(2):
            value = rows.loc[("likeness", share, f"image {number}"), "value"]
            assert value == pytest.approx(stats.spearmanr(before[number], after[number])[0], abs=1e-5)


def test_what_is_noise_in_a_map_is_left_out_of_its_smoothed_likeness():
    """Maps of one pattern that every model shares, and of noise that each call draws anew."""
    pattern = torch.linspace(0, 1, 256).view(16, 16)
    calls = iter(range(100))

    def noisy(score: Any, images: Tensor, target: Target) -> Tensor:
        rng = torch.Generator().manual_seed(next(calls))
        return torch.stack([(pattern + torch.rand(16, 16, generator=rng)) / 2 for _ in images])

    rows = randomisation(toy(2), [own("noisy", noisy)], stages=1, copies=16).set_index(["measure", "sample_id"])[
        "value"
    ]
    assert (rows["likeness"] < 0.7).all() and (rows["likeness_smoothed"] > 0.9).all()


def test_noise_is_the_same_under_every_model_and_other_in_every_copy():
    group = toy(2)
    pixels = own("pixels", lambda score, images, target: images[:, 0])
    wanted = [perturb(group.images, "noise", NOISE, group.draws.on(f"smoothed {number}"))[:, 0] for number in range(3)]
    assert torch.equal(smoothed(group, pixels, 3), torch.stack(wanted).mean(0))
    assert torch.equal(smoothed(group.under(ConvNet(seed=5)), pixels, 3), smoothed(group, pixels, 3))
    assert not torch.equal(wanted[0], wanted[1])


def test_the_entropy_of_a_map_is_that_of_its_histogram():
    even = (torch.arange(400.0) + 0.5).view(1, 20, 20) / 400  # four values in each of the bins
    halves = torch.cat([torch.zeros(200), torch.ones(200)]).view(1, 20, 20)
    still, broken = torch.full((1, 20, 20), 0.25), halves.clone()
    broken[0, 0, 0] = torch.nan
    values = entropy(torch.cat([even, halves, still, broken])).tolist()
    assert values[:2] == pytest.approx([math.log(BINS), math.log(2)]) and np.isnan(values[2:]).all()


def test_the_rise_of_entropy_is_by_the_share_of_what_it_was():
    group = toy()
    trained = group.score.model
    halves = torch.cat([torch.zeros(128), torch.ones(128)]).view(16, 16)
    quarters = torch.arange(256).remainder(4).view(16, 16) / 3

    def rises(score: Any, images: Tensor, target: Target) -> Tensor:
        return (halves if score.model is trained else quarters).expand(len(images), 16, 16)

    rows = randomisation(group, [own("rises", rises)], stages=1)
    assert rows.loc[rows["measure"] == "entropy_rise", "value"].tolist() == pytest.approx([1.0, 1.0])


def test_a_constant_map_has_no_likeness_to_itself():
    group, _ = of_maps(torch.rand(2, 16, 16))
    still = own("still", lambda score, images, target: torch.full_like(images[:, 0], 0.25))
    rows = randomisation(group, [still], stages=1)
    assert len(rows) == 6 and rows["value"].isna().all()


@pytest.mark.parametrize("before", [True, False])
def test_a_map_that_is_not_finite_has_no_likeness_be_it_before_or_after(before):
    """A broken map is no map of zeros."""
    group = toy()
    trained = group.score.model

    def breaks(score: Any, images: Tensor, target: Target) -> Tensor:
        maps = images[:, 0].clone()
        if (score.model is trained) == before:
            maps[:, 0, 0] = torch.nan
        return maps

    rows = randomisation(group, [own("breaks", breaks)], stages=1)
    assert rows["value"].isna().all()


def test_rows_of_a_record_are_what_they_were_made_of():
    group = toy(2, methods=["ria", "random"], seed=7)
    methods = [*group.run.method_keys(), own("still", lambda score, images, target: images[:, 0] * 0)]
    rows = pd.DataFrame(rows_of_group(group, methods, stages=2, copies=2))
    rows.loc[len(rows)] = {**rows.iloc[0], "metric": "tdd"}
    made = randomisation(group, methods, stages=2, copies=2).dropna(subset="value").reset_index(drop=True)
    pd.testing.assert_frame_equal(from_rows(rows), made)
    undefined = rows[rows["method"] == "still"]
    assert set(undefined["status"]) == {"undefined"} and undefined["reason"].str.contains("constant map").all()


def test_ranks_are_those_of_pandas():
    maps = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (3, 6, 7)).astype(np.float32))
    wanted = pd.DataFrame(maps.flatten(1).T.numpy()).rank().to_numpy().T.reshape(3, 6, 7)
    np.testing.assert_array_equal(ranks(maps), wanted)


def test_a_group_under_another_model_is_that_models_own():
    methods = ["ria", "ega", "gpa", "random"]
    group, other = toy(methods=methods), ConvNet(seed=5)
    variants = group.run.method_keys()
    before, base = [group.maps_of(method)[0].clone() for method in variants], group.base.clone()
    under = group.under(other)
    alone = seen(other, random_images(2, 16), random_masks(2, 16), methods=methods)
    assert torch.equal(under.base, alone.base) and not torch.equal(under.base, base)
    for method, was in zip(variants, before, strict=True):
        assert torch.equal(under.maps_of(method)[0], alone.maps_of(method)[0])
        assert torch.equal(under.maps_of(method)[0], was) == (method.name == "random")
    columns = ["sample_id", "method", "metric", "k", "fill", "value", "status"]
    metrics = [metric_key("tdd"), metric_key("border")]
    rows = [pd.DataFrame(each.rows_of(variants[0], metrics)[0])[columns] for each in (under, alone)]
    pd.testing.assert_frame_equal(*rows)
    # and nothing has happened to the group it came from
    assert torch.equal(group.base, base) and group.score.model is not other
    again = toy(methods=methods)
    for method, was in zip(variants, before, strict=True):
        assert torch.equal(group.maps_of(method)[0], was)
        assert torch.equal(again.maps_of(method)[0], was)


def test_a_group_under_its_own_weights_is_itself():
    group = toy(methods="ria")
    same = group.under(ConvNet())
    assert torch.equal(same.base, group.base)
    assert torch.equal(*(each.maps_of(group.run.method_keys()[0])[0] for each in (group, same)))


def test_a_cascade_curve_begins_at_1_and_follows_the_means():
    values = {("ria", 0.5): [0.8, 0.4], ("ria", 1.0): [0.2, -0.2], ("random", 0.5): [1, 1], ("random", 1.0): [1, 1]}
    rows = pd.DataFrame(
        [
            {"sample_id": f"i{n}", "key": method, "share": share, "measure": "likeness", "value": value}
            for (method, share), pair in reversed(values.items())
            for n, value in enumerate(pair)
        ]
    )
    curve = cascade_curve(rows)
    assert curve[SHARE].is_monotonic_increasing
    curves = curve.set_index(["line", SHARE])
    assert len(curves) == 2 * 3 and set(curves["n"]) == {2}
    for name in ("ria", "random"):
        assert curves.loc[(name, 0.0), ["mean", "low", "high"]].tolist() == [1, 1, 1]
        for share in (0.5, 1.0):
            assert curves.loc[(name, share), "mean"] == pytest.approx(np.mean(values[name, share]))


def test_two_variants_of_a_method_are_two_lines_of_a_cascade():
    rows = pd.DataFrame(
        [
            {"sample_id": f"i{n}", "key": f"ria({text})", "share": 1.0, "measure": "likeness", "value": value}
            for text, value in (("grid=7", 0.2), ("grid=14", 0.8))
            for n in range(3)
        ]
    )
    curve = cascade_curve(rows)
    assert sorted(curve[curve[SHARE] == 1]["mean"]) == pytest.approx([0.2, 0.8])


def test_a_weight_that_no_layer_can_draw_keeps_its_size_alone():
    model = PixelOracle(torch.linspace(1, 3, 64 * 64).view(64, 64))
    ((share, changed),) = cascade(model, 1, 0)
    drawn, learnt = changed.weights, model.weights
    assert share == 1 and drawn.shape == learnt.shape
    assert float(drawn.detach().mean()) == pytest.approx(0, abs=0.1)
    assert float(drawn.detach().square().mean().sqrt()) == pytest.approx(
        float(learnt.detach().square().mean().sqrt()), rel=0.05
    )
    assert abs(np.corrcoef(drawn.detach().flatten(), learnt.detach().flatten())[0, 1]) < 0.05


class Frozen(torch.nn.Module):
    """Batch norm frozen into buffers, attention whose projections are one weight, a weight norm of each kind, a scalar,
    a batch norm without weights."""

    def __init__(self):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(4, 2)
        self.norm = FrozenBatchNorm2d(4)
        self.parts = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 4))
        self.scale = torch.nn.Parameter(torch.tensor(2.0))
        self.counted = torch.nn.BatchNorm2d(4, affine=False)


@pytest.mark.parametrize(
    "build", [Frozen, shapes_swin, shapes_convnext, lambda: VisionTransformer(32, 8, 1, 2, 16, 32)]
)
def test_a_whole_cascade_leaves_nothing_that_was_learnt(build):
    """Here every weight was learnt, those too that begin as zeros or ones."""
    model = build()
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            if value.is_floating_point():
                value.uniform_(0.5, 0.9)
    ((share, changed),) = cascade(model, 1, 0)
    learnt, drawn = model.state_dict(), changed.state_dict()
    same = [key for key in learnt if learnt[key].is_floating_point() and torch.equal(learnt[key], drawn[key])]
    assert share == 1 and same == []
    assert all(value.isfinite().all() for value in drawn.values())
    for key, value in drawn.items():
        if key.endswith(("running_mean", "running_var")):
            assert value.unique().tolist() == [0.0 if key.endswith("mean") else 1.0]
