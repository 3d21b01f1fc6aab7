from __future__ import annotations

import functools
import io
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote
from xml.etree import ElementTree

import ipywidgets as w
import numpy as np
import pytest
import torch
import yaml
from ipywidgets.embed import dependency_state, embed_data
from PIL import Image
from skimage import measure
from torch import nn

from segattr_lib.attribution import METHODS, Method, cam, methods_of, trivial
from segattr_lib.attribution.fusion import dual_evidence
from segattr_lib.attribution.intervention import ria
from segattr_lib.benchmark.runner import group_of
from segattr_lib.data import load_dataset
from segattr_lib.evaluate import evaluate, model_score
from segattr_lib.explorer import explore as explore_live
from segattr_lib.explorer import frozen, saving
from segattr_lib.metrics import deletion, metric_key
from segattr_lib.models import MODELS, Entry, loading, names
from segattr_lib.models.loading import load_model
from segattr_lib.models.runtime import prepare
from segattr_lib.perturbation import bind_fill, occlude, top_fraction
from segattr_lib.profiles import defaults, load_settings
from segattr_lib.registry import UserError
from segattr_lib.report.panels import OUTLINE, figure, outlined, overlay
from segattr_lib.report.slider import LEVELS, deletion_slider
from segattr_lib.report.steps import level_curve, marked
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

SIZE = 48  # px
explore = functools.partial(explore_live, threaded=False)  # a choice returns when all is shown


def tiny() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(8, 7, 3, padding=1)
    )


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(MODELS, "tiny", Entry("segmenter", f"{__name__}:tiny", ()))


@pytest.fixture
def scene(registered):
    """A score, its image and two maps."""
    sample = load_dataset("shapes").load("test-00000", SIZE)
    segmenter = load_model("tiny", "1", shape=(SIZE, SIZE))
    prepare(segmenter.module, (SIZE, SIZE), "cpu", batch_size=8)
    score = bind(segmenter.module, Target(torch.tensor([sample.class_id]), sample.mask[None]))
    rng = torch.Generator().manual_seed(0)
    return score, sample.image, {"first": torch.rand(SIZE, SIZE, generator=rng), "second": sample.image.mean(0)}


@pytest.fixture
def app(registered):
    return explore(dataset="shapes", model="tiny", layer="1", image_size=SIZE, samples=3, device="cpu", batch_size=8)


def control(app: w.VBox, description: str):
    return next(widget for widget in app.children[0].children if widget.description == description)


def said(app: w.VBox) -> str:
    return re.sub("<[^>]+>", "", app.children[1].value)


