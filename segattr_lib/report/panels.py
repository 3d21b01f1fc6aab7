"""Pictures with maps and masks over them as HTML, for widgets and pages of their own."""

from __future__ import annotations

import base64
import html
import io

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from scipy import ndimage
from torch import Tensor

from segattr_lib.perturbation import Fill, occlude, top_fraction
from segattr_lib.prompting.cues import BACKGROUND, FOREGROUND, Cues
from segattr_lib.report.steps import marked
from segattr_lib.targets import Images, Target

OUTLINE = (0.3, 1.0, 1.0)  # a hue that magma has not
INSIDE_POINT, OUTSIDE_POINT = (1.0, 1.0, 1.0), (1.0, 0.35, 0.3)  # colours of cues
DIMMED = 0.35  # of a pixel outside of a mask that is cut out
MAP_SHARE = 0.65  # of an overlay; the rest is the image, in grey
CAPTION = "line-height: 1.4; margin: 0; padding: 0; text-align: left; color: var(--jp-widgets-label-color, inherit)"


def overlay(
    image: Float[Tensor, "3 h w"], values: Float[Tensor, "h w"], outline: Bool[np.ndarray, "h w"]
) -> np.ndarray:
    """The map in magma over the grey image, the outline of the target on top; (H,W,3) in [0,1]."""
    grey = pixels_of(image).mean(2, keepdims=True)
    colours = mpl.colormaps["magma"](values.cpu().numpy())[..., :3]
    picture = MAP_SHARE * colours + (1 - MAP_SHARE) * grey
    return outlined(picture, outline)


def outlined(picture: Float[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 3"]:
    """The picture with the pixels of the mask that touch its outside in OUTLINE."""
    picture = picture.copy()
    picture[mask & ~ndimage.binary_erosion(mask)] = OUTLINE
    return picture


def cut_out(image: Float[Tensor, "3 h w"], mask: Bool[Tensor, "h w"]) -> Float[np.ndarray, "h w 3"]:
    """The image as a picture, dark outside of the mask, which is outlined."""
    inside = mask.cpu().numpy()
    picture = pixels_of(image)
    picture[~inside] *= DIMMED
    return outlined(picture, inside)


def with_cues(picture: Float[np.ndarray, "h w 3"], cues: Cues) -> Float[np.ndarray, "h w 3"]:
    """The picture with a white cross at every point inside, a red one at every point outside."""
    for kind, colour in ((BACKGROUND, OUTSIDE_POINT), (FOREGROUND, INSIDE_POINT)):
        spots = cues.points[cues.labels == kind].tolist()
        picture = marked(picture, [(x, y) for x, y in spots], colour)
    return picture


def figure(picture: Float[np.ndarray, "h w 3"], alt: str, caption: str, pixels: int) -> str:
    """HTML of a picture in [0,1], `pixels` wide, with its alternative text and a caption; some kilobytes.

    The class keeps the book's dark theme from dimming the picture, the colour keeps the caption readable there.
    """
    drawn = Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8))
    if drawn.width > pixels:
        drawn = drawn.resize((pixels, round(drawn.height * pixels / drawn.width)), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    drawn.save(file, "WEBP", quality=60, method=6)
    source = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    return (
        f'<figure style="margin: 0 1em 0.5em 0; padding: 0; width: {pixels}px">'
        f'<img class="dark-light" alt="{html.escape(alt)}" width="{pixels}" '
        f'style="image-rendering: {"pixelated" if drawn.width < pixels else "auto"}" src="{source}">'
        f'<figcaption style="{CAPTION}">{html.escape(caption)}</figcaption></figure>'
    )


def without_top(images: Tensor, maps: Tensor, target: Target, k: float, fill: Fill) -> Images:
    """O(x, S_t): the images without the top-k fraction of their target, of a classifier's of the whole image; as they
    are where k is 0."""
    if not k:
        return images
    region = torch.ones_like(images[:, 0], dtype=torch.bool) if target.mask is None else target.mask
    selected = top_fraction(maps, region, k).pixels
    return occlude(images, selected, torch.arange(len(images), device=images.device), fill)


def pixels_of(image: Float[Tensor, "3 h w"]) -> Float[np.ndarray, "h w 3"]:
    """The image as a picture, a copy."""
    return image.detach().cpu().movedim(0, 2).numpy().copy()
