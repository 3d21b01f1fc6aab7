"""Pictures and masks of every mode, against values worked out by hand."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segattr_lib.data import SampleError
from segattr_lib.data.files import read_image, read_mask
from segattr_lib.data.images import as_labels, as_rgb, stored_numbers

SIXTEEN = np.array([[0, 256, 257, 385], [386, 32768, 65279, 65535]], np.uint16)
LEVELS = np.array([[0, 1, 1, 1], [2, 128, 254, 255]], np.uint8)  # of SIXTEEN: 257 numbers a level, rounded
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's, by channels


def png(numbers: np.ndarray, bits: int) -> bytes:
    """A PNG of (H,W,C) whole numbers of any depth, most of which Pillow cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = numbers.shape
    places = np.arange(bits - 1, -1, -1)
    binary = (numbers[..., None].astype(np.int64) >> places & 1).astype(np.uint8).reshape(height, -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in binary)
    header = struct.pack(">IIBBBBB", width, height, bits, COLOUR_TYPES[channels], 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def tiff(numbers: np.ndarray, **options: str) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, numbers, **{"photometric": "minisblack", **options})
    return file.getvalue()


def shown(content: bytes | Image.Image) -> np.ndarray:
    picture = content if isinstance(content, Image.Image) else Image.open(BytesIO(content))
    seen = as_rgb(picture)
    assert seen.mode == "RGB"
    return np.asarray(seen)


@pytest.mark.parametrize(
    "content",
    [
        png(SIXTEEN[..., None], 16),
        tiff(SIXTEEN),
        tiff(SIXTEEN, byteorder=">"),
        tiff(65535 - SIXTEEN, photometric="miniswhite"),
        tiff(SIXTEEN.astype(np.int32)),  # 16 bits in a wider type
        tiff(SIXTEEN.astype(np.uint32) * 65537),
        tiff(SIXTEEN.astype(np.float32) / 65535),
        Image.fromarray(SIXTEEN),
        Image.fromarray(SIXTEEN.astype(np.int32)),
        Image.fromarray(SIXTEEN.astype(np.float32) / 65535),
    ],
    ids=["png", "tiff", "big endian", "white is zero", "in 32 bits", "32 bits", "float", "I;16", "I", "F"],
)
def test_grey_of_every_depth_shows_the_same(content: bytes | Image.Image):
    assert np.array_equal(shown(content), np.stack([LEVELS] * 3, -1))


