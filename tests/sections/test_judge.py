"""Who judges the judge: metrics and methods held against planted truth, models drawn anew, and what cheap maps lose."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import ConvNet, PixelOracle, RegionOracle, plain_pearson, plain_top, random_images, random_masks, ready
from scipy import ndimage, stats
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from segattr_lib.attribution import Method, method_key
from segattr_lib.attribution.intervention import ria
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import group_of
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.data import Sample, draw, load_dataset, planted
from segattr_lib.evaluate import prepare, runtime_of
from segattr_lib.inference.intervals import means, studentised_interval
from segattr_lib.metrics.null import blind_selections, border_length, local_fit
from segattr_lib.models import Segmenter
from segattr_lib.perturbation import bind_fill, top_fraction
from segattr_lib.registry import Key, UserError
from segattr_lib.sections.beyond_dea.economy import (
    budget_curve,
    chosen_precision,
    faithfulness,
    precisions,
    reach,
    relative,
)
from segattr_lib.sections.beyond_dea.judge import (
    BORDER,
    DEGREES,
    GRAINS,
    JUDGES,
    SHARE,
    cascade_curve,
    cross_table,
    evidence_drop,
    evidence_found,
    finds,
    judged_twice,
    leakage_found,
    made_maps,
    moved_copies,
    moved_excess_tdd,
    noise_curve,
    operator_agreement,
    ordering,
    owed,
    own_operator,
    planted_evidence,
    randomisation,
    rank_agreement,
    ranks,
)
from segattr_lib.sections.beyond_dea.randomisation import cascade
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

THREE = Draws(3, ["a", "b", "c"])
ROWS, COLUMNS = np.mgrid[:32, :32] + 0.5
DISC = torch.from_numpy(np.hypot(ROWS - 15, COLUMNS - 17) < 5)
OWN = """
def red(score, images, target):
    return images[:, 0]
