"""Promptable segmenters: SAM 2 and EdgeTAM through transformers' own code, and the random walker by hand."""

from __future__ import annotations

import time
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from oracles import random_images
from skimage.segmentation import random_walker as walk
from torch import Tensor, nn
from transformers import (
    EdgeTamConfig,
    EdgeTamModel,
    Sam2Config,
    Sam2ImageProcessor,
    Sam2Model,
    Sam2Processor,
    Sam2VideoConfig,
    Sam2VideoModel,
    ViTConfig,
)

from segattr_lib.models.embedded import spread_by_width
from segattr_lib.prompting.cues import Cues
from segattr_lib.prompting.segmenters import (
    AT_ONCE,
    BACKGROUND,
    BOTTOM_RIGHT,
    FOREGROUND,
    NO_POINT,
    SEGMENTERS,
    TOP_LEFT,
    fingerprint,
    load_segmenter,
    random_walker,
    sam2,
    stacked,
)
from segattr_lib.registry import UserError

SIDE = 128
PROMPT = {"hidden_size": 32, "image_size": SIDE}
DECODER = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 32}
VISION: dict[str, Any] = {
    "backbone_feature_sizes": [[SIDE // stride] * 2 for stride in (4, 8, 16)],
    "fpn_hidden_size": 32,
}
HIERA: dict[str, Any] = {
    "model_type": "sam2_vision_model",
    "backbone_config": {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "blocks_per_stage": [1, 1, 2, 1],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [8, 4, 4, 4],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [4, 4],
    },
    "backbone_channel_list": [64, 32, 16, 8],
    **VISION,
}


def spread(model: Any) -> Any:
    """The model with weights that make its answers differ; transformers' own spread leaves them all but equal."""
    torch.manual_seed(0)
    for layer in spread_by_width(model).modules():
        if isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight)
        elif isinstance(layer, nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="linear")
    return model.eval()


def processor() -> Sam2Processor:
    return Sam2Processor(Sam2ImageProcessor(size={"height": SIDE, "width": SIDE}))


def small_sam2() -> Sam2Model:
    torch.manual_seed(3)
    return spread(Sam2Model(Sam2Config(vision_config=HIERA, prompt_encoder_config=PROMPT, mask_decoder_config=DECODER)))


def small_edgetam() -> EdgeTamModel:
    pytest.importorskip("timm")
    from transformers import TimmWrapperConfig

    backbone_args = {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]}
    vision = {
        "model_type": "edgetam_vision_model",
        "backbone_config": TimmWrapperConfig(architecture="test_convnext", model_args=backbone_args, num_labels=2),
        "backbone_channel_list": [64, 48, 32, 24],
        **VISION,
    }
    return spread(
        EdgeTamModel(EdgeTamConfig(vision_config=vision, prompt_encoder_config=PROMPT, mask_decoder_config=DECODER))
    )


