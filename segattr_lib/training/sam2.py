"""How the embedded SAM 2 is trained and measured (`make train`): simulated clicks on shapes scenes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from transformers import Sam2Model

from segattr_lib.data.shapes import CANVAS, CLASS_NAMES, SIZE_RANGE, scene
from segattr_lib.models import WEIGHTS
from segattr_lib.models.embedded import MEAN, STD
from segattr_lib.models.sam2 import HIDDEN, NO_POINT, SIDE, shapes_sam2
from segattr_lib.seeds import generator
from segattr_lib.training.loop import Stage, as_stored, drawn_view, fit, in_parallel, streams, to_images, write_weights

LEVELS = (HIDDEN // 8, HIDDEN // 4, HIDDEN)  # channels of an image's embeddings, finest first
PROMPTS = 4  # on each image: the image encoder costs as much as four
POOL = 6_000  # scenes drawn once; each is seen turned, mirrored and with its colours exchanged
cycle = partial(Stage, batch=8, weight_decay=0.02, warmup=0.1, clip=1.0)
RECIPE = {"shapes_sam2": [cycle(56_000, 8e-4, side=128), cycle(9_600, 5e-4, side=256), cycle(8_000, 5e-4, side=256)]}
FOREGROUND, BACKGROUND = (1, 1, 1, 2, 3, 5, 8), (0, 1, 2, 2, 3, 5, 8)  # how many clicks of a prompt: one of these
ALIKE = 2  # from this stage on a batch's prompts are of one length, as answers are; before, NO_POINT fills them up
LENGTHS = (1, 2, 3, 3, 4, 6, 8, 10, 16)  # one of these
BOXED = 0.15  # share of the prompts that are a box, with a click at most
WHOLE_CLASS = 0.2  # share of the prompts that ask for all objects of a class, each with a click of its own
SEVERAL = 0.75  # share of the batches that ask for three masks a prompt, the others for the single one
FINE = 128  # px a side at which masks are compared: an outline is hardly wider than a pixel of the model's own 64
HELD_OUT = {"test": "regular", "test_small": "small", "test_thin": "thin"}  # splits, and the sizes in them
CLICKS = {"1_0": (1, 0), "1_2": (1, 2), "3_4": (3, 4), "8_8": (8, 8)}  # foreground and background, measured


# Of a scene: its pixels; which object each pixel shows, counted from 1, 0 for none; the objects' class ids, and sizes.
Owned = tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"], Int[np.ndarray, " _"], Int[np.ndarray, " _"]]


def train_sam2(name: str = "shapes_sam2", seed: int = 0, folder: Path = WEIGHTS) -> dict[str, str]:
    """Train the embedded SAM 2 and write `folder/name.safetensors`.

    Every image carries PROMPTS prompts: clicks inside and outside an object, or a box. Of the three masks the best
    is trained, by cross entropy and soft Jaccard, so that they may differ where a prompt is ambiguous; the quality
    that the model gives each is trained to be its IoU; one batch in four asks for the single mask. Each stage of
    RECIPE leaves weights that half precision holds. So they are stored, and measured; the metadata, also returned,
    are write_weights', the images seen and `measured`.
    """
    began = time.monotonic()
    torch.manual_seed(seed)
    scenes = in_parallel(_scene, [f"train-{number:05d}" for number in range(POOL)])
    model = shapes_sam2()
    for number, stage in enumerate(RECIPE[name]):
        sided = shapes_sam2(stage.side)
        sided.load_state_dict(model.state_dict())
        heads = nn.ModuleList(nn.Conv2d(width, len(CLASS_NAMES), 1) for width in LEVELS)
        lengths = LENGTHS if number >= ALIKE else None
        batches = (draw(scenes, lengths, stage, rng) for rng in streams(seed, f"prompt stage {number}", stage))
        fit(sided, stage, batches, partial(loss, heads), f"{name}, stage {number + 1}", beside=heads.parameters())
        model.load_state_dict(as_stored(sided))
    weights = as_stored(model)
    facts = {"images": sum(stage.images for stage in RECIPE[name]), **measured(model)}
    return write_weights(name, seed, folder, weights, facts, time.monotonic() - began)


def draw(
    scenes: Sequence[Owned], lengths: Sequence[int] | None, stage: Stage, rng: np.random.Generator
) -> tuple[Float[Tensor, "b 3 side side"], dict[str, Any], Float[Tensor, "b p fine fine"], Int[Tensor, "b i j"]]:
    """A batch of a stage: images as the model sees them; what else it is given, points (B,P,K,2) in px of the model,
    labels (B,P,K) and whether to give several masks; the masks asked for, in [0,1]; the class ids of the pixels.

    lengths: all prompts have one of these numbers of points; any number, filled up with NO_POINT, when None.
    """
    length = None if lengths is None else int(rng.choice(lengths))
    pictures, points, labels, truths, classes = [], [], [], [], []
    for index in rng.integers(0, len(scenes), stage.batch):
        (pixels, owner, class_ids, _), view = scenes[index], drawn_view(rng)
        owner = view(owner)
        pictures.append(view(pixels))
        classes.append(np.concatenate([[0], class_ids])[owner].astype(np.float32))
        for _ in range(PROMPTS):
            spots, kinds, truth = _prompt(owner, class_ids, rng, length)
            points.append(torch.from_numpy(spots).float() * (stage.side / CANVAS))
            labels.append(torch.from_numpy(kinds))
            truths.append(truth)
    shape, quarter = (stage.batch, PROMPTS), (stage.side // 4, stage.side // 4)
    prompt = {
        "input_points": pad_sequence(points, batch_first=True).unflatten(0, shape),
        "input_labels": pad_sequence(labels, batch_first=True, padding_value=NO_POINT).unflatten(0, shape),
        "multimask_output": bool(rng.random() < SEVERAL),
    }
    masks = torch.from_numpy(np.stack(truths)).float()[:, None]
    masks = functional.interpolate(masks, (FINE, FINE), mode="bilinear", antialias=True)
    coarse = functional.interpolate(torch.from_numpy(np.stack(classes))[:, None], quarter)
    return as_seen(np.stack(pictures), stage.side), prompt, masks[:, 0].unflatten(0, shape), coarse[:, 0].long()


def loss(
    heads: nn.ModuleList, model: Sam2Model, images: Tensor, prompt: dict[str, Any], truth: Tensor, classes: Tensor
) -> Float[Tensor, ""]:
    """That of the masks, and the cross entropy of every pixel's class, told by heads from the embeddings at all levels.

    The heads are for training alone: a prompt's loss says little of where objects are to an encoder that knows none.
    """
    levels = _embedded(model, images)
    answer = model(image_embeddings=levels, **prompt)
    logits = [head(level) for head, level in zip(heads, levels, strict=True)]
    finest = [functional.interpolate(coarse, logits[0].shape[2:], mode="bilinear") for coarse in logits]
    pixels = functional.cross_entropy(torch.stack(finest).sum(0), classes)
    return mask_loss(answer.pred_masks, answer.iou_scores, truth) + pixels


def mask_loss(
    logits: Float[Tensor, "b p m h w"], quality: Float[Tensor, "b p m"], truth: Float[Tensor, "b p fine fine"]
) -> Float[Tensor, ""]:
    """Cross entropy and soft Jaccard of the best mask of each prompt, and how far each quality is from its IoU.

    truth: in [0,1].
    """
    fine = functional.interpolate(logits.flatten(0, 1), tuple(truth.shape[2:]), mode="bilinear", align_corners=False)
    wanted = truth.flatten(0, 1)[:, None].expand_as(fine)
    entropy = functional.binary_cross_entropy_with_logits(fine, wanted, reduction="none").mean((2, 3))
    inside = fine.sigmoid()
    shared = (inside * wanted).sum((2, 3))
    jaccard = 1 - (shared + 1) / ((inside + wanted).sum((2, 3)) - shared + 1)
    with torch.no_grad():
        masks, real = fine > 0, wanted > 0.5
        iou = (masks & real).sum((2, 3)) / (masks | real).sum((2, 3)).clamp_min(1)
    best = (5 * entropy + jaccard).min(dim=1).values
    return best.mean() + functional.mse_loss(quality.flatten(0, 1), iou)


def _embedded(model: Sam2Model, images: Tensor) -> list[Tensor]:
    """As model.get_image_embeddings, which cannot be differentiated."""
    levels = list(model.get_image_features(images, return_dict=True).fpn_hidden_states)
    levels[-1] = levels[-1] + model.no_memory_embedding
    sizes = model.backbone_feature_sizes
    return [level.permute(1, 2, 0).unflatten(2, tuple(size)) for level, size in zip(levels, sizes, strict=True)]


def as_seen(pixels: UInt8[np.ndarray, "b h w 3"], side: int = SIDE) -> Float[Tensor, "b 3 side side"]:
    """Images as SAM 2's processor has them: so many px a side, less ImageNet's mean, over its spread."""
    images = functional.interpolate(to_images(pixels), (side, side), mode="bilinear", antialias=True)
    mean, spread = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (images - mean) / spread


def held_out(
    model: Sam2Model, clicks: tuple[int, int], split: str = "test", each: int = 10
) -> Float[np.ndarray, "classes sizes each"]:
    """IoU of the mask of highest told quality with the object, after clicks inside and outside it.

    clicks: how many inside, and outside. As many objects of each class and third of the split's sizes, the first
    that come, a prompt each; masks are compared on the scene's own canvas.
    """
    low, high = SIZE_RANGE[HELD_OUT[split]]
    thirds = np.linspace(low, high, 4)[1:3]
    labels = [1] * clicks[0] + [0] * clicks[1]
    ious: dict[tuple[int, int], list[float]] = {(c, t): [] for c in range(1, len(CLASS_NAMES)) for t in range(3)}
    number = 0
    while any(len(cell) < each for cell in ious.values()):
        name, number = f"{split}-{number:05d}", number + 1
        pixels, owner, classes, sizes = _scene(name)
        for place, class_id in enumerate(classes):
            cell = ious[int(class_id), int(np.digitize(sizes[place], thirds))]
            truth = owner == place + 1
            if len(cell) == each or not truth.any():
                continue
            rng = generator(name, f"object-{place}", "clicks")
            points = np.concatenate([_within(rng, truth, clicks[0]), _within(rng, ~truth, clicks[1])])
            mask = best_mask(model, pixels, points, labels)
            cell.append((mask & truth).sum() / (mask | truth).sum())
    return np.array(list(ious.values())).reshape(len(CLASS_NAMES) - 1, 3, each)


def measured(model: Sam2Model) -> dict[str, float]:
    """Mean IoU of `held_out` by clicks, of the regular scenes; and after one and two clicks of the other splits."""
    regular = {f"miou_{key}": held_out(model, clicks) for key, clicks in CLICKS.items()}
    others = {f"miou_1_2_{HELD_OUT[split]}": held_out(model, (1, 2), split) for split in ("test_small", "test_thin")}
    return {key: ious.mean().item() for key, ious in (regular | others).items()}


def best_mask(
    model: Sam2Model, pixels: UInt8[np.ndarray, "h w 3"], points: Int[np.ndarray, "k 2"], labels: list[int]
) -> Bool[np.ndarray, "h w"]:
    """The mask of highest told quality after clicks x, y in px of the canvas; the labels say which are inside."""
    model.eval()
    with torch.no_grad():
        answer = model(
            pixel_values=as_seen(pixels[None]),
            input_points=torch.from_numpy(points).float()[None, None] * SIDE / CANVAS,
            input_labels=torch.tensor(labels)[None, None],
        )
    best = answer.pred_masks[0, 0, answer.iou_scores[0, 0].argmax()]
    return (functional.interpolate(best[None, None], (CANVAS, CANVAS), mode="bilinear")[0, 0] > 0).numpy()


def _prompt(
    owner: np.ndarray, classes: np.ndarray, rng: np.random.Generator, length: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (K,2) x, y in px of the canvas, their labels (K,), and the mask they ask for; K is a given length."""
    visible = np.flatnonzero(np.bincount(owner.ravel(), minlength=len(classes) + 1)[1:])
    chosen = visible[rng.integers(len(visible))]
    wanted = visible[classes[visible] == classes[chosen]] if rng.random() < WHOLE_CLASS else np.array([chosen])
    if length is not None and len(wanted) > length:
        wanted = np.array([chosen])
    truth = np.isin(owner, wanted + 1)
    if rng.random() < BOXED and length != 1:
        rows, columns = (np.flatnonzero(truth.any(axis)) for axis in (1, 0))
        corners = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]])
        corners = (corners + rng.normal(0, 0.03, (2, 2)) * (corners[1] - corners[0])).clip(0, len(owner) - 1)
        inside = _within(rng, truth, int(rng.integers(2)) if length is None else length - 2)
        return np.concatenate([corners, inside]), np.array([2, 3] + [1] * len(inside)), truth
    count, outside = int(rng.choice(FOREGROUND)), int(rng.choice(BACKGROUND))
    if length is not None:
        count = min(max(count, len(wanted)), length)
        outside = length - count
    own = [_within(rng, owner == place + 1, 1) for place in wanted]
    inside = np.concatenate([*own, _within(rng, truth, max(0, count - len(wanted)))])
    rivals = (owner > 0) & ~truth  # half of the clicks outside, where there are other objects
    on_rivals = int(rng.binomial(outside, 0.5)) if rivals.any() else 0
    others = [_within(rng, rivals, on_rivals), _within(rng, ~truth, outside - on_rivals)]
    return np.concatenate([inside, *others]), np.array([1] * len(inside) + [0] * outside), truth


def _within(rng: np.random.Generator, region: np.ndarray, count: int) -> Int[np.ndarray, "k 2"]:
    """Pixels of a region, drawn with replacement, as x and y."""
    rows, columns = np.nonzero(region)
    drawn = rng.integers(len(rows), size=count) if count else np.zeros(0, int)
    return np.stack([columns[drawn], rows[drawn]], axis=1)


def _scene(name: str) -> Owned:
    drawn = scene(name)
    owner = np.zeros(drawn.labels.shape, np.uint8)
    for number, pixels in enumerate(drawn.objects, 1):
        owner[pixels] = number
    return drawn.image, owner, drawn.classes, drawn.sizes