"""


def seen(module: nn.Module, images: Tensor, masks: Tensor, names: list[str] | None = None, **told: Any) -> Group:
    """The images as a run of this module sees them, each to be explained by class 1 in its mask."""
    usual: dict[str, Any] = {"image_size": images.shape[2], "model": "toy", "layer": "features", "metrics": "tdd"}
    usual |= {"grid": 4, "null_every": 20, "device": "cpu", "batch_size": 8, "methods": "random"}
    run = read_settings({**usual, **told})
    names = names or [f"image {number}" for number in range(len(images))]
    samples = [
        Sample(image, mask, 1, name, mask.to(torch.uint8))
        for image, mask, name in zip(images, masks, names, strict=True)
    ]
    runtime = prepare(module, (images.shape[2], images.shape[3]), "cpu", run.precision, run.batch_size)
    return Group(run, load_dataset("shapes"), Segmenter("toy", module, "features", 2, ""), runtime, samples, names)


def toy(count: int = 2, size: int = 16, **told: Any) -> Group:
    return seen(ConvNet(), random_images(count, size), random_masks(count, size), **told)


def of_maps(maps: Tensor) -> tuple[Group, Key]:
    """A group, and a method whose maps of it are these: the red channel of its images."""
    method = Method(lambda score, images, target: images[:, 0], "given", "own")
    group = seen(ConvNet(), maps[:, None].repeat(1, 3, 1, 1), torch.ones_like(maps, dtype=torch.bool))
    return group, Key("given", entry_of=lambda _: method)


# models drawn anew


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
    return {name: torch.cat([one.detach().flatten() for one in named[name].parameters()]).clone() for name in LAYERS}


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
    model, found = deep(), {}
    for seed, noise in ((3, 0), (3, 99), (4, 0)):
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        for _, changed in cascade(model, 2, seed):
            assert torch.equal(torch.get_rng_state(), state)
            found[seed, noise] = weights_of(changed)
    first, same, other = found.values()
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
    rows = randomisation(group, group.run.method_keys(), stages=3)
    assert not rows.duplicated(["sample_id", "method", "share"]).any()
    assert len(rows) == 3 * 5 * 3 and rows["share"].unique().tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    reads = rows["method"].isin(["ria", "gpa"])
    np.testing.assert_allclose(rows[~reads][["pearson", "spearman"]], 1, atol=1e-6)
    assert not (rows[reads][["pearson", "spearman"]] > 0.999).any(axis=None)
    assert rows[rows["method"] == "ria"].notna().all(axis=None)  # a gradient's map may become constant
    assert all(torch.equal(value, weights[key]) for key, value in group.score.model.state_dict().items())


def test_likeness_along_the_cascade_is_that_of_scipy():
    group = toy(2, methods="ria", seed=7)
    rows = randomisation(group, group.run.method_keys(), stages=3).set_index(["share", "sample_id"])
    before = ria(group.score, group.images, group.target, grid=4).flatten(1)
    for share, module in cascade(ConvNet(), 3, 7):
        after = ria(bind(ready(module), group.target), group.images, group.target, grid=4).flatten(1)
        for number in range(2):
            found = rows.loc[(share, f"image {number}")]
            assert found["pearson"] == pytest.approx(stats.pearsonr(before[number], after[number])[0], abs=1e-5)
            assert found["spearman"] == pytest.approx(stats.spearmanr(before[number], after[number])[0], abs=1e-5)


def test_a_constant_map_has_no_likeness_to_itself():
    group, _ = of_maps(torch.rand(2, 16, 16))
    still = Method(lambda score, images, target: torch.full_like(images[:, 0], 0.25), "still", "own")
    rows = randomisation(group, [Key("still", entry_of=lambda _: still)], stages=1)
    assert len(rows) == 2 and rows[["pearson", "spearman"]].isna().all(axis=None)


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

    rows = randomisation(group, [Key("breaks", entry_of=lambda _: Method(breaks, "breaks", "own"))], stages=1)
    assert rows[["pearson", "spearman"]].isna().all(axis=None)


def test_ranks_are_those_of_pandas():
    maps = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (3, 6, 7)).astype(np.float32))
    wanted = pd.DataFrame(maps.flatten(1).T.numpy()).rank().to_numpy().T.reshape(3, 6, 7)
    np.testing.assert_array_equal(ranks(maps), wanted)


def test_a_view_under_another_model_is_that_models_own_group():
    methods = ["ria", "ega", "gpa", "random"]
    group, other = toy(methods=methods), ConvNet(seed=5)
    variants = group.run.method_keys()
    before, base = [group.maps_of(one)[0].clone() for one in variants], group.base.clone()
    found = group.under(other)
    own = seen(other, random_images(2, 16), random_masks(2, 16), methods=methods)
    assert torch.equal(found.base, own.base) and not torch.equal(found.base, base)
    for one, was in zip(variants, before, strict=True):
        assert torch.equal(found.maps_of(one)[0], own.maps_of(one)[0])
        assert torch.equal(found.maps_of(one)[0], was) == (one.name == "random")
    columns = ["sample_id", "method", "metric", "k", "fill", "value", "status"]
    rows = [pd.DataFrame(each.rows_of(variants[0], ["tdd", "border"])[0])[columns] for each in (found, own)]
    pd.testing.assert_frame_equal(*rows)
    # and nothing has happened to the group it came from
    assert torch.equal(group.base, base) and group.score.model is not other
    again = toy(methods=methods)
    for one, was in zip(variants, before, strict=True):
        assert torch.equal(group.maps_of(one)[0], was)
        assert torch.equal(again.maps_of(one)[0], was)


def test_a_view_under_its_own_weights_is_itself():
    group = toy(methods="ria")
    same = group.under(ConvNet())
    assert torch.equal(same.base, group.base)
    assert torch.equal(*(each.maps_of(group.run.method_keys()[0])[0] for each in (group, same)))


# evidence that is known


def _evidence(region: Tensor, share: float = 0.2) -> Tensor:
    """Some pixels of the region, and some off it, which are not to count."""
    return torch.rand(region.shape, generator=torch.Generator().manual_seed(4)) < share


@pytest.mark.parametrize("levels", [None, 4, 2])
def test_the_auc_of_found_evidence_is_that_of_scikit_learn(levels):
    rng = np.random.default_rng(1)
    drawn = rng.random((4, 16, 16)) if levels is None else rng.integers(0, levels, (4, 16, 16)) / (levels - 1)
    maps, region = torch.from_numpy(drawn).float(), random_masks(4, 16)
    evidence = _evidence(region)
    group, one = of_maps(maps)
    rows = evidence_found(group, [one], evidence, region)
    assert rows["sample_id"].tolist() == [f"image {n}" for n in range(4)] and set(rows["method"]) == {"given"}
    for found, drawn_map, where, around in zip(rows.itertuples(), maps, evidence, region, strict=True):
        truth, values = where[around], drawn_map[around].double()
        assert found.auc == pytest.approx(roc_auc_score(truth, values), abs=1e-6)
        assert found.mass == pytest.approx(float(values[truth].sum() / values.sum()), rel=1e-5)
        assert found.area == pytest.approx(float(truth.double().mean()))
    # what the map does elsewhere is of no account
    pd.testing.assert_frame_equal(evidence_found(*_alone(maps.where(region, 0.9)), evidence, region), rows)


def _alone(maps: Tensor) -> tuple[Group, list[Key]]:
    group, one = of_maps(maps)
    return group, [one]


def test_the_evidence_itself_is_found_wholly_and_its_contrary_not_at_all():
    evidence, region = torch.zeros(1, 10, 10, dtype=torch.bool), torch.zeros(1, 10, 10, dtype=torch.bool)
    region[:, 2:8, 1:9], evidence[:, 2:5, 1:5] = True, True
    for maps, auc, mass in (
        (evidence.float(), 1, 1),
        (1 - evidence.float(), 0, 0),
        (torch.full((1, 10, 10), 0.3), 0.5, 1 / 4),  # a map that knows nothing: its mass is the area
        (torch.zeros(1, 10, 10), 0.5, np.nan),  # and one without mass
    ):
        (found,) = evidence_found(*_alone(maps), evidence, region).itertuples()
        assert found.area == 12 / 48
        assert found.auc == auc
        assert found.mass == pytest.approx(mass, nan_ok=True)


def test_a_map_that_is_not_finite_finds_nothing():
    maps = torch.rand(2, 16, 16)
    maps[0, 3, 3] = torch.nan
    region = torch.ones(2, 16, 16, dtype=torch.bool)
    rows = evidence_found(*_alone(maps), _evidence(region), region)
    assert rows[["auc", "mass"]].isna().to_numpy().tolist() == [[True, True], [False, False]]


def _lit(evidence: Tensor) -> Tensor:
    """Images that are bright on the evidence alone."""
    return 0.9 * evidence[:, None].float().repeat(1, 3, 1, 1)


@pytest.mark.parametrize("fill", ["zeros", "mean", "dataset_mean", "blur"])
def test_the_score_owes_to_the_evidence_what_the_model_takes_from_it(fill):
    """The score is the brightness over the pixels that count, so that its drop is theirs."""
    counts, evidence = random_masks(2, 16)
    images = 0.1 + 0.8 * random_images(3, 16)
    group = seen(RegionOracle(counts.float() / counts.sum()), images, random_masks(3, 16, seed=9), fill=fill)
    filled = {
        "zeros": torch.zeros_like(images),
        "mean": images.mean((2, 3), keepdim=True).expand_as(images),
        "dataset_mean": torch.tensor([0.485, 0.456, 0.406])[:, None, None].expand_as(images),
        "blur": torch.from_numpy(ndimage.gaussian_filter(images.numpy(), (0, 0, 16 / 20, 16 / 20))),
    }[fill]
    left = images.where(~evidence, filled)
    before, after = (one.mean(1)[:, counts].mean(1) for one in (images, left))
    found = evidence_drop(group, evidence.expand(3, -1, -1), fill)
    torch.testing.assert_close(found, (before - after) / before, rtol=1e-4, atol=1e-5)


def test_all_or_nothing_is_owed_to_evidence_that_is_all_or_nothing_of_the_score():
    evidence = random_masks(3, 16)
    elsewhere = ~evidence & _evidence(evidence)
    group = seen(RegionOracle(torch.full((16, 16), 1 / 256)), _lit(evidence), random_masks(3, 16, seed=9))
    torch.testing.assert_close(evidence_drop(group, evidence, "zeros"), torch.ones(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(evidence_drop(group, elsewhere, "zeros"), torch.zeros(3), rtol=0, atol=1e-5)


def test_nothing_filled_is_nothing_owed_whatever_the_precision():
    group = toy(precision="bfloat16")
    assert evidence_drop(group, torch.zeros(2, 16, 16, dtype=torch.bool), "mean").tolist() == [0, 0]


def planted_group(name: str, count: int, image_of: Any, **told: Any) -> Group:
    """Planted scenes with other pixels, made of their evidence, and objects a little larger than their badges."""
    names = [f"test-{number:05d}" for number in range(count)]
    evidence = [planted.evidence(one, 64) for one in names]
    masks = [torch.from_numpy(ndimage.binary_dilation(one["badge"], iterations=2)) for one in evidence]
    images = torch.stack([image_of(one) for one in evidence])
    return seen(RegionOracle(torch.full((64, 64), 1 / 64**2)), images, torch.stack(masks), names, **told)


def glyph_views(context: int, own: int) -> dict[str, Group]:
    """One model sees the marker, the other the badges."""
    return {
        "planted_context": planted_group("planted_context", context, lambda where: _lit(where["marker"][None])[0]),
        "planted_own": planted_group("planted_own", own, lambda where: _lit(where["badge"][None])[0]),
    }


def test_planted_evidence_lies_where_it_was_planted():
    groups = glyph_views(2, 2)
    evidence = planted_evidence(groups, 64)
    for name, group in groups.items():
        assert set(evidence[name]) == {"marker", "badge"}
        for number, sample in enumerate(group.samples):
            wanted = planted.evidence(sample.sample_id, 64)
            assert all(torch.equal(masks[number], wanted[role]) for role, masks in evidence[name].items())


@pytest.mark.parametrize(("context", "own"), [(3, 3), (4, 3)])
def test_what_is_owed_is_told_by_model_and_evidence(context, own):
    """Of as many images as each model has scored."""
    groups = glyph_views(context, own)
    found = owed(groups, planted_evidence(groups, 64), "zeros").set_index(["model", "filled"])
    assert set(found.index) == set(product(groups, ("marker", "badge")))
    for (name, role), row in found.iterrows():
        mine = (name, role) in (("planted_context", "marker"), ("planted_own", "badge"))
        assert row["mean"] == pytest.approx(float(mine), abs=1e-4)
        assert row[["low", "high"]].isna().all()  # of so few images
        assert row["n"] == {"planted_context": context, "planted_own": own}[name]


def test_a_map_of_the_marker_finds_it_and_not_the_badge(tmp_path):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    red = f"{tmp_path / 'own.py'}:red"

    def marked(where: dict[str, Tensor]) -> Tensor:
        return _lit(where["marker"][None])[0]

    methods = [red, "ground_truth"]
    groups = {name: planted_group(name, 2, marked, methods=methods) for name in ("planted_context", "planted_own")}
    found = finds(groups, planted_evidence(groups, 64)).set_index(["panel", "method"])
    assert set(found["n"]) == {2}
    assert found.loc[("finds the marker", red), "mean"] == 1
    for place in product(["finds the badge"], [red, "ground_truth"]):  # constant on the target
        assert found.loc[place, "mean"] == 0.5
    assert found.loc[("finds the marker", "ground_truth"), "mean"] == 0.5  # and off it


# maps of known truth


def _made_group(**told: Any) -> Group:
    """The score is the mean brightness of the disc, which is 0.8 throughout."""
    masks = torch.ones(3, 32, 32, dtype=torch.bool)
    masks[1:, :4] = False
    masks[2, :, 25:] = False
    return seen(RegionOracle(DISC.float() / DISC.sum()), torch.full((3, 3, 32, 32), 0.8), masks, **told)


def _discs(count: int = 3) -> Tensor:
    return DISC.expand(count, -1, -1)


def test_a_made_map_of_degree_1_is_the_softened_evidence_whatever_the_grain_and_seed():
    wanted = ndimage.gaussian_filter(DISC.numpy().astype(float), 4)
    wanted = (wanted - wanted.min()) / np.ptp(wanted)
    for seed in (0, 1):
        maps = made_maps(_made_group(seed=seed), _discs(), (1.0,), (1, 4, 16))
        assert list(maps) == [(1.0, 1), (1.0, 4), (1.0, 16)]
        for drawn in maps.values():
            np.testing.assert_allclose(drawn, np.stack([wanted] * 3), atol=1e-5)


def test_a_made_map_of_degree_1_ranks_every_pixel_of_a_disc_above_all_others():
    drawn = made_maps(_made_group(), _discs(), (1.0,), (4,))[1.0, 4]
    assert (drawn[:, DISC].amin(1) > drawn[:, ~DISC].amax(1)).all()
    rows = evidence_found(*_alone(drawn), _discs(), torch.ones_like(_discs()))
    assert rows["auc"].tolist() == [1, 1, 1]


def test_a_made_map_of_degree_0_does_not_know_the_evidence_and_is_constant_on_its_cells():
    group, elsewhere = _made_group(), _discs().roll(7, 2)
    for side in (1, 4, 8):
        one, other = (made_maps(group, where, (0.0,), (side,))[0.0, side] for where in (_discs(), elsewhere))
        assert torch.equal(one, other)
        cells = one.view(3, 32 // side, side, 32 // side, side)
        assert torch.equal(cells.amax((2, 4)), cells.amin((2, 4)))
        assert all(len(drawn.unique()) == (32 // side) ** 2 for drawn in one)
        assert one.amin() == 0 and one.amax() == 1
        assert not torch.equal(one[0], one[1])  # of another image other noise
        again, drawn_anew = (made_maps(_made_group(seed=n), _discs(), (0.0,), (side,))[0.0, side] for n in (0, 1))
        assert torch.equal(again, one) and not torch.equal(drawn_anew, one)


def test_a_made_map_weighs_truth_and_noise_by_its_degree():
    maps = made_maps(_made_group(), _discs(), (0.0, 0.3, 1.0), (4,))
    mixed = 0.3 * maps[1.0, 4] + 0.7 * maps[0.0, 4]
    low, high = mixed.amin((1, 2), keepdim=True), mixed.amax((1, 2), keepdim=True)
    torch.testing.assert_close(maps[0.3, 4], (mixed - low) / (high - low), rtol=0, atol=1e-5)
    assert set(made_maps(_made_group(), _discs())) == set(product(DEGREES, GRAINS))


def test_where_the_disc_alone_counts_tdd_is_the_overlap_and_what_is_chance_an_overlap_too():
    """Zeros on a share of the disc take that share of the score."""
    group = _made_group(fill="zeros", null_every=20)
    maps = made_maps(group, _discs(), (0.0, 0.5, 1.0), (1, 8))
    k = 0.15
    rows = ordering(group, _discs(), maps, k, "zeros")
    assert len(rows) == 3 * len(maps)

    def overlap(one_map: Tensor, mask: Tensor) -> float:
        places = plain_top(one_map.numpy(), mask.numpy(), k)
        return sum(bool(DISC[place]) for place in places) / int(DISC.sum())

    for (degree, side), drawn in maps.items():
        found = rows[(rows["degree"] == degree) & (rows["grain"] == side)].set_index("sample_id")
        moved = moved_copies(drawn, 8, group.draws)
        blind = blind_selections(group.target.mask, k, group.draws, 20)
        lengths = border_length(blind.flatten(0, 1)).view(blind.shape[:2]).log()
        hits = (blind & DISC).sum((2, 3)) / DISC.sum()
        own = border_length(top_fraction(drawn, group.target.mask, k).pixels).log()
        chances = local_fit(lengths, hits, own)
        for number, sample in enumerate(group.samples):
            row, mask = found.loc[sample.sample_id], sample.mask
            wanted = overlap(drawn[number], mask)
            assert row["overlap"] == pytest.approx(wanted)
            assert row["tdd"] == pytest.approx(wanted, abs=1e-4)
            chance = np.mean([overlap(one[number], mask) for one in moved])
            assert row["moved_excess_tdd"] == pytest.approx(wanted - chance, abs=1e-4)
            assert row["excess_tdd"] == pytest.approx(wanted - float(chances[number]), abs=1e-4)
    truth = rows[rows["degree"] == 1]
    assert k * group.target.mask.sum((1, 2)).min() >= DISC.sum() and (truth["overlap"] == 1).all()
    assert (rows[rows["degree"] == 0]["overlap"] < 0.7).all()
    np.testing.assert_allclose(rank_agreement(rows, "overlap", ["tdd"]), 1, atol=0.02)  # but for rounding of ties


@pytest.mark.parametrize("shape", [(8, 8), (6, 9)])
def test_moved_copies_keep_the_multiset_of_values(shape):
    maps = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    moved = moved_copies(maps, 8, THREE)
    assert moved.shape == (8, 3, *shape)
    wanted = maps.flatten(1).sort()[0].expand(8, -1, -1)
    assert torch.equal(moved.flatten(2).sort(2)[0], wanted)
    assert not (moved == maps).flatten(2).all(2).any()


@pytest.mark.parametrize("shape", [(8, 8), (6, 9)])
def test_moved_copies_keep_which_pixels_are_neighbours_on_the_torus(shape):
    maps = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))

    def neighbours(one: torch.Tensor) -> set[frozenset[float]]:
        pairs = (zip(one.flatten().tolist(), one.roll(1, axis).flatten().tolist(), strict=True) for axis in (0, 1))
        return {frozenset(pair) for both in pairs for pair in both}

    for surrogate in moved_copies(maps, 8, THREE):
        for one, other in zip(maps, surrogate, strict=True):
            assert neighbours(one) == neighbours(other)


def test_moved_copies_are_drawn_per_image_and_seed_and_not_per_map_or_batch():
    first = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(moved_copies(first, 8, THREE), moved_copies(first, 8, THREE))
    alone = moved_copies(first[1:2], 8, Draws(3, ["b"]))
    torch.testing.assert_close(alone[:, 0], moved_copies(first, 8, THREE)[:, 1])
    torch.testing.assert_close(moved_copies(first, 3, THREE), moved_copies(first, 8, THREE)[:3])
    assert not torch.equal(moved_copies(first, 8, THREE), moved_copies(first, 8, Draws(4, ["a", "b", "c"])))


def test_every_map_of_an_image_is_moved_alike():
    places = torch.arange(64.0).view(1, 8, 8).expand(3, -1, -1)
    where = moved_copies(places.contiguous(), 8, THREE).long()
    maps = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(1))
    moved = moved_copies(maps, 8, THREE)
    for number in range(8):
        for one in range(3):
            assert torch.equal(moved[number, one], maps[one].flatten()[where[number, one]])
    assert len({tuple(one.flatten().tolist()) for one in where.flatten(0, 1)}) == 24


def test_the_judge_that_was_fooled_praises_noise_on_the_target_and_the_one_in_use_does_not():
    """Moved copies of noise on the target leave a solid block of ties, which takes next to nothing of the score."""
    settings = {"dataset": "shapes", "model": "shapes_lraspp", "samples": 4, "order": "shuffled", "image_size": 128}
    run = read_settings({**settings, "methods": ["random_masked", "random"], "batch_size": 16}).runs()[0]
    group = group_of(run, draw(load_dataset("shapes"), 4, "shuffled", 0))
    said = judged_twice(group, run.method_keys(), 0.2, "mean")
    assert list(said.columns) == ["sample_id", "key", *JUDGES] and len(said) == 8
    means = said.groupby("key")[list(JUDGES)].mean()
    assert means.loc["random_masked", "moved_excess_tdd"] > 0.3
    assert abs(means["excess_tdd"]).max() < 0.1
    moved = moved_excess_tdd(group, group.maps_of(run.method_keys()[0])[0], 0.2, bind_fill("mean", group.images))
    assert said[said["key"] == "random_masked"]["moved_excess_tdd"].tolist() == pytest.approx(moved.tolist(), abs=1e-6)


def test_less_than_the_evidence_holds_less_of_it():
    group = _made_group()
    k = 0.5 * float(DISC.sum()) / 32**2
    rows = ordering(group, _discs(), made_maps(group, _discs(), (1.0,), (4,)), k, "mean")
    for row, mask in zip(rows.itertuples(), group.target.mask, strict=True):
        assert row.overlap == pytest.approx(round(k * int(mask.sum())) / int(DISC.sum()), abs=1e-6)


def test_the_agreement_of_ranks_is_scipys_image_by_image():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [
            {"sample_id": name, "overlap": rng.integers(0, 4) / 4, "tdd": rng.random(), "same": 0.0, "grain": grain}
            for name in ("z", "a", "m")
            for grain in range(12)
        ]
    )
    table["same"] = -3 * table["overlap"]
    found = rank_agreement(table, "overlap", ["tdd", "same"])
    assert list(found.index) == ["z", "a", "m"] and list(found.columns) == ["tdd", "same"]
    for name, rows in table.groupby("sample_id"):
        assert found.loc[name, "tdd"] == pytest.approx(stats.spearmanr(rows["overlap"], rows["tdd"])[0])
        assert found.loc[name, "same"] == pytest.approx(-1)


# tables whose answers are known


def table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a run leaves them."""
    usual = {"run_id": "r", "dataset": "d", "model": "m", "seed": 0, "class_id": 1, "method": "ria", "variant": ""}
    usual |= {"metric": "tdd", "k": 0.2, "fill": "mean", "status": "ok", "reason": None}
    return pd.DataFrame([{**usual, **row} for row in rows])


