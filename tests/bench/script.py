"""The benchmark of four methods as a user of grad-cam and captum writes it: short, and nothing done twice."""

import numpy as np
import pandas as pd
import torch
from captum.attr import FeatureAblation
from pytorch_grad_cam import GradCAM, HiResCAM
from pytorch_grad_cam.utils.model_targets import SemanticSegmentationTarget
from torchvision.transforms.functional import gaussian_blur, hflip

K, STRENGTH = 0.2, 0.03


def score(model, images, mask, class_id):
    return model(images)[:, :, mask].softmax(1)[:, class_id].mean(1)


def explain(model, layer, image, mask, class_id, grid, at_once):
    target = [SemanticSegmentationTarget(class_id, mask.numpy().astype(np.float32))]
    maps = {}
    for name, explainer in {"gpa": GradCAM, "ega": HiResCAM}.items():
        with explainer(model, [layer]) as cam:
            maps[name] = torch.from_numpy(cam(image[None], target)[0])
    size = image.shape[1]
    cell = torch.arange(size) * grid // size
    cells = (cell[:, None] * grid + cell)[None, None]
    mean = image.mean((1, 2), keepdim=True).expand_as(image)
    with torch.inference_mode():
        ablation = FeatureAblation(lambda images: score(model, images, mask, class_id))
        drops = ablation.attribute(image[None], mean[None], feature_mask=cells, perturbations_per_eval=at_once)
    maps["ria"] = scaled(drops[0, 0].clamp_min(0))
    maps["dea"] = scaled(0.65 * maps["ega"] * (1 + 0.35 * maps["ria"]) + 0.35 * maps["ria"])
    return maps


def scaled(values):
    spread = values.max() - values.min()
    return (values - values.min()) / spread if spread > 0 else torch.zeros_like(values)


@torch.inference_mode()
def measure(model, image, mask, class_id, relevance):
    blank = image.mean((1, 2), keepdim=True).expand_as(image)
    deleted, outside, inserted = image.clone(), image.clone(), blank.clone()
    for region, changed, source in ((mask, deleted, blank), (~mask, outside, blank), (mask, inserted, image)):
        order = relevance[region].argsort(descending=True, stable=True)
        y, x = region.nonzero()[order[: max(1, int(K * int(region.sum()) + 0.5))]].T
        changed[:, y, x] = source[:, y, x]
    base, *after, empty = score(model, torch.stack([image, deleted, outside, inserted, blank]), mask, class_id)
    tdd, odd, gain = (float(drop / base) for drop in (base - after[0], base - after[1], after[2] - empty))
    return {"tdd": tdd, "odd_abs": abs(odd), "leak_abs": abs(odd / tdd), "insertion": gain}


def benchmark(model, layer, samples, grid=14, at_once=1):
    """A row a sample, method and metric. samples: (id, image (3,H,W), mask (H,W), class) each."""
    rows = []
    for sample_id, image, mask, class_id in samples:
        maps = explain(model, layer, image, mask, class_id, grid, at_once)
        mean = image.mean((1, 2), keepdim=True)
        changes = {
            "noise": image + STRENGTH * torch.randn_like(image),
            "brightness": image + STRENGTH,
            "contrast": mean + (1 + STRENGTH) * (image - mean),
            "blur": gaussian_blur(image, 9, 1.0),
            "flip": hflip(image),
        }
        alike = {name: [] for name in maps}
        for kind, changed in changes.items():
            region = mask.flip(1) if kind == "flip" else mask
            again = explain(model, layer, changed.clamp(0, 1), region, class_id, grid, at_once)
            for name, relevance in again.items():
                back = relevance.flip(1) if kind == "flip" else relevance
                alike[name].append(np.corrcoef(maps[name].flatten(), back.flatten())[0, 1])
        for name, relevance in maps.items():
            values = {**measure(model, image, mask, class_id, relevance), "stability": np.mean(alike[name])}
            rows += [(sample_id, name, metric, value) for metric, value in values.items()]
    return pd.DataFrame(rows, columns=["sample_id", "method", "metric", "value"])
