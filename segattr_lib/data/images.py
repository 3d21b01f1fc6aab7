"""What a picture shows and what a mask holds, whatever mode Pillow gives it: nothing is clipped, wrapped or guessed."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageOps, TiffImagePlugin

BITS, PHOTOMETRIC, SAMPLE_FORMAT = (
    TiffImagePlugin.BITSPERSAMPLE,
    TiffImagePlugin.PHOTOMETRIC_INTERPRETATION,
    TiffImagePlugin.SAMPLEFORMAT,
)
WHITE_IS_ZERO, SIGNED = 0, 2  # as TIFF numbers them
STEPS = {"L;2": 85, "L;4": 17}  # grey of 2 or 4 bits: what Pillow multiplies the stored numbers by


def as_rgb(image: Image.Image) -> Image.Image:
    """A picture as a viewer shows it: upright, opaque, 8-bit RGB; one that is that already is the same to the bit.

    Its EXIF orientation is followed. Transparent pixels show white, the page that most viewers lay behind them.
    Of an animation or a stack the frame that is open counts, which is the first of a file just opened. Grey of
    more than 8 bits goes from 0 to its type's largest number (12 and 16 bits, signed or not, and 32; numbers up
    to 65535 in Pillow's mode "I" are of 16 bits, which it also opens so); floats are in [0,1].

    Raises ValueError for numbers below 0, floats outside [0,1] or not finite, and integers that reach less than
    one of 255 levels of their type, which would be a black picture: their range would be a guess.
    """
    upright = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_levels(np.asarray(upright), image)).convert("RGB")
    if upright.has_transparency_data:
        seen = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return upright.convert("RGB")


def stored_numbers(mask: Image.Image) -> Shaped[np.ndarray, "h w *c"]:
    """A mask's numbers as they are stored: palette indices, grey of any depth, or (H,W,3) colours; upright.

    Its EXIF orientation is followed, alpha is left out, and 1, 2 and 4 bits give 0 to 1, 3 and 15. Raises
    ValueError for a file of several pictures and for colours of 16 bits, which Pillow would halve.
    """
    if (count := getattr(mask, "n_frames", 1)) > 1:
        raise ValueError(f"it holds {count} pictures; a mask is one")
    coding = _coding(mask)
    if ";16" in coding and not mask.mode.startswith("I"):
        raise ValueError("its colours have 16 bits a channel; store a mask with 8 bits, or as grey ids")
    upright = ImageOps.exif_transpose(mask)
    if mask.mode in ("LA", "PA"):
        return np.asarray(upright)[..., 0]
    if mask.mode == "1":
        return np.asarray(upright).astype(np.uint8)
    if mask.mode in ("L", "P", "F") or mask.mode.startswith("I"):
        numbers = np.asarray(upright)
        return numbers // STEPS[coding] if coding in STEPS else numbers
    return np.asarray(upright.convert("RGB"))


def as_labels(numbers: np.ndarray) -> UInt8[np.ndarray, "h w"]:
    """Class ids as uint8. Raises ValueError where they are no whole numbers from 0 to 255."""
    labels = np.asarray(numbers)
    if labels.ndim != 2:
        raise ValueError(f"the labels have the shape {labels.shape}, expected (H,W)")
    if labels.dtype == np.uint8:
        return labels
    wrong = labels[~((labels >= 0) & (labels <= 255) & (labels == np.floor(labels)))]  # NaN is wrong as well
    if wrong.size:
        raise ValueError(f"it holds the label {wrong.flat[0]:g}; labels are whole numbers from 0 to 255")
    return labels.astype(np.uint8)


def _levels(numbers: np.ndarray, image: Image.Image) -> UInt8[np.ndarray, "h w"]:
    """The grey levels of a picture of mode I;16, I or F; `image` tells what the numbers were in the file."""
    tags = getattr(image, "tag_v2", {})
    signed = tags.get(SAMPLE_FORMAT, (1,))[0] == SIGNED
    if image.mode == "F":
        top = 1.0
    elif BITS in tags:
        bits = tags[BITS][0]
        numbers = numbers.view(np.uint32) if bits == 32 and not signed else numbers  # Pillow wraps these
        top = 2.0 ** (bits - signed) - 1
    else:
        top = 65535.0 if image.mode.startswith("I;16") else 2.0**31 - 1
    low, high = float(numbers.min()), float(numbers.max())
    if image.mode == "I" and high <= 65535 < top:
        top = 65535.0
    if not (low >= 0 and high <= top):
        raise ValueError(f"its values run from {low:g} to {high:g}, expected 0 to {top:g}; store it as 8-bit grey")
    if image.mode != "F" and 0 < high < top / 255:
        raise ValueError(f"its values reach {high:g} of {top:g}, which is black; store it as 8-bit grey")
    shares = numbers / top
    return np.rint(255 * (1 - shares if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else shares)).astype(np.uint8)


def _coding(image: Image.Image) -> str:
    """Pillow's name for how a file that is not yet loaded stores its numbers ("L;4"); empty where it has none."""
    tiles = getattr(image, "tile", None)
    coding = tiles[0][3] if tiles else ""
    return str(coding[0] if isinstance(coding, tuple) and coding else coding)