FILLS = ["zeros", "blur", "mean"]
LEVEL = {"zeros": 0.4, "blur": 0.1, "mean": 0.2}


def crossed(own: float) -> pd.DataFrame:
    """Each judge has a level on each image, to which the maker adds only if it is the judge: then `own`."""
    rng = np.random.default_rng(3)
    rows = []
    for name, judge in product(("z", "a", "m"), FILLS):
        level = LEVEL[judge] + rng.random()
        for maker in FILLS:
            about = {"sample_id": name, "variant": f"fill={maker}", "fill": judge}
            rows.append({**about, "value": level + own * (maker == judge)})
            rows.append({**about, "value": 9.0, "k": 0.4})  # neither another k nor another metric counts
            rows.append({**about, "value": 9.0, "metric": "odd_abs"})
    return table_of(rows)


def test_makers_stand_in_rows_and_judges_in_columns():
    rows = crossed(0.1)
    found = cross_table(rows, "tdd", 0.2)
    assert list(found.index) == FILLS and list(found.columns) == FILLS
    mine = rows[(rows["metric"] == "tdd") & (rows["k"] == 0.2)]
    for maker, judge in product(FILLS, FILLS):
        values = mine[(mine["variant"] == f"fill={maker}") & (mine["fill"] == judge)]["value"]
        assert len(values) == 3 and found.loc[maker, judge] == pytest.approx(values.mean())