def table(app: w.VBox) -> dict[str, str]:
    assert not said(app)
    return dict(re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", app.children[2].value))


def captions(frames: w.Stack) -> list[tuple[float, float, float]]:
    """s(x), the score left and TDD, as each frame has them in words."""
    texts = [re.search(r"score ([-.\d]+) → ([-.\d]+), TDD ([-.\d]+)", frame.value) for frame in frames.children]
    return [tuple(map(float, text.groups())) for text in texts]


def direct(score, image, one_map, k):
    """s(O(x, S_t)) with nothing of the slider's."""
    images, mask = image[None], score.target.mask
    selected = top_fraction(one_map[None], mask, k).pixels
    zero = torch.zeros(1, dtype=torch.long)
    deleted = occlude(images, selected, zero, bind_fill("mean", images))
    return deleted[0], evaluate(score, 1, lambda start, stop: (deleted, zero)).item()


def test_the_slider_has_a_frame_for_every_map_and_level(scene):
    methods, slider, outer = deletion_slider(*scene).children
    assert methods.options == ("first", "second")
    assert len(slider.options) == len(LEVELS)
    for box in outer.children:
        assert len(box.children[1].children) == len(LEVELS)
        assert box.children[1].selected_index == slider.index


def test_a_page_without_a_kernel_gets_every_link(scene):
    box = deletion_slider(*scene)
    methods, slider, outer = box.children
    state = embed_data(views=[box], state=dependency_state([box]))["manager_state"]["state"]
    links = [model["state"] for model in state.values() if model["model_name"] == "LinkModel"]
    ends = {(*link["source"], *link["target"]) for link in links}
    reference = {widget: f"IPY_MODEL_{widget.model_id}" for widget in (methods, slider, outer)}
    inner = [f"IPY_MODEL_{box.children[1].model_id}" for box in outer.children]
    expected = {(reference[slider], "index", frames, "selected_index") for frames in inner}
    assert ends == expected | {(reference[methods], "index", reference[outer], "selected_index")}


def test_a_caption_tells_the_score_a_direct_computation_gives(scene):
    score, image, maps = scene
    outer = deletion_slider(score, image, maps, levels=(0.0, 0.2, 0.7, 1.0)).children[2]
    whole = model_score(score, image[None]).item()
    for one_map, box in zip(maps.values(), outer.children, strict=True):
        for k, (before, left, drop) in zip((0.2, 0.7, 1.0), captions(box.children[1])[1:], strict=True):
            expected = direct(score, image, one_map, k)[1]
            assert before == pytest.approx(whole, abs=6e-4)
            assert left == pytest.approx(expected, abs=6e-4)
            assert drop == pytest.approx((whole - expected) / whole, abs=6e-4)


def test_level_zero_is_the_untouched_image_without_a_drop(scene):
    score, image, maps = scene
    for box in deletion_slider(score, image, maps).children[2].children:
        frames = box.children[1]
        before, left, drop = captions(frames)[0]
        assert (before, drop) == (left, 0)
        assert source(frames.children[0].value) == source(figure(image.movedim(0, 2).numpy(), "", "", 192))
        assert source(frames.children[0].value) != source(frames.children[1].value)


def test_a_frame_is_the_image_with_the_map_s_top_filled(scene):
    score, image, maps = scene
    box = deletion_slider(score, image, maps, levels=(0.3,)).children[2].children[1]
    deleted, _ = direct(score, image, maps["second"], 0.3)
    assert source(box.children[1].children[0].value) == source(figure(deleted.movedim(0, 2).numpy(), "", "", 192))


def test_every_picture_has_its_own_alternative_text(scene):
    outer = deletion_slider(*scene).children[2]
    texts = [
        re.search('alt="([^"]+)"', picture.value)[1]
        for box in outer.children
        for picture in (box.children[0], *box.children[1].children)
    ]
    assert len(set(texts)) == len(texts)


def test_one_map_needs_no_choice(scene):
    score, image, maps = scene
    slider, box = deletion_slider(score, image, {"second": maps["second"].numpy()}).children
    assert isinstance(slider, w.SelectionSlider)
    assert len(box.children[1].children) == len(LEVELS)


def test_five_maps_of_a_scene_fit_into_a_page(registered):
    sample = load_dataset("shapes").load("test-00003", 224)  # a cluttered one
    segmenter = load_model("tiny", "1")
    prepare(segmenter.module, device="cpu", batch_size=8)
    score = bind(segmenter.module, Target(torch.tensor([sample.class_id]), sample.mask[None]))
    maps = {str(number): torch.rand(224, 224) for number in range(5)}
    box = deletion_slider(score, sample.image, maps)
    frames = [frame.value for row in box.children[2].children for frame in row.children[1].children]
    assert max(map(len, frames)) < 13_000
    assert sum(map(len, frames)) < 600_000


def test_a_linear_fill_takes_the_draws_of_the_image_alone(scene):
    score, image, maps = scene
    box = deletion_slider(score, image, maps, fill="linear", draws=Draws(0, ["test-00000"]), levels=(0.0, 0.3))
    assert len(box.children[2].children) == 2
    with pytest.raises(ValueError, match="those of 2 samples"):
        deletion_slider(score, image, maps, fill="linear", draws=Draws(0, ["test-00000", "test-00001"]))


@pytest.mark.parametrize("levels", [(), (0.2, 0.1), (0.0, 1.5), (-0.1, 0.5)])
def test_levels_that_are_none_are_refused(scene, levels):
    with pytest.raises(ValueError, match="expected rising fractions"):
        deletion_slider(*scene, levels=levels)


def test_a_map_of_another_size_is_refused_by_name(scene):
    score, image, maps = scene
    with pytest.raises(ValueError, match=r"'second' is \(10, 10\); expected \(48, 48\)"):
        deletion_slider(score, image, {**maps, "second": torch.zeros(10, 10)})


def test_the_app_shows_what_direct_calls_give(app, scene):
    score, image, _ = scene
    images, target = image[None], score.target
    control(app, "Method").value = "dea"
    control(app, "Sample").value = "test-00001"
    control(app, "Sample").value = "test-00000"
    for k, grid, alpha, beta in [
        (0.2, 14, 0.65, 0.35),
        (0.4, 14, 0.65, 0.35),
        (0.4, 7, 0.65, 0.35),
        (0.4, 7, 0.1, 1.5),
    ]:
        for description, value in {"k": k, "Grid": grid, "alpha": alpha, "beta": beta}.items():
            control(app, description).value = value
        gradient, intervention = cam.ega(score, images, target, layer="1"), ria(score, images, target, grid=grid)
        maps = dual_evidence(gradient, intervention, alpha=alpha, beta=beta)
        asked = {"k": k, "fill": bind_fill("mean", images), "base": model_score(score, images)}
        assert source(figure(overlay(image, maps[0], target.mask[0].numpy()), "", "", 224)) in app.children[2].value
        deleted = direct(score, image, maps[0], k)[0]
        assert source(figure(deleted.movedim(0, 2).numpy(), "", "", 224)) in app.children[2].value
        values = table(app)
        for label, expected in {
            "TDD": deletion.tdd(score, images, maps, target, **asked).item(),
            "|ODD|": abs(deletion.odd(score, images, maps, target, **asked).item()),
            "Insertion": deletion.insertion(score, images, maps, target, **asked).item(),
            "s(x)": asked["base"].item(),
        }.items():
            assert float(values[label]) == pytest.approx(expected, abs=6e-4), label
        assert values["passes"] == str(grid**2 + 1 + 3)


def test_alpha_beta_and_k_ask_for_no_map_again(monkeypatch, registered):
    calls = []

    @functools.wraps(ria)
    def counted(*arguments, **options):
        calls.append(options["grid"])
        return ria(*arguments, **options)

    monkeypatch.setitem(METHODS, "ria", replace(METHODS["ria"], place=counted))
    app = explore(dataset="shapes", model="tiny", layer="1", image_size=SIZE, samples=2, device="cpu", batch_size=8)
    before = table(app)
    control(app, "alpha").value = 0.2
    control(app, "beta").value = 1.0
    control(app, "k").value = 0.5
    control(app, "Method").value = "ria"
    assert calls == [14]
    assert table(app)["TDD"] != before["TDD"]
    control(app, "Grid").value = 5
    assert calls == [14, 5]


def test_what_is_shown_first_takes_few_passes(registered):
    app = explore(dataset="shapes", model="tiny", layer="1", image_size=24, samples=1, device="cpu", batch_size=8)
    assert control(app, "Method").value == "adaptive_dea"
    assert int(table(app)["passes"]) <= 49 + 3


def test_a_method_greys_out_what_it_does_not_take(app):
    assert not control(app, "alpha").disabled
    control(app, "Method").value = "gpa"
    assert [control(app, name).disabled for name in ("Grid", "alpha", "beta", "k")] == [True, True, True, False]


def test_a_new_method_appears_by_itself(monkeypatch, registered):
    monkeypatch.setitem(METHODS, "mine", Method(trivial.centre, "mine", "own"))
    app = explore(dataset="shapes", model="tiny", layer="1", image_size=SIZE, samples=1, device="cpu", batch_size=8)
    control(app, "Method").value = "mine"
    assert "Its mine map" in app.children[2].value
    assert set(names("segmenter")) == set(control(app, "Model").options)


def test_every_method_can_be_shown(app):
    for _, name in control(app, "Method").options:
        control(app, "Method").value = name
        assert not said(app), name
        assert table(app)["s(x)"]


def test_an_error_is_one_sentence_and_passes(registered):
    app = explore(dataset="shapes", model="tiny", layer="1", image_size=24, samples=1, device="cpu", batch_size=8)
    control(app, "Method").value = "dea"
    control(app, "Grid").value = 32
    assert said(app) == "grid is 32; expected at most 24, the image&#x27;s size in px."
    assert not app.children[2].value
    control(app, "Grid").value = 8
    assert not said(app)
    assert table(app)["TDD"]


@pytest.mark.parametrize("error", [RuntimeError("no\nmap"), KeyError("map"), MemoryError("no map")])
def test_whatever_a_method_raises_is_one_sentence(registered, monkeypatch, error):
    def broken(*_: object, **_options: object) -> None:
        raise error

    app = explore(dataset="shapes", model="tiny", layer="1", image_size=24, samples=1, device="cpu", batch_size=8)
    monkeypatch.setitem(METHODS, "random", Method(broken, "broken", "own"))
    control(app, "Method").value = "random"
    assert "map" in said(app) and "\n" not in said(app) and not app.children[2].value
    control(app, "Method").value = "half"
    assert not said(app) and table(app)["TDD"]


def test_a_slider_refuses_a_map_that_is_not_finite():
    score = bind(tiny(), Target(torch.tensor([0]), torch.ones(1, 8, 8, dtype=torch.bool)))
    with pytest.raises(ValueError, match="'mine' holds a value that is not finite"):
        deletion_slider(score, torch.zeros(3, 8, 8), {"mine": torch.full((8, 8), torch.nan)})


def test_missing_weights_are_one_sentence(app, monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "WEIGHTS", tmp_path)
    control(app, "Model").value = "shapes_fcn"
    assert said(app).startswith("The weights of &#x27;shapes_fcn&#x27; are not at")
    assert "Traceback" not in said(app)


def test_frozen_is_what_the_app_shows(app):
    assert "onclick" in app.children[2].value and "onclick" not in frozen(app).data  # nobody would hear it
    assert re.sub("<div[^>]*>", "<div>", frozen(app).data) == re.sub("<div[^>]*>", "<div>", app.children[2].value)
    assert frozen(app).data.count("<img ") == 3


def source(text: str) -> str:
    """The picture in a figure's HTML."""
    return re.search('src="([^"]+)"', text)[1]


def tiny_classifier() -> nn.Module:
    """Seven classes, as the data of shapes has."""
    torch.manual_seed(1)
    features = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU())
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 7))


