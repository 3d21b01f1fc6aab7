"""How the embedded SAM 2 is trained and measured (`make train`): simulated clicks on shapes scenes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm
from transformers import Sam2Model

from segattr_lib.data.shapes import CANVAS, CLASS_NAMES, SIZE_RANGE, scene
from segattr_lib.models import WEIGHTS
from segattr_lib.models.embedded import MEAN, STD
from segattr_lib.models.sam2 import HIDDEN, NO_POINT, SIDE, shapes_sam2
from segattr_lib.seeds import generator
from segattr_lib.training.loop import as_stored, drawn_view, in_half_precision, in_parallel, to_images, write_weights

BATCH, PROMPTS = 8, 4  # images, and prompts on each: the image encoder costs as much as four
POOL = 6_000  # scenes drawn once; each is seen turned, mirrored and with its colours exchanged
STAGES = [(56_000, 128, 8e-4), (9_600, 256, 5e-4), (8_000, 256, 5e-4)]  # images seen, px a side, highest learning rate
FOREGROUND, BACKGROUND = (1, 1, 1, 2, 3, 5, 8), (0, 1, 2, 2, 3, 5, 8)  # how many clicks of a prompt: one of these
ALIKE = 2  # from this stage on a batch's prompts are of one length, as answers are; before, NO_POINT fills them up
LENGTHS = (1, 2, 3, 3, 4, 6, 8, 10, 16)  # one of these
BOXED = 0.15  # share of the prompts that are a box, with a click at most
WHOLE_CLASS = 0.2  # share of the prompts that ask for all objects of a class, each with a click of its own
FINE = 128  # px a side at which masks are compared: an outline is hardly wider than a pixel of the model's own 64
HELD_OUT = {"test": "regular", "test_small": "small", "test_thin": "thin"}  # splits, and the sizes in them
CLICKS = {"1_0": (1, 0), "1_2": (1, 2), "3_4": (3, 4), "8_8": (8, 8)}  # foreground and background, measured


@dataclass(frozen=True)
class Scenes:
    """Scenes drawn once: pixels (N,H,W,3); owner (N,H,W), which object a pixel shows, counted from 1, 0 for none;
    classes, the class ids of each scene's objects, and their sizes in px."""

    pixels: UInt8[np.ndarray, "n h w 3"]
    owner: UInt8[np.ndarray, "n h w"]
    classes: Sequence[Int[np.ndarray, " k"]]
    sizes: Sequence[Int[np.ndarray, " k"]]


def train_promptable(name: str = "shapes_sam2", seed: int = 0, folder: Path = WEIGHTS) -> dict[str, str]:
    """Train the embedded SAM 2 and write `folder/name.safetensors`.

    Every image carries PROMPTS prompts: clicks inside and outside an object, or a box. Of the three masks the best
    is trained, by cross entropy and soft Jaccard, so that they may differ where a prompt is ambiguous; the quality
    told of each is trained to be its IoU; one batch in four asks for the single mask. AdamW under a one-cycle
    schedule, in STAGES. Weights are stored in half precision and measured as stored; the file's metadata holds the
    command, the seed, the images seen, the seconds taken, and `held_out`'s mean IoU for each of CLICKS. Returned.
    """
    began = time.monotonic()
    torch.manual_seed(seed)
    scenes = _scenes(in_parallel(_one, [f"train-{number:05d}" for number in range(POOL)]))
    model = shapes_sam2()
    for stage in range(len(STAGES)):
        model = train_stage(model, name, seed, stage, scenes)
    weights = as_stored(model)
    facts = {
        "images": sum(images for images, _, _ in STAGES),
        **{f"miou_{key}": value for key, value in measured(model).items()},
    }
    return write_weights(name, seed, folder, weights, facts, time.monotonic() - began)