@pytest.mark.parametrize("own", [0.1, -0.2, 0.0])
def test_what_a_map_gains_under_its_own_operator_is_counted_under_the_same_judge(own):
    found = own_operator(crossed(own), "tdd", 0.2)
    assert list(found.index) == ["z", "a", "m"]
    np.testing.assert_allclose(found, own, atol=1e-12)


def judged(n: int, mean: np.ndarray) -> pd.DataFrame:
    """Three methods on n images of very different difficulty: blur orders them as zeros does, mean by `mean` (n, 3)."""
    values = 10 * np.arange(n)[:, None] + np.array([0.1, 0.2, 0.3])
    by_fill = {"zeros": values, "blur": np.exp(values / 100), "mean": 10 * np.arange(n)[:, None] + mean}
    return table_of(
        [
            {"sample_id": f"i{image}", "method": method, "fill": fill, "value": table[image, place]}
            for fill, table in by_fill.items()
            for image in range(n)
            for place, method in enumerate(("ria", "ega", "random"))
        ]
    )


def test_judges_agree_by_how_they_order_the_methods_of_an_image_whatever_the_images():
    opposite = np.tile([0.3, 0.2, 0.1], (14, 1))
    opposite[0] = [0.1, 0.2, 0.3]
    opposite[1] = 0.5  # all equal: no order
    rows = judged(14, opposite)
    rows.loc[(rows["sample_id"] == "i5") & (rows["method"] == "ega") & (rows["fill"] == "mean"), "value"] = np.nan
    found = operator_agreement(rows, "tdd", 0.2).set_index(["fill", "other"])
    assert list(found.index) == [("zeros", "blur"), ("zeros", "mean"), ("blur", "mean")]
    assert found.loc[("zeros", "blur"), ["spearman", "low", "high", "n", "pooled"]].tolist() == [1, 1, 1, 14, 1]
    against = found.loc[("zeros", "mean")]
    values = np.array([1.0] + [-1.0] * 11)  # i1 has no order, i5 two methods alone
    assert against["n"] == 12 and against["spearman"] == pytest.approx(values.mean())
    assert [against["low"], against["high"]] == pytest.approx(studentised_interval(values), nan_ok=True)
    assert against["pooled"] > 0.98  # between the images the judges agree, and pooling shows nothing else
    wide = rows.pivot_table(index=["sample_id", "method"], columns="fill", values="value").dropna()
    assert against["pooled"] == pytest.approx(stats.spearmanr(wide["zeros"], wide["mean"])[0])