def test_signed_grey_reaches_white_at_its_own_top():
    signed = np.array([[0, 129, 16384, 32767]], np.int16)
    assert shown(tiff(signed))[..., 0].tolist() == [[0, 1, 128, 255]]
    assert shown(tiff(signed.astype(np.int32) * 65538))[..., 0].tolist() == [[0, 1, 128, 255]]


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colour_of_16_bits_keeps_its_high_byte(channels: int):
    numbers = np.random.default_rng(0).integers(0, 65536, (4, 5, channels))
    if channels != 3:
        numbers[..., -1] = 65535
    high = numbers[..., [0, 0, 0] if channels == 2 else [0, 1, 2]] >> 8
    assert np.array_equal(shown(png(numbers, 16)), high)


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        (np.array([[0.0, 1.5]], np.float32), "from 0 to 1.5, expected 0 to 1"),
        (np.array([[0.0, 255]], np.float32), "from 0 to 255, expected 0 to 1"),
        (np.array([[-0.1, 1]], np.float32), "from -0.1 to 1"),
        (np.array([[np.nan, 1]], np.float32), "nan"),
        (np.array([[np.inf, 1]], np.float32), "inf"),
        (np.array([[-1024, 3000]], np.int16), "from -1024 to 3000"),
        (np.array([[0, 255]], np.uint16), "reach 255 of 65535, which is black"),
        (np.array([[0, 255]], np.int32), "reach 255 of 65535, which is black"),
        (np.array([[0, 70_000]], np.int32), "reach 70000 of"),
    ],
)
def test_numbers_whose_range_would_be_a_guess_are_refused(numbers: np.ndarray, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        as_rgb(Image.open(BytesIO(tiff(numbers))))


@pytest.mark.parametrize("numbers", [np.zeros((2, 2), np.uint16), np.zeros((2, 2), np.int32), np.zeros((2, 2), "f4")])
def test_a_black_picture_stays_black(numbers: np.ndarray):
    assert not shown(tiff(numbers)).any()


def corner(height: int = 12, width: int = 20) -> np.ndarray:
    """Four quarters of different grey, so that every turn and mirror tells."""
    quarters = np.array([[40, 90], [140, 240]], np.uint8)
    return np.kron(quarters, np.ones((height // 2, width // 2), np.uint8))


STORED = {  # by EXIF orientation: what a camera stores of an upright picture
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.T,
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright.T, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_a_picture_stands_as_its_orientation_says(tmp_path: Path, orientation: int, ending: str):
    path, exif = tmp_path / f"a.{ending}", Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](corner())))
    stored.save(path, exif=exif, **({"quality": 100} if ending == "jpg" else {"lossless": True}))
    assert np.abs(np.asarray(read_image(path))[..., 0].astype(int) - corner()).max() < 3
    assert np.array_equal(as_rgb(read_image(path)), read_image(path))  # it is turned once
    if ending in ("png", "tif"):
        assert np.array_equal(read_mask(path), corner())


def test_what_is_seen_through_is_white():
    clear = np.array([[[200, 100, 0, 255], [200, 100, 0, 128], [200, 100, 0, 0]]], np.uint8)
    half = 255 + (np.array([200, 100, 0]) - 255) * 128 / 255
    seen = shown(Image.fromarray(clear))
    assert np.abs(seen - [[[200, 100, 0], half, [255, 255, 255]]]).max() < 1
    grey = shown(Image.fromarray(clear[..., [0, 3]], "LA"))
    assert np.abs(grey[..., 0] - [[200, half[0], 255]]).max() < 1


@pytest.mark.parametrize("ending", ["PNG", "GIF"])
def test_a_palette_may_hold_what_is_seen_through(ending: str):
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    file = BytesIO()
    picture.save(file, ending, transparency=1)
    assert shown(file.getvalue()).tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]
    assert stored_numbers(Image.open(file)).tolist() == [[0, 1, 2]]


def test_an_opaque_picture_stays_the_same_to_the_bit():
    colours = np.random.default_rng(1).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert np.array_equal(shown(Image.fromarray(colours)), colours)
    assert np.array_equal(shown(Image.fromarray(colours).convert("RGBA")), colours)


def test_inks_are_shown_as_light():
    inks = np.array([[[0, 0, 0, 0], [0, 255, 255, 0], [0, 0, 0, 255]]], np.uint8)
    assert shown(Image.fromarray(inks, "CMYK")).tolist() == [[[255, 255, 255], [255, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize("ending", ["GIF", "TIFF", "PNG"])
def test_of_several_pictures_the_first_is_shown_and_no_mask_is_made(tmp_path: Path, ending: str):
    path = tmp_path / f"a.{ending.lower()}"
    first, second = (Image.new("RGB", (4, 3), colour) for colour in ("red", "blue"))
    first.save(path, ending, save_all=True, append_images=[second])
    assert (np.asarray(read_image(path)) == (255, 0, 0)).all()
    with pytest.raises(SampleError, match="it holds 2 pictures; a mask is one"):
        read_mask(path)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_mask_of_any_depth_gives_its_numbers(tmp_path: Path, bits: int):
    numbers = np.arange(24).reshape(4, 6) % min(2**bits, 20)
    (tmp_path / "a.png").write_bytes(png(numbers[..., None], bits))
    assert np.array_equal(read_mask(tmp_path / "a.png"), numbers)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "I", "I;16", "F", "RGB", "RGBA"])
def test_a_mask_of_any_mode_gives_its_numbers(mode: str):
    numbers = np.array([[0, 1, 1], [1, 0, 1]], np.uint8)
    if mode == "1":
        mask = Image.fromarray(numbers.astype(bool))
    elif mode in ("P", "PA"):
        mask = Image.fromarray(numbers, "P")
        mask.putpalette([9, 9, 9, 200, 0, 0])
        mask = mask.convert(mode)
    elif mode == "I;16":
        mask = Image.fromarray(numbers.astype(np.uint16))
    else:
        mask = Image.fromarray(numbers).convert(mode)
    assert mask.mode == mode
    expected = np.stack([numbers] * 3, -1) if mode in ("RGB", "RGBA") else numbers
    assert np.array_equal(stored_numbers(mask), expected)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_a_mask_whose_ids_would_lose_their_low_byte_is_refused(tmp_path: Path, channels: int):
    (tmp_path / "a.png").write_bytes(png(np.full((3, 4, channels), 7), 16))
    with pytest.raises(SampleError, match="16 bits a channel"):
        read_mask(tmp_path / "a.png")


@pytest.mark.parametrize("numbers", [[[0, 7, 255]], [[0.0, 7.0, 255.0]], [[True, False]]])
@pytest.mark.parametrize("dtype", [None, np.int64])
def test_labels_of_any_type_are_whole_numbers_of_a_byte(numbers: list[list[float]], dtype: type | None):
    labels = as_labels(np.array(numbers, dtype))
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[int(number) for number in row] for row in numbers]


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [([[256]], "label 256"), ([[-1]], "label -1"), ([[1.5]], "label 1.5"), ([[np.nan]], "label nan"), ([1], "shape")],
)
def test_labels_that_are_none_are_refused(numbers: list[list[float]], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        as_labels(np.array(numbers))


def flat_picture(path: Path, megapixels: int) -> Path:
    Image.new("1", (1000, megapixels * 1000)).save(path)
    return path


def test_a_large_picture_is_read_without_a_word_and_a_bomb_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_500_000)
    assert read_image(flat_picture(tmp_path / "large.png", 2)).size == (1000, 2000)
    assert not [warning for warning in recwarn if issubclass(warning.category, Image.DecompressionBombWarning)]
    for read in (read_image, read_mask):
        with pytest.raises(SampleError, match=r"bomb\.png of .* cannot be read: .*4000000 pixels"):
            read(flat_picture(tmp_path / "bomb.png", 4))