def train_stage(given: Sam2Model, name: str, seed: int, stage: int, scenes: Scenes) -> Sam2Model:
    """The model after one stage of STAGES, for images of SIDE px; its weights are what half precision holds."""
    images, side, rate = STAGES[stage]
    model = shapes_sam2(side)
    model.load_state_dict(given.state_dict())
    steps = images // BATCH
    heads = Heads()
    optimiser = torch.optim.AdamW([*model.parameters(), *heads.parameters()], lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    with tqdm(range(steps), desc=f"{name}, stage {stage + 1}", mininterval=5) as progress:
        for step in progress:
            rng = generator(seed, f"step-{step}", f"prompt stage {stage}")
            pixels, points, labels, truth, classes = _batch(
                scenes, rng, side, None if stage < ALIKE else int(rng.choice(LENGTHS))
            )
            levels = _embedded(model.train(), as_seen(pixels, side))
            told = model(
                image_embeddings=levels,
                input_points=points,
                input_labels=labels,
                multimask_output=bool(rng.random() < 0.75),
            )
            loss, best = _loss(told.pred_masks, told.iou_scores, truth)
            loss = loss + functional.cross_entropy(heads(levels), classes)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if step % 25 == 0:
                progress.set_postfix(loss=f"{loss.item():.3f}", iou=f"{best:.3f}")
    given.load_state_dict(in_half_precision(model))
    return given


class Heads(nn.Module):
    """What every pixel's class is, told from the image's embeddings at all levels: (B,classes,h,w) at the finest.

    For training alone. A prompt's loss says little of where objects are to an encoder that knows none; this does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.ModuleList(nn.Conv2d(width, len(CLASS_NAMES), 1) for width in (HIDDEN // 8, HIDDEN // 4, HIDDEN))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        told = [head(level) for head, level in zip(self.each, levels, strict=True)]
        return torch.stack([functional.interpolate(one, told[0].shape[2:], mode="bilinear") for one in told]).sum(0)


def _embedded(model: Sam2Model, images: Tensor) -> list[Tensor]:
    """As model.get_image_embeddings, which cannot be differentiated."""
    levels = list(model.get_image_features(images, return_dict=True).fpn_hidden_states)
    levels[-1] = levels[-1] + model.no_memory_embedding
    sizes = model.backbone_feature_sizes
    return [one.permute(1, 2, 0).unflatten(2, tuple(size)) for one, size in zip(levels, sizes, strict=True)]


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
    found: dict[tuple[int, int], list[float]] = {(c, t): [] for c in range(1, len(CLASS_NAMES)) for t in range(3)}
    number = 0
    while any(len(one) < each for one in found.values()):
        name, number = f"{split}-{number:05d}", number + 1
        scenes = _scenes([_one(name)])
        for place, class_id in enumerate(scenes.classes[0]):
            cell = found[int(class_id), int(np.digitize(scenes.sizes[0][place], thirds))]
            truth = scenes.owner[0] == place + 1
            if len(cell) == each or not truth.any():
                continue
            rng = generator(name, f"object-{place}", "clicks")
            inside, outside = _within(rng, truth, clicks[0]), _within(rng, ~truth, clicks[1])
            mask = _told(model, scenes.pixels, np.concatenate([inside, outside]), [1] * clicks[0] + [0] * clicks[1])
            cell.append((mask & truth).sum() / (mask | truth).sum())
    return np.array(list(found.values())).reshape(len(CLASS_NAMES) - 1, 3, each)


def measured(model: Sam2Model) -> dict[str, float]:
    """Mean IoU of `held_out` by clicks, of the regular scenes; and after one and two clicks of the other splits."""
    regular = {key: held_out(model, clicks).mean().item() for key, clicks in CLICKS.items()}
    return regular | {f"1_2_{HELD_OUT[s]}": held_out(model, (1, 2), s).mean().item() for s in list(HELD_OUT)[1:]}


def _told(model: Sam2Model, pixels: np.ndarray, points: np.ndarray, labels: list[int]) -> Bool[np.ndarray, "h w"]:
    model.eval()
    with torch.no_grad():
        told = model(
            pixel_values=as_seen(pixels),
            input_points=torch.from_numpy(points).float()[None, None] * SIDE / CANVAS,
            input_labels=torch.tensor(labels)[None, None],
        )
    best = told.pred_masks[0, 0, told.iou_scores[0, 0].argmax()]
    return (functional.interpolate(best[None, None], (CANVAS, CANVAS), mode="bilinear")[0, 0] > 0).numpy()


def _loss(logits: Tensor, quality: Tensor, truth: Tensor) -> tuple[Tensor, float]:
    """logits (B,P,M,h,w), quality (B,P,M), truth (B,P,FINE,FINE) in [0,1]; the loss and the mean IoU of the best."""
    fine = functional.interpolate(logits.flatten(0, 1), (FINE, FINE), mode="bilinear", align_corners=False)
    wanted = truth.flatten(0, 1)[:, None].expand_as(fine)
    entropy = functional.binary_cross_entropy_with_logits(fine, wanted, reduction="none").mean((2, 3))
    told = fine.sigmoid()
    shared = (told * wanted).sum((2, 3))
    jaccard = 1 - (shared + 1) / ((told + wanted).sum((2, 3)) - shared + 1)
    with torch.no_grad():
        masks, real = fine > 0, wanted > 0.5
        iou = (masks & real).sum((2, 3)) / (masks | real).sum((2, 3)).clamp_min(1)
    best = (5 * entropy + jaccard).min(dim=1)
    gap = functional.mse_loss(quality.flatten(0, 1), iou)
    return best.values.mean() + gap, iou.gather(1, best.indices[:, None]).mean().item()


def _batch(
    scenes: Scenes, rng: np.random.Generator, side: int, length: int | None
) -> tuple[np.ndarray, Tensor, Tensor, Tensor, Tensor]:
    """pixels (B,H,W,3), points (B,P,K,2) in px of the model, labels (B,P,K), truth (B,P,FINE,FINE) in [0,1], and the
    class ids of the pixels (B,side/4,side/4)."""
    pictures, prompts, truths, classes = [], [], [], []
    for index in rng.integers(0, len(scenes.pixels), BATCH):
        view = drawn_view(rng)
        owner = view(scenes.owner[index])
        pictures.append(view(scenes.pixels[index]))
        classes.append(np.concatenate([[0], scenes.classes[index]])[owner].astype(np.float32))
        for _ in range(PROMPTS):
            points, labels, truth = _prompt(owner, scenes.classes[index], rng, length)
            prompts.append((points, labels))
            truths.append(truth)
    most = max(len(labels) for _, labels in prompts)
    points, labels = np.zeros((len(prompts), most, 2), np.float32), np.full((len(prompts), most), NO_POINT)
    for row, (spots, kinds) in enumerate(prompts):
        points[row, : len(kinds)], labels[row, : len(kinds)] = spots, kinds
    masks = functional.interpolate(
        torch.from_numpy(np.stack(truths)).float()[:, None], (FINE, FINE), mode="bilinear", antialias=True
    )
    shape = (BATCH, PROMPTS)
    return (
        np.stack(pictures),
        torch.from_numpy(points * (side / CANVAS)).unflatten(0, shape),
        torch.from_numpy(labels).unflatten(0, shape),
        masks[:, 0].unflatten(0, shape),
        functional.interpolate(torch.from_numpy(np.stack(classes))[:, None], (side // 4, side // 4))[:, 0].long(),
    )


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
    own = [_within(rng, owner == one + 1, 1) for one in wanted]
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


def _scenes(drawn: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> Scenes:
    pixels, owner, classes, sizes = zip(*drawn, strict=True)
    return Scenes(np.stack(pixels), np.stack(owner), classes, sizes)


def _one(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    drawn = scene(name)
    owner = np.zeros(drawn.labels.shape, np.uint8)
    for number, pixels in enumerate(drawn.objects, 1):
        owner[pixels] = number
    return drawn.image, owner, drawn.classes, drawn.sizes