def test_the_agreement_of_judges_within_images_is_scipys_and_few_images_have_no_interval():
    rng = np.random.default_rng(0)
    rows = judged(8, rng.random((8, 3)))
    found = operator_agreement(rows, "tdd", 0.2).set_index(["fill", "other"]).loc[("blur", "mean")]
    wide = rows.pivot_table(index=["sample_id", "method"], columns="fill", values="value")
    alike = [stats.spearmanr(one["blur"], one["mean"])[0] for _, one in wide.groupby("sample_id")]
    assert found["spearman"] == pytest.approx(np.mean(alike)) and found["n"] == 8
    assert np.isnan([found["low"], found["high"]]).all()


def test_means_leave_out_what_is_missing_and_count_the_rest():
    table = pd.DataFrame({"b": [0.1, np.nan, 0.5, 0.3], "a": [0.25, 0.25, 0.25, 0.25], "c": [1, 2, np.nan, np.nan]})
    table["none"] = np.nan
    found = means(table, 0.9, 5).set_index("method")
    assert list(found.index) == ["b", "a", "c", "none"] and found["n"].tolist() == [3, 4, 2, 0]
    assert found["mean"].tolist() == pytest.approx([0.3, 0.25, 1.5, np.nan], nan_ok=True)
    assert found[["low", "high"]].isna().all(axis=None)  # of so few images
    many = np.random.default_rng(0).random(15)
    (row,) = means(pd.DataFrame({"d": [*many, np.nan]}), 0.9, 5)[["low", "high"]].to_numpy()
    assert row.tolist() == list(studentised_interval(many, 0.9, 5))