def small_video() -> Sam2VideoModel:
    """What the hub's own checkpoints of SAM 2 are: the model for videos, with parts that images do not need."""
    config = Sam2VideoConfig(
        vision_config=HIERA,
        prompt_encoder_config=PROMPT,
        mask_decoder_config=DECODER,
        image_size=SIDE,
        memory_attention_hidden_size=32,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_num_layers=1,
        memory_attention_rope_feat_sizes=[SIDE // 16] * 2,
        memory_encoder_hidden_size=32,
        memory_encoder_output_channels=8,
        mask_downsampler_embed_dim=32,
        memory_fuser_embed_dim=32,
    )
    return spread(Sam2VideoModel(config))


BUILD = {"sam2": small_sam2, "sam2_video": small_video, "edgetam": small_edgetam}


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    return small_sam2().requires_grad_(False)


def points_of(*prompts: list[tuple[float, float, int]]) -> tuple[Tensor, Tensor]:
    """Prompts of (x, y, label) as a segmenter takes them."""
    return stacked(
        [
            Cues(torch.tensor([p[:2] for p in prompt]).float(), torch.tensor([p[2] for p in prompt]))
            for prompt in prompts
        ]
    )


def same(got: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(got[1], wanted[1], atol=1e-5, rtol=1e-5)
    assert (got[0] != wanted[0]).float().mean() < 1e-3


@pytest.mark.parametrize("family", BUILD)
def test_a_checkpoint_loads_by_its_folder_and_answers_as_transformers_does(tmp_path: Path, family: str):
    made = BUILD[family]()
    made.save_pretrained(tmp_path / "here")
    processor().save_pretrained(tmp_path / "here")
    segmenter = load_segmenter(str(tmp_path / "here"))
    image = random_images(1, 90, 150)[0]
    masks, confidences = segmenter(image)(
        *points_of([(30, 20, FOREGROUND), (100, 70, BACKGROUND)], [(120, 60, FOREGROUND)])
    )
    assert masks.shape == (2, 90, 150) and masks.dtype == torch.bool
    if family == "sam2_video":  # has no forward pass for images alone
        made = small_sam2_of(made)
    for index, (points, labels) in enumerate([([[30.0, 20.0], [100.0, 70.0]], [1, 0]), ([[120.0, 60.0]], [1])]):
        given = processor()(
            images=image, do_rescale=False, input_points=[[points]], input_labels=[[labels]], return_tensors="pt"
        )
        theirs = made(**{name: value for name, value in given.items() if name != "original_sizes"})
        best = theirs.iou_scores[0, 0].argmax()
        plain = processor().post_process_masks([theirs.pred_masks[0]], [(90, 150)])[0][0, best]
        torch.testing.assert_close(confidences[index], theirs.iou_scores[0, 0, best].detach())
        assert (masks[index] != plain).float().mean() < 1e-3
    assert masks.float().mean((1, 2)).gt(0).all() and not torch.equal(masks[0], masks[1])


def small_sam2_of(video: Sam2VideoModel) -> Sam2Model:
    made = small_sam2()
    state = video.state_dict()
    made.load_state_dict({name: state.get(name, value) for name, value in made.state_dict().items()})
    return made


def test_an_image_is_embedded_once_however_many_prompts_there_are(model: Sam2Model, monkeypatch):
    calls = []
    embed = model.vision_encoder.forward
    monkeypatch.setattr(model.vision_encoder, "forward", lambda *a, **b: calls.append(1) or embed(*a, **b))
    answer = sam2(model, processor(), random_images(1, 64)[0])
    answer(*points_of(*[[(place, 5, FOREGROUND)] for place in range(2 * AT_ONCE + 1)]))
    answer(*points_of([(1, 2, FOREGROUND)]))
    assert len(calls) == 1


def test_prompts_together_are_answered_as_each_alone_whatever_their_lengths(model: Sam2Model):
    rng = np.random.default_rng(0)
    prompts = [
        [(*rng.integers(0, 64, 2).tolist(), int(rng.integers(2))) for _ in range(length)]
        for length in [1, 5, 2, 2, 9, 1, 3] * 5
    ]
    answer = sam2(model, processor(), random_images(1, 64)[0])
    together = answer(*points_of(*prompts))
    assert together[0].flatten(1).unique(dim=0).shape[0] > 10
    for index, prompt in enumerate(prompts):
        same((together[0][[index]], together[1][[index]]), answer(*points_of(prompt)))


def test_to_the_model_itself_a_filled_up_prompt_is_another_one(model: Sam2Model):
    """Why prompts of one length are answered together: transformers' label -10 still is a token of the decoder."""
    seen = processor()(images=random_images(1, 64)[0], do_rescale=False, return_tensors="pt")
    points, labels = torch.tensor([[[[20.0, 30.0]]]]), torch.tensor([[[1]]])
    filled = torch.cat([points, torch.zeros(1, 1, 6, 2)], 2), torch.cat([labels, torch.full((1, 1, 6), NO_POINT)], 2)
    alone, more = (
        model(pixel_values=seen["pixel_values"], input_points=p, input_labels=k).iou_scores
        for p, k in [(points, labels), filled]
    )
    assert (alone - more).abs().max() > 1e-3


def test_fillers_may_stand_anywhere(model: Sam2Model):
    answer = sam2(model, processor(), random_images(1, 64)[0])
    points, labels = points_of([(10, 20, FOREGROUND), (50, 40, BACKGROUND)])
    apart = torch.tensor([[[9.0, 9.0], [10, 20], [3, 3], [50, 40]]]), torch.tensor([[NO_POINT, 1, NO_POINT, 0]])
    same(answer(*apart), answer(points, labels))


@pytest.mark.parametrize("more", [[], [(30.0, 25.0, FOREGROUND)]])
def test_labels_2_and_3_are_transformers_own_boxes(model: Sam2Model, more: list[tuple[float, float, int]]):
    image = random_images(1, 64, 80)[0]
    ours = sam2(model, processor(), image)(*points_of([(10, 8, TOP_LEFT), (60, 50, BOTTOM_RIGHT), *more]))
    extra = {"input_points": [[[list(p[:2]) for p in more]]], "input_labels": [[[p[2] for p in more]]]} if more else {}
    given = processor()(
        images=image, do_rescale=False, input_boxes=[[[10.0, 8.0, 60.0, 50.0]]], return_tensors="pt", **extra
    )
    theirs = model(**{name: value for name, value in given.items() if name != "original_sizes"})
    best = theirs.iou_scores[0, 0].argmax()
    plain = processor().post_process_masks([theirs.pred_masks[0]], [(64, 80)])[0][0, [best]]
    same(ours, (plain, theirs.iou_scores[0, 0, [best]]))


class WhereItFell(nn.Module):
    """In SAM 2's place: the mask of a prompt is the square of 8 model px around its first point."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def get_image_embeddings(self, pixels: Tensor) -> list[Tensor]:
        self.seen = pixels
        return [pixels]

    def forward(self, image_embeddings: list[Tensor], input_points: Tensor, input_labels: Tensor) -> SimpleNamespace:
        side = image_embeddings[0].shape[-1]
        assert image_embeddings[0].shape[-2] == side
        grid = torch.arange(side) + 0.5
        x, y = (input_points[0, :, 0, axis] + 0.5 for axis in (0, 1))
        near = lambda at: (grid - at[:, None]).abs() <= 4  # noqa: E731
        square = (near(y)[:, :, None] & near(x)[:, None, :]).float() * 2 - 1
        masks = torch.stack([-torch.ones_like(square), square], 1)[None]
        return SimpleNamespace(pred_masks=masks, iou_scores=torch.tensor([0.2, 0.9]).expand(1, len(x), 2))


@pytest.mark.parametrize("shape", [(40, 40), (SIDE, SIDE), (300, 300), (50, 200), (200, 50)])
def test_points_fall_where_they_are_put_whatever_the_images_size(shape: tuple[int, int]):
    height, width = shape
    places = [(width * a // 8, height * b // 8) for a, b in [(4, 4), (1, 6), (7, 2)]]
    masks, confidences = sam2(WhereItFell(), processor(), torch.rand(3, height, width))(
        *points_of(*[[(x, y, FOREGROUND)] for x, y in places])
    )
    torch.testing.assert_close(confidences, torch.full((3,), 0.9))
    rows, columns = np.mgrid[:height, :width]
    for mask, (x, y) in zip(masks.numpy(), places, strict=True):
        assert mask[y, x]
        step = max(1, height / SIDE), max(1, width / SIDE)  # a pixel of the image's or of the model's
        assert abs(rows[mask].mean() - y) <= step[0] and abs(columns[mask].mean() - x) <= step[1]
        assert mask.sum() == pytest.approx((8 * height / SIDE) * (8 * width / SIDE), rel=0.6)


def test_an_image_reaches_the_model_in_its_own_size_less_imagenets_mean_over_its_spread():
    fake = WhereItFell()
    colour = torch.tensor([0.2, 0.5, 0.9])
    sam2(fake, processor(), colour[:, None, None].expand(3, 30, 50))
    wanted = (colour - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(fake.seen, wanted[None, :, None, None].expand(1, 3, SIDE, SIDE), atol=1e-5, rtol=0)


def test_the_weights_tell_one_segmenter_from_another(model: Sam2Model):
    first, again = (fingerprint(partial(sam2, net, processor())) for net in (model, small_sam2()))
    other = small_sam2()
    next(other.parameters()).data[0] += 1e-3
    assert first == again != fingerprint(partial(sam2, other, processor()))
    assert fingerprint(random_walker) is None


def test_a_hub_name_without_a_network_says_at_once_how_to_get_it(monkeypatch):
    def cut_off(*_args: Any, **_named: Any) -> None:
        raise OSError("no network is there")

    monkeypatch.setattr("segattr_lib.prompting.segmenters.urlopen", cut_off)
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        load_segmenter("facebook/sam2.1-hiera-no-such")
    assert time.monotonic() - began < 2
    assert "hf download facebook/sam2.1-hiera-no-such" in str(caught.value)
    assert "no network is there" in str(caught.value) and "shapes_sam2" in str(caught.value)


@pytest.mark.parametrize("fault", ["no weights", "cut weights", "a weight gone", "no processor", "no config"])
def test_a_folder_that_lacks_something_says_what_it_needs(tmp_path: Path, fault: str, model: Sam2Model):
    from safetensors.torch import load_file, save_file

    model.save_pretrained(tmp_path)
    processor().save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    if fault == "no weights":
        weights.unlink()
    elif fault == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif fault == "a weight gone":
        state = load_file(weights)
        state.pop("mask_decoder.iou_token.weight")
        save_file(state, weights, {"format": "pt"})
    elif fault == "no config":
        (tmp_path / "config.json").unlink()
    else:
        for path in tmp_path.glob("*processor*.json"):
            path.unlink()
    needs = "lack 1, mask_decoder.iou_token.weight" if fault == "a weight gone" else "model.safetensors and a processor"
    with pytest.raises(UserError, match=needs) as caught:
        load_segmenter(str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert "hf download" not in str(caught.value)


def test_a_folder_with_another_kind_of_model_names_the_kinds_there_are(tmp_path: Path):
    ViTConfig().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="holds a vit model; expected one of sam2"):
        load_segmenter(str(tmp_path))


@pytest.mark.parametrize("name", ["/no/such/folder", "./here", "~/nowhere/at/all"])
def test_a_folder_that_does_not_exist_is_called_a_folder(name: str):
    with pytest.raises(UserError, match="no folder"):
        load_segmenter(name)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(UserError, match="did you mean 'random_walker'") as caught:
        load_segmenter("random_walk")
    for valid in (*SEGMENTERS, "path/to/file.py:name", "path/to/folder", "facebook/"):
        assert valid in str(caught.value)


def test_ones_own_segmenter_is_loaded_from_its_file(tmp_path: Path):
    (tmp_path / "mine.py").write_text("def segmenter(image):\n    return lambda points, labels: (image, labels)\n")
    answer = load_segmenter(f"{tmp_path}/mine.py:segmenter")(torch.ones(3, 4, 4))
    assert torch.equal(answer(None, "label")[0], torch.ones(3, 4, 4)) and answer(None, "label")[1] == "label"
    with pytest.raises(UserError, match="has no 'other'; it has segmenter"):
        load_segmenter(f"{tmp_path}/mine.py:other")


def flat(*regions: tuple[slice, slice], side: int = 20) -> tuple[Tensor, np.ndarray]:
    """A white region on black, and its mask."""
    mask = np.zeros((side, side), bool)
    for region in regions:
        mask[region] = True
    return torch.from_numpy(mask).float().expand(3, side, side), mask


MIDDLE = (slice(5, 15), slice(6, 12))


@pytest.mark.parametrize(
    "prompt",
    [
        [(8, 9, FOREGROUND), (1, 1, BACKGROUND)],
        [(8, 9, FOREGROUND)],  # the border is outside
        [(3, 2, TOP_LEFT), (15, 17, BOTTOM_RIGHT)],  # its middle is inside, what is beyond is not
        [(3, 2, TOP_LEFT), (15, 17, BOTTOM_RIGHT), (7, 6, FOREGROUND), (4, 4, BACKGROUND)],
        [(0, 0, TOP_LEFT), (19, 19, BOTTOM_RIGHT)],  # nothing is beyond: the border again
    ],
)
def test_of_two_flat_colours_the_random_walker_finds_the_one_that_is_meant(prompt):
    image, mask = flat(MIDDLE)
    masks, confidences = random_walker(image)(*points_of(prompt))
    assert np.array_equal(masks[0].numpy(), mask)
    assert confidences[0] == pytest.approx(1, abs=1e-3)


def test_the_random_walker_stays_in_the_part_it_was_pointed_at():
    image, _ = flat((slice(3, 8), slice(3, 8)), (slice(12, 17), slice(12, 17)))
    masks, _ = random_walker(image)(
        *points_of([(5, 5, FOREGROUND)], [(14, 14, FOREGROUND)], [(5, 5, FOREGROUND), (14, 14, FOREGROUND)])
    )
    assert masks[0, 3:8, 3:8].all() and masks[0].sum() == 25
    assert masks[1, 12:17, 12:17].all() and masks[1].sum() == 25
    assert torch.equal(masks[2], masks[0] | masks[1])


def test_along_a_flat_line_the_probability_falls_evenly():
    """Between a point inside at column 2 and one outside at column 8 a fair walk is won in proportion to the way."""
    masks, confidences = random_walker(torch.full((3, 1, 11), 0.4))(
        *points_of([(2, 0, FOREGROUND), (8, 0, BACKGROUND)])
    )
    inside = np.array([1, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0, 0, 0])
    assert masks[0, 0, :5].all() and not masks[0, 0, 6:].any()
    assert confidences[0] == pytest.approx(np.maximum(inside, 1 - inside).mean(), abs=1e-4)


def test_the_random_walker_is_scikit_images():
    image = 0.4 + 0.1 * random_images(1, 24, 30)[0]
    prompts = [
        [(20, 10, FOREGROUND), (4, 20, BACKGROUND)],
        [(7, 7, FOREGROUND), (9, 2, FOREGROUND), (28, 22, BACKGROUND)],
    ]
    masks, confidences = random_walker(image)(*points_of(*prompts))
    for index, prompt in enumerate(prompts):
        labels = np.zeros((24, 30), int)
        for x, y, label in prompt:
            labels[y, x] = 1 if label == FOREGROUND else 2
        probabilities = walk(
            image.movedim(0, -1).numpy(), labels, 400, "cg_j", 1e-8, channel_axis=-1, return_full_prob=True
        )
        assert np.array_equal(masks[index].numpy(), probabilities[0] > probabilities[1])
        assert confidences[index] == pytest.approx(probabilities.max(0).mean(), abs=1e-4)


def test_points_beyond_the_image_are_of_its_border_and_fillers_of_nothing():
    image, mask = flat(MIDDLE)
    masks, _ = random_walker(image)(*points_of([(8, 9, FOREGROUND), (-5, 40, BACKGROUND)], [(8, 9, FOREGROUND)]))
    assert np.array_equal(masks[0].numpy(), mask) and np.array_equal(masks[1].numpy(), mask)


@pytest.mark.parametrize(
    ("shape", "prompt", "wanted"),
    [
        ((1, 1), [(0, 0, FOREGROUND)], [[1]]),
        ((3, 3), [(1, 1, FOREGROUND)], [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),  # all but the middle is border
        ((2, 2), [(0, 1, FOREGROUND)], [[0, 0], [1, 0]]),
        ((2, 3), [(1, 1, FOREGROUND), (1, 1, BACKGROUND)], [[1, 1, 1], [1, 1, 1]]),  # nothing is left outside
        ((1, 3), [(0, 0, FOREGROUND), (2, 0, BACKGROUND), (1, 0, BACKGROUND)], [[1, 0, 0]]),
    ],
)
def test_images_of_few_pixels_are_walked_too(shape, prompt, wanted):
    for image in (torch.rand(3, *shape), torch.full((3, *shape), 0.3)):
        masks, confidences = random_walker(image)(*points_of(prompt))
        assert masks[0].int().tolist() == wanted
        assert confidences[0] == 1


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_one_flat_colour_is_walked_evenly_and_without_a_warning(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masks, confidences = random_walker(torch.full((3, 9, 9), value))(*points_of([(4, 4, FOREGROUND)]))
    assert masks[0, 4, 4] and torch.equal(masks[0], masks[0].T) and torch.equal(masks[0], masks[0].flip(0))
    assert 0.5 <= confidences[0] <= 1


def test_with_nothing_inside_a_random_walker_has_nowhere_to_go():
    with pytest.raises(ValueError, match="no point of the prompt is inside"):
        random_walker(torch.rand(3, 8, 8))(*points_of([(1, 1, BACKGROUND)]))


def test_stacked_prompts_are_their_cues_and_fillers():
    points, labels = points_of([(1, 2, FOREGROUND)], [(3, 4, BACKGROUND), (5, 6, FOREGROUND), (7, 8, TOP_LEFT)])
    assert labels.tolist() == [[1, NO_POINT, NO_POINT], [0, 1, 2]]
    assert points[0, 0].tolist() == [1, 2] and points[1].tolist() == [[3, 4], [5, 6], [7, 8]]