@pytest.fixture
def classifier(monkeypatch):
    monkeypatch.setitem(MODELS, "tiny_classifier", Entry("classifier", f"{__name__}:tiny_classifier", ("0",)))
    return {"model": "tiny_classifier", "image_size": SIZE, "samples": 2, "device": "cpu", "batch_size": 8}


def test_a_class_map_opens_a_classifier_whose_whole_image_is_deleted_from(classifier):
    app = explore(dataset="shapes", class_map="predicted", **classifier)
    assert not said(app)
    image = load_dataset("shapes").load("test-00000", SIZE).image[None]
    class_id = int(tiny_classifier().eval()(image).argmax())
    assert f"Target: {load_dataset('shapes').class_names[class_id]}" in app.children[2].value
    assert "Without the top 20% of the image" in app.children[2].value
    assert "AD" in table(app) and "TDD" not in table(app)
    assert [name for _, name in control(app, "Method").options] == methods_of("classification")
    assert set(control(app, "Model").options) == set(names("classifier"))


def test_a_classifier_on_photographs_is_asked_what_it_says(classifier):
    app = explore(dataset="photographs", **classifier)
    assert not said(app)
    assert "AD" in table(app) and "TDD" not in table(app)
    assert set(control(app, "Model").options) == set(names("classifier"))