def test_a_share_of_itself_is_1_and_of_half_of_it_2():
    rng = np.random.default_rng(0)
    values = rng.random(20)
    table = pd.DataFrame({"twice": 2 * values, "whole": values, "other": rng.random(20), "against": -values})
    table.loc[20] = [np.nan, 5, 5, 5]  # an image that one of them lacks is none of their pairs
    found = relative(table, "whole").set_index("method")
    assert list(found.index) == list(table.columns) and set(found["n"]) == {20}
    for name, share in (("whole", 1), ("twice", 2), ("against", -1)):
        assert found.loc[name, ["share", "low", "high"]].tolist() == pytest.approx([share] * 3, abs=1e-12)
    assert found.loc["whole", ["share", "low", "high"]].tolist() == [1, 1, 1]
    other = found.loc["other"]
    assert other["share"] == pytest.approx(table["other"][:20].mean() / values.mean())
    assert (other["low"], other["high"]) == studentised_interval(table["other"][:20].to_numpy(), per=values)
    wider = relative(table, "whole", level=0.99).set_index("method").loc["other"]
    assert wider["low"] < other["low"] < other["high"] < wider["high"]


PASSES = {"adaptive_ria(budget=9)": 9, "ria(grid=4)": 17, "ria(grid=2)": 5}
EARNED = {"adaptive_ria(budget=9)": 0.3, "ria(grid=4)": 0.4, "ria(grid=2)": 0.1}


