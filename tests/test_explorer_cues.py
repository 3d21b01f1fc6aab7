"""The explorer's cues: points of a map, the mask that comes of them, and the map's own support beside it."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from xml.etree import ElementTree

import ipywidgets as w
import pytest
import torch
from test_explorer import control, files, said, source, table, tiny, tiny_classifier, upload_picture

from segattr_lib.attribution import METHODS, Method
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import group_of
from segattr_lib.explorer import explore as explore_live
from segattr_lib.models import MODELS, Entry
from segattr_lib.profiles import load_settings
from segattr_lib.prompting import segmenters
from segattr_lib.prompting.cues import support
from segattr_lib.prompting.segmenters import SEGMENTERS, load_segmenter
from segattr_lib.registry import UserError
from segattr_lib.report.panels import cut_out, figure, overlay, with_cues
from segattr_lib.sections.wsss_sam2.rows.cueing import CueSettings
from segattr_lib.sections.wsss_sam2.rows.masks import SOUND, cues_of_map, mask_rows

SIZE = 48  # px
explore = functools.partial(explore_live, threaded=False)
assert tiny_classifier and tiny  # what the registry's entries name


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> w.VBox:
    monkeypatch.setitem(MODELS, "tiny", Entry("segmenter", "test_explorer:tiny", ()))
    app = explore(dataset="shapes", model="tiny", layer="1", image_size=SIZE, samples=2, device="cpu", batch_size=8)
    control(app, "Method").value = "gpa"
    return app


def panel(app: w.VBox) -> str:
    assert not said(app)
    return app.children[2].value


def saved_group(app: w.VBox, folder: Path) -> Group:
    """The sample that is shown, as a benchmark of the saved settings has it."""
    path = folder / "mine.yaml"
    path.write_text(files(app)["test-00000.yaml"], encoding="utf-8")
    return group_of(load_settings(path, {"device": "cpu", "batch_size": 8}), ["test-00000"])


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_what_is_shown_is_what_the_page_on_prompts_draws_prompts_and_measures(
    app: w.VBox, segmenter: str, tmp_path: Path
) -> None:
    control(app, "Method").value = "ria"
    control(app, "Grid").value = 6
    control(app, "Cues").value = segmenter
    control(app, "Points").value = 3
    group = saved_group(app, tmp_path)
    (key,) = group.run.method_keys()
    one_map, image = group.maps_of(key)[0][0], group.images[0]
    cueing = CueSettings(foreground=3, background=3)
    drawn = cues_of_map(group, 0, key, one_map, cueing)
    mask = load_segmenter(segmenter)(image)(drawn.points[None], drawn.labels[None])[0][0]
    outline = group.samples[0].mask.numpy()
    for picture in (
        with_cues(overlay(image, one_map, outline), drawn),
        with_cues(cut_out(image, mask), drawn),
        cut_out(image, support(one_map)),
    ):
        assert source(figure(picture, "", "", 224)) in panel(app)
    rows = mask_rows(group, 0, {key: one_map}, {key: SOUND}, cueing, {segmenter: load_segmenter(segmenter)})
    ious = {row["metric"]: row["value"] for row in rows if row["method"] == key.name}
    shown = table(app)
    assert float(shown[f"IoU of the mask by {segmenter}"]) == pytest.approx(
        ious[f"iou(segmenter={segmenter})"], abs=6e-4
    )
    assert float(shown["IoU of the map from 0.5 up"]) == pytest.approx(ious["iou(segmenter=threshold)"], abs=6e-4)
    assert f"the masks of {segmenter} by 3 cue points of either kind" in files(app)["test-00000.yaml"]


def test_more_points_are_another_mask_and_none_are_shown_unless_asked(app: w.VBox) -> None:
    assert control(app, "Points").disabled and "cue" not in panel(app).lower()
    control(app, "Cues").value = "random_walker"
    assert not control(app, "Points").disabled
    few = panel(app)
    assert re.search(r"[2-5] white points inside, [2-5] red outside", few)  # as many as fit
    control(app, "Points").value = 1
    assert "1 white point inside, 1 red outside" in panel(app)
    assert re.findall(r'makes of the cues.*?src="([^"]+)"', few) != re.findall(
        r'makes of the cues.*?src="([^"]+)"', panel(app)
    )
    control(app, "Cues").value = ""
    assert control(app, "Points").disabled and panel(app).count("<img ") == 3


def test_k_asks_for_no_mask_again_and_another_map_does(app: w.VBox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(image: torch.Tensor) -> segmenters.Answer:
        answer = segmenters.random_walker(image)

        def answered(points: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            asked.append(len(points))
            return answer(points, labels)

        return answered

    monkeypatch.setitem(SEGMENTERS, "random_walker", lambda _device: counted)
    control(app, "Cues").value = "random_walker"
    control(app, "k").value = 0.5
    assert asked == [1]
    control(app, "Method").value = "ega"
    assert asked == [1, 1]
    control(app, "Method").value = "gpa"
    assert asked == [1, 1]


def test_of_a_picture_without_labels_no_mask_is_called_right_or_wrong(app: w.VBox) -> None:
    upload_picture(app, "mine.png")
    control(app, "Cues").value = "random_walker"
    assert "no mask is right or wrong" in panel(app) and "IoU" not in panel(app)
    assert re.search(r"random_walker: \d+% of the picture<", panel(app))
    control(app, "Sample").value = "test-00000"
    assert "no mask is right or wrong" not in panel(app) and "IoU" in panel(app)


def test_of_a_classifier_whose_class_the_labels_do_not_say_no_truth_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny_classifier", Entry("classifier", "test_explorer:tiny_classifier", ("0",)))
    asked = {"model": "tiny_classifier", "image_size": SIZE, "samples": 1, "device": "cpu", "batch_size": 8}
    app = explore(dataset="shapes", class_map="predicted", **asked)
    control(app, "Cues").value = "random_walker"
    assert "no mask is right or wrong" in panel(app) and "IoU" not in panel(app)
    app = explore(dataset="single_shapes", **asked)
    control(app, "Cues").value = "random_walker"
    assert "IoU of the mask by random_walker" in table(app)


def test_a_map_without_cues_is_told_of_and_the_one_beside_it_has_its_own(
    app: w.VBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        METHODS, "mine", Method(lambda score, images, target: torch.zeros(1, SIZE, SIZE), "mine", "own")
    )
    control(app, "Beside").options = [*control(app, "Beside").options, ("mine", "mine")]
    control(app, "Cues").value = "random_walker"
    alone = table(app)
    control(app, "Beside").value = "mine"
    assert "No cues are drawn from mine: the map is constant." in panel(app)
    (row,) = re.findall(r"IoU of the mask by random_walker</th>(.*?)</tr>", panel(app))
    assert re.findall(r"<td style[^>]*>(.*?)</td>", row) == [alone["IoU of the mask by random_walker"], "–"]
    drawn = ElementTree.fromstring(files(app)["test-00000.svg"])
    assert len([element for element in drawn.iter() if element.tag.endswith("image")]) == 1 + 2 * 2 + 3


def test_a_segmenter_that_cannot_be_had_or_that_fails_is_a_sentence_and_the_map_stays(
    app: w.VBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_device: object) -> segmenters.Segmenter:
        raise UserError("The weights of the segmenter are not here.")

    def failing(_image: torch.Tensor) -> segmenters.Answer:
        def answer(points: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            raise ValueError("no mask today")

        return answer

    monkeypatch.setitem(SEGMENTERS, "random_walker", absent)
    control(app, "Cues").value = "random_walker"
    assert "Cues cannot be shown: The weights of the segmenter are not here." in panel(app)
    assert panel(app).count("<img ") == 3 and table(app)["TDD"]
    monkeypatch.setitem(SEGMENTERS, "shapes_sam2", lambda _device: failing)
    control(app, "Cues").value = "shapes_sam2"
    assert "shapes_sam2 gives no mask: ValueError: no mask today." in panel(app)
    assert panel(app).count("<img ") == 3 and table(app)["TDD"]