def test_backgrounds_are_those_of_the_settings(classifier, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(30):
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(tmp_path / f"{number}.png")
    app = explore(dataset="single_shapes", backgrounds=str(tmp_path), **classifier)
    assert not said(app)
    own, plain = (load_dataset("single_shapes", backgrounds=folder) for folder in (str(tmp_path), None))
    shown = [
        source(figure(outlined(sample.image.movedim(0, 2).numpy(), sample.mask.numpy()), "", "", 224))
        for sample in (dataset.load(control(app, "Sample").value, SIZE) for dataset in (own, plain))
    ]
    assert [picture in app.children[2].value for picture in shown] == [True, False]


def test_fewer_samples_than_asked_for_are_no_fault_and_an_unknown_setting_is(classifier, tmp_path):
    with pytest.raises(UserError, match="Unknown parameter 'datset' \\(did you mean 'dataset'"):
        explore(datset="shapes")
    count = len(load_dataset("single_shapes", split="val").sample_ids)
    app = explore(dataset="single_shapes", split="val", **{**classifier, "samples": count + 1})
    assert len(control(app, "Sample").options) == count


def test_a_picture_is_uploaded_and_explained_as_the_model_sees_it(registered):
    app = explore(dataset="shapes", model="tiny", layer="1", image_size=SIZE, samples=1, device="cpu", batch_size=8)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 60, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    upload = next(widget for widget in app.children[0].children if isinstance(widget, w.FileUpload))
    about = {"name": "mine.png", "type": "image/png", "size": 1, "last_modified": datetime.now(UTC)}
    upload.value = [{**about, "content": memoryview(file.getvalue())}]
    assert control(app, "Sample").value == "mine.png"
    assert not said(app)
    resized = Image.fromarray(pixels).resize((SIZE, SIZE // 2), Image.Resampling.BILINEAR)
    image = torch.from_numpy(np.array(resized)).movedim(2, 0).float() / 255
    labels = tiny().eval()(image[None])[0].argmax(0)
    class_id = int(labels[labels > 0].bincount().argmax())
    assert f"Target: {load_dataset('shapes').class_names[class_id]}" in app.children[2].value
    shown = outlined(image.movedim(0, 2).numpy(), (labels == class_id).numpy())
    assert source(figure(shown, "", "", 224)) in app.children[2].value
    upload.value = [{**about, "name": "no.png", "content": memoryview(b"no picture")}]
    assert said(app) == "no.png is no picture"
    assert not app.children[2].value


def test_the_target_is_named_in_the_app(app):
    control(app, "Target").value = "point=5,5"
    assert not said(app)
    labels = load_dataset("shapes").load("test-00000", SIZE).labels
    name = load_dataset("shapes").class_names[int(labels[5, 5])]
    assert f"Target: {name}" in app.children[2].value
    control(app, "Target").value = "point=5"
    assert said(app).startswith("target is &#x27;point=5&#x27;; expected point=x,y")


def columns(app: w.VBox) -> dict[str, list[str]]:
    """The table's values by the row's name, a value a method."""
    rows = re.findall(r'<tr><th scope="row"[^>]*>(.*?)</th>(.*?)</tr>', app.children[2].value)
    return {name: re.findall(r"<td style[^>]*>(.*?)</td>", cells) for name, cells in rows}


def test_two_methods_stand_side_by_side_as_each_stands_alone(app):
    control(app, "Method").value = "gpa"
    alone = {"gpa": columns(app)}
    pictures = {"gpa": re.findall('src="([^"]+)"', app.children[2].value)}
    control(app, "Method").value = "ria"
    alone["ria"], pictures["ria"] = columns(app), re.findall('src="([^"]+)"', app.children[2].value)
    control(app, "Beside").value = "gpa"
    both = columns(app)
    for name in {*alone["ria"]} - {"seconds"}:
        assert both[name] == [*alone["ria"][name], *alone["gpa"][name]], name
    assert re.findall('src="([^"]+)"', app.children[2].value) == [*pictures["ria"], *pictures["gpa"][1:]]
    assert app.children[2].value.count('class="segattr-curve"') == 2
    assert not control(app, "Grid").disabled and control(app, "alpha").disabled
    control(app, "Method").value = "gpa"
    assert app.children[2].value.count('class="segattr-curve"') == 1  # it is not held against itself
    control(app, "Beside").value = ""
    assert columns(app)["TDD"] == alone["gpa"]["TDD"]


def test_the_curve_is_what_direct_deletion_leaves(app, scene):
    score, image, _ = scene
    control(app, "Method").value = "gpa"
    control(app, "k").value = 0.35
    values = cam.gpa(score, image[None], score.target, layer="1")[0]
    left = [direct(score, image, values, level)[1] for level in sorted({*LEVELS[1:], 0.35})]
    whole = model_score(score, image[None]).item()
    levels = sorted({*LEVELS, 0.35})
    assert level_curve(levels, [whole, *left], levels.index(0.35)) in app.children[2].value


def files(app: w.VBox) -> dict[str, str]:
    """What the links save, by the name of the file."""
    links = re.findall(r'download="([^"]+)" href="data:[^,"]+,([^"]*)"', app.children[3].value)
    return {name: unquote(text) for name, text in links}


def test_the_settings_are_saved_as_a_benchmark_takes_them(app, tmp_path):
    control(app, "Method").value = "dea"
    control(app, "Beside").value = "ega"
    control(app, "Grid").value = 6
    control(app, "alpha").value = 0.4
    control(app, "k").value = 0.35
    control(app, "Target").value = "largest_component"
    path = tmp_path / "mine.yaml"
    path.write_text(files(app)["test-00000.yaml"], encoding="utf-8")
    settings = load_settings(path, {"device": "cpu", "batch_size": 8})
    assert [settings.dataset, settings.target, settings.samples, settings.k] == [
        "shapes",
        "largest_component",
        3,
        [0.35],
    ]
    names = {"tdd": "TDD", "odd_abs": "|ODD|", "insertion": "Insertion"}
    group = group_of(settings, ["test-00000"])
    for place, key in enumerate(settings.method_keys()):
        rows = {row["metric"]: row["value"] for row in group.rows_of(key, [metric_key(name) for name in names])[0]}
        for name, label in names.items():
            assert float(columns(app)[label][place]) == pytest.approx(rows[name], abs=6e-4), (key, label)
    saved = set(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert saved <= set(defaults("benchmark"))  # papermill refuses others


def test_of_another_model_the_settings_name_that_one_and_leave_it_its_layers(app):
    control(app, "Method").value = "gpa"
    own = yaml.safe_load(files(app)["test-00000.yaml"])
    control(app, "Model").value = "shapes_lraspp"
    other = yaml.safe_load(files(app)["test-00000.yaml"])
    assert [(values["model"], values["layer"]) for values in (own, other)] == [
        (["tiny"], "1"),
        (["shapes_lraspp"], None),
    ]


def test_the_figure_is_saved_with_both_methods(app):
    control(app, "Method").value = "gpa"
    control(app, "Beside").value = "ega"
    drawn = ElementTree.fromstring(files(app)["test-00000.svg"])
    written = " ".join("".join(element.itertext()) for element in drawn.iter() if element.tag.endswith("text"))
    assert "GPA" in written and "EGA" in written and "share of the target deleted" in written
    assert len([element for element in drawn.iter() if element.tag.endswith("image")]) == 5
    control(app, "Target").value = "class=teapot"
    assert said(app) and not files(app)


def test_of_an_uploaded_picture_the_settings_name_the_file(app):
    upload_picture(app, "mine.png")
    saved = files(app)["mine.yaml"]
    values = yaml.safe_load(saved)
    assert [values["dataset"], values["root"], values["samples"]] == ["pictures", "mine.png", 1]
    assert "put the place in front" in saved


def upload_picture(app: w.VBox, name: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 60, 3), np.uint8)).save(file, "PNG")
    upload = next(widget for widget in app.children[0].children if isinstance(widget, w.FileUpload))
    about = {"name": name, "type": "image/png", "size": 1, "last_modified": datetime.now(UTC)}
    upload.value = [{**about, "content": memoryview(file.getvalue())}]


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it did not come to be"
        time.sleep(0.02)


@pytest.fixture
def slow(registered, monkeypatch):
    """A method that asks the model until it is stopped, and whether it has begun, and has ended."""
    began, ended = threading.Event(), threading.Event()

    def endless(score, images, target):
        began.set()
        ended.clear()
        try:
            while True:
                model_score(score, images)
                time.sleep(0.01)
        finally:
            ended.set()

    monkeypatch.setitem(METHODS, "mine", Method(endless, "mine", "own"))
    live = explore_live(dataset="shapes", model="tiny", layer="1", image_size=24, samples=2, device="cpu", batch_size=8)
    return live, began, ended


def test_what_is_computed_says_how_far_it_is_and_can_be_cancelled(slow):
    live, began, ended = slow
    cancel = control(live, "Cancel")
    assert table(live)["TDD"] and cancel.disabled
    control(live, "Method").value = "mine"  # returns at once
    assert began.wait(60) and not cancel.disabled
    assert not live.children[2].value and not files(live)  # what was shown is of another choice
    until(lambda: re.search(r"[1-9]\d* passes, \d+ s", said(live)) is not None)
    cancel.click()
    assert said(live) == "Cancelled." and cancel.disabled
    assert ended.wait(60)
    time.sleep(0.7)  # longer than between two looks at how far it is
    assert said(live) == "Cancelled." and not live.children[2].value and not files(live)
    control(live, "Method").value = "gpa"
    until(lambda: bool(live.children[2].value))
    assert table(live)["passes"] == "3.000"


def test_a_further_choice_ends_what_it_supersedes_and_is_what_is_shown(slow):
    live, began, ended = slow
    control(live, "Method").value = "mine"
    assert began.wait(60)
    for name in ("ega", "random", "gpa"):
        control(live, "Method").value = name
    assert ended.wait(60)
    until(lambda: bool(live.children[2].value))
    assert "Its GPA map" in live.children[2].value and control(live, "Cancel").disabled
    time.sleep(0.3)
    assert "Its GPA map" in live.children[2].value


def test_an_error_of_a_thread_is_one_sentence_and_a_late_one_is_not_heard(slow):
    live, began, ended = slow
    control(live, "Target").value = "class=teapot"
    until(lambda: "teapot" in said(live))
    assert control(live, "Cancel").disabled and not live.children[2].value
    control(live, "Target").value = "frequent"
    until(lambda: bool(live.children[2].value))
    control(live, "Method").value = "mine"
    assert began.wait(60)
    control(live, "Target").value = "class=teapot"
    until(lambda: "teapot" in said(live))
    assert ended.is_set()


def test_work_that_ends_by_itself_after_it_was_cancelled_shows_nothing(registered, monkeypatch):
    """As where the last call of torch, by which work hears of it, is made already."""
    live = explore_live(dataset="shapes", model="tiny", layer="1", image_size=24, samples=2, device="cpu", batch_size=8)
    began, go, ended = threading.Event(), threading.Event(), threading.Event()

    def late(*_: str) -> str:
        began.set()
        assert go.wait(60)
        threading.Timer(0.3, ended.set).start()
        return "a link"

    monkeypatch.setattr(saving, "link_to", late)
    control(live, "Method").value = "gpa"
    assert began.wait(60)
    control(live, "Cancel").click()
    go.set()
    assert ended.wait(60)
    assert said(live) == "Cancelled." and not live.children[2].value and not live.children[3].value


def test_a_point_is_marked_where_it_lies_in_px_of_the_picture_itself(app):
    upload_picture(app, "mine.png")  # 60 x 30 px, shown as 48 x 24
    control(app, "Target").value = "point=20,10"
    assert not said(app)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 60, 3), np.uint8)
    resized = Image.fromarray(pixels).resize((SIZE, SIZE // 2), Image.Resampling.BILINEAR)
    image = torch.from_numpy(np.array(resized)).movedim(2, 0).float() / 255
    labels = tiny().eval()(image[None])[0].argmax(0).numpy()
    parts = measure.label(labels, background=-1, connectivity=2)
    shown = outlined(image.movedim(0, 2).numpy(), parts == parts[8, 16])
    assert source(figure(marked(shown, [(16.0, 8.0)], OUTLINE), "", "", 224)) in app.children[2].value
    assert "share * size" in app.children[2].value and "box.width, 60)" in app.children[2].value