def budgets() -> pd.DataFrame:
    """TDD is earned + image + k, half as much under blur; excess TDD a tenth of it, |ODD| the fifth."""
    rows = []
    for name, (place, offset) in product(EARNED, enumerate((0.0, 0.1, 0.2, 0.3))):
        method, text = name.rstrip(")").split("(")
        about = {"sample_id": f"i{place}", "method": method, "variant": text}
        tdd = EARNED[name] + offset
        for k, fill in product((0.1, 0.2, 0.6), ("mean", "blur")):
            weight = 1 if fill == "mean" else 0.5
            rows.append({**about, "k": k, "fill": fill, "value": weight * (tdd + k)})
            rows.append({**about, "metric": "odd_abs", "k": k, "fill": fill, "value": weight * tdd / 5 + (k != 0.2)})
        rows.append({**about, "metric": "excess_tdd", "value": tdd / 10})
        rows.append({**about, "metric": "passes", "k": None, "fill": None, "value": PASSES[name]})
    return table_of(rows)


MEASURED = {"TDD, mean ↑": (1, 0.3), "TDD, blur ↑": (0.5, 0.15), "excess TDD ↑": (0.1, 0), "|ODD| ↓": (0.2, 0)}


def test_faithfulness_is_a_mean_over_every_k_under_each_fill_and_one_k_of_the_rest():
    found = faithfulness(budgets(), 0.2)
    assert list(found) == list(MEASURED)
    for panel, (weight, added) in MEASURED.items():
        assert set(found[panel].columns) == set(EARNED)
        for name, earned in EARNED.items():
            wanted = [weight * (earned + offset) + added for offset in (0, 0.1, 0.2, 0.3)]
            assert found[panel][name].tolist() == pytest.approx(wanted)


def test_a_budget_curve_has_a_line_a_method_in_the_order_of_passes():
    found = budget_curve(budgets(), 0.2)
    assert found["passes"].is_monotonic_increasing and len(found) == 3 * 4
    for row in found.itertuples():
        weight, added = MEASURED[row.panel]
        assert row.passes == PASSES[row.method]
        assert row.line == row.method.split("(")[0]
        assert row.mean == pytest.approx(weight * (EARNED[row.method] + 0.15) + added)
        assert np.isnan([row.low, row.high]).all() and row.n == 4


def test_reach_is_a_share_of_the_method_named_at_its_passes():
    found = reach(budgets(), 0.2, "ria(grid=4)")
    assert list(found["panel"].unique()) == list(MEASURED) and len(found) == 3 * 4
    for row in found.itertuples():
        weight, added = MEASURED[row.panel]
        mean, whole = (weight * (EARNED[name] + 0.15) + added for name in (row.method, "ria(grid=4)"))
        assert row.share == pytest.approx(mean / whole)
        assert row.passes == PASSES[row.method]
        assert np.isnan([row.low, row.high]).all() and row.n == 4


def test_noise_stands_at_its_mean_border_length():
    rows = table_of(
        [
            {"sample_id": f"i{n}", "method": "random_cells", "variant": f"grid={grid}", "fill": fill, "metric": metric}
            | {"value": weight * 32 / grid + n, "k": k}
            for n, grid, (fill, weight), (metric, k) in product(
                range(3), (8, 2, 32), (("mean", 1), ("blur", 3)), (("tdd", 0.2), ("tdd", 0.4), ("odd", 0.2))
            )
        ]
        + [
            {"sample_id": f"i{n}", "method": "random_cells", "variant": f"grid={grid}", "fill": None}
            | {"metric": "border", "value": grid / 32 + n, "k": 0.2}
            for n, grid in product(range(3), (8, 2, 32))
        ]
    )
    rows.loc[rows["k"] == 0.4, "value"] = -1
    curve = noise_curve(rows, 0.2)
    assert curve[BORDER].tolist() == pytest.approx([1 + grid / 32 for grid in (2, 2, 8, 8, 32, 32)])
    for row in curve.to_dict("records"):
        side = 1 / (row[BORDER] - 1)
        assert row["mean"] == pytest.approx({"mean": 1, "blur": 3}[row["line"]] * side + 1)
        assert row["n"] == 3


def test_a_cascade_curve_begins_at_1_and_follows_the_means():
    values = {("ria", 0.5): [0.8, 0.4], ("ria", 1.0): [0.2, -0.2], ("random", 0.5): [1, 1], ("random", 1.0): [1, 1]}
    rows = pd.DataFrame(
        [
            {"sample_id": f"i{n}", "method": method, "variant": "", "share": share, "pearson": 7, "spearman": value}
            for (method, share), pair in reversed(values.items())
            for n, value in enumerate(pair)
        ]
    )
    found = cascade_curve(rows)
    assert found[SHARE].is_monotonic_increasing
    curves = found.set_index(["line", SHARE])
    assert len(curves) == 2 * 3 and set(curves["n"]) == {2}
    for name in ("ria", "random"):
        assert curves.loc[(name, 0.0), ["mean", "low", "high"]].tolist() == [1, 1, 1]
        for share in (0.5, 1.0):
            assert curves.loc[(name, share), "mean"] == pytest.approx(np.mean(values[name, share]))


def test_two_variants_of_a_method_are_two_lines_of_a_cascade():
    rows = pd.DataFrame(
        [
            {"sample_id": f"i{n}", "method": "ria", "variant": text, "share": 1.0, "spearman": value}
            for text, value in (("grid=7", 0.2), ("grid=14", 0.8))
            for n in range(3)
        ]
    )
    found = cascade_curve(rows)
    assert sorted(found[found[SHARE] == 1]["mean"]) == pytest.approx([0.2, 0.8])


def leaking(values: dict[str, dict[str, list[float]]]) -> dict[str, pd.DataFrame]:
    """odd_abs of each method and image under two data sets, and thrice that as leak_abs."""
    return {
        name: table_of(
            [
                {"dataset": name, "sample_id": f"i{n}", "method": method, "metric": metric, "value": weight * value}
                for method, series in methods.items()
                for n, value in enumerate(series)
                for metric, weight in (("odd_abs", 1), ("leak_abs", 3))
            ]
        )
        for name, methods in values.items()
    }


def test_leakage_is_context_minus_control_on_the_same_images():
    context = {"ria": [0.5, 0.4, 0.3, 0.2], "random": [0.1, 0.2, 0.3, 0.4]}
    control = {"ria": [0.1, 0.1, 0.3, 0.4], "random": [0.1, 0.2, 0.3, 0.4]}
    found = leakage_found(leaking({"planted_context": context, "planted_own": control})).set_index(["metric", "method"])
    assert found["n"].tolist() == [4] * 4
    for metric, weight in (("odd_abs", 1), ("leak_abs", 3)):
        assert found.loc[(metric, "ria"), "mean"] == pytest.approx(weight * (0.4 + 0.3 + 0 - 0.2) / 4)
        assert found.loc[(metric, "ria"), "share"] == 2.5 / 4  # two above, one tie
        assert found.loc[(metric, "random"), ["mean", "share"]].tolist() == [0, 0.5]
    assert found[["low", "high"]].isna().all(axis=None)


def test_a_share_of_images_is_of_those_its_mean_is_over():
    """random has no value on the only image where ria leaks less; that is not ria's affair."""
    context = {"ria": [0.5, 0.4, 0.3, 0.0], "random": [0.1, 0.2, 0.3, np.nan]}
    control = {"ria": [0.1, 0.1, 0.1, 0.4], "random": [0.2, 0.1, 0.1, 0.1]}
    found = leakage_found(leaking({"planted_context": context, "planted_own": control})).set_index(["metric", "method"])
    assert found.loc[("odd_abs", "ria"), ["share", "n"]].tolist() == [3 / 4, 4]
    assert found.loc[("odd_abs", "random"), ["share", "n"]].tolist() == [2 / 3, 3]


def test_images_that_only_one_of_the_models_saw_are_no_pairs():
    context, control = {"ria": [0.5, 0.4, 0.3]}, {"ria": [0.1, 0.2]}
    found = leakage_found(leaking({"planted_context": context, "planted_own": control}))
    assert found["n"].tolist() == [2, 2] and found["mean"].tolist() == pytest.approx([0.3, 0.9])
    with pytest.raises(UserError, match="found none"):
        leakage_found(
            {name: table_of([{"sample_id": "i0", "value": 1.0}]) for name in ("planted_context", "planted_own")}
        )


# precision


def test_the_same_precision_twice_changes_nothing():
    group = toy(3)
    found = precisions(group, ["float32", "float32", "bfloat16"], 4, "mean", 0.2)
    assert found["precision"].tolist() == ["float32"] * 4 + ["bfloat16"] * 2
    assert found["layout"].tolist() == ["channels first", "channels last"] * 3
    found = found[found["layout"] == "channels first"].reset_index()
    assert found["pearson"][:2].tolist() == pytest.approx([1, 1], abs=1e-6) and found["largest"][:2].tolist() == [0, 0]
    assert found["tdd"][0] == found["tdd"][1] and (found["seconds"] > 0).all()
    one = method_key("ria(grid=4)")
    values = [row["value"] for row in group.rows_of(one, ["tdd"])[0]]
    assert found["tdd"][0] == pytest.approx(np.mean(values), abs=1e-5)
    assert runtime_of(group.score.model) == group.runtime  # TDD is measured, and the group left, as the run has it
    coarse = ria(group.score, group.images, group.target, grid=4)
    prepare(group.score.model, (16, 16), "cpu", "bfloat16", 8, torch.contiguous_format)
    coarser = ria(group.score, group.images, group.target, grid=4)
    alike = [plain_pearson(*pair) for pair in zip(coarse.numpy(), coarser.numpy(), strict=True)]
    assert found["pearson"][2] == pytest.approx(np.mean(alike), abs=1e-3) and found["pearson"][2] < 1


def test_the_fastest_of_what_is_near_enough_is_chosen():
    table = pd.DataFrame(
        {"precision": ["a", "b", "c", "d"], "seconds": [4.0, 3.0, 2.0, 1.0], "tdd": [0.5, 0.502, 0.49, 0.6]}
    )
    for tolerance, wanted in ((0.0, "a"), (0.005, "b"), (0.02, "c"), (1.0, "d")):
        assert chosen_precision(table, tolerance)["precision"] == wanted
    slow = table.assign(seconds=[1.0, 2.0, 3.0, 4.0])
    assert chosen_precision(slow, 1.0)["precision"] == "a"
