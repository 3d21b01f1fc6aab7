"""What of a picture is explained, as people name it: each form read, and found in labels solved by hand."""

from __future__ import annotations

import numpy as np
import pytest

from segattr_lib.data.regions import FORMS, Region, class_id_of, read_region
from segattr_lib.data.sample import SampleError, find_region
from segattr_lib.registry import UserError

NAMES = ["background", "cat", "dog", "bird"]
# cats hang together over a corner, and are two parts; dogs are one part beside the ring; 255 is the ring
LABELS = np.array(
    [
        [1, 1, 0, 0, 0, 0],
        [1, 0, 0, 2, 2, 255],
        [0, 1, 0, 2, 2, 255],
        [0, 0, 0, 255, 255, 255],
        [1, 0, 3, 0, 0, 0],
        [1, 0, 3, 0, 0, 0],
    ],
    np.uint8,
)


def found(target: str, labels: np.ndarray = LABELS, extent: tuple[int, int] | None = None, **options: bool):
    class_id, mask = find_region(labels, read_region(target), NAMES, extent, **options)
    return class_id, sorted(zip(*map(np.ndarray.tolist, np.nonzero(mask)), strict=True))


def lost(target: str, labels: np.ndarray = LABELS, extent: tuple[int, int] | None = None) -> str:
    with pytest.raises(SampleError) as caught:
        found(target, labels, extent)
    assert caught.value.status == "skipped"
    return caught.value.reason


CATS = [(0, 0), (0, 1), (1, 0), (2, 1), (4, 0), (5, 0)]
DOGS = [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_the_most_frequent_class_is_all_of_its_pixels():
    assert found("frequent") == (1, CATS)


def test_of_classes_as_frequent_the_lowest_id_is_taken():
    labels = np.array([[3, 3, 0], [2, 2, 0], [255, 255, 255]], np.uint8)
    assert found("frequent", labels) == (2, [(1, 0), (1, 1)])
    assert found("box=0,0,3,3", labels) == (2, [(1, 0), (1, 1)])


@pytest.mark.parametrize(("name", "class_id"), [("cat", 1), ("1", 1), ("bird", 3), ("3", 3)])
def test_a_class_is_all_of_its_pixels_by_name_or_id(name: str, class_id: int):
    assert found(f"class={name}") == (class_id, CATS if class_id == 1 else [(4, 2), (5, 2)])


def test_the_background_is_a_class_that_can_be_named():
    class_id, pixels = found("class=background")
    assert class_id == 0 and len(pixels) == int((LABELS == 0).sum())


def test_a_class_that_is_not_on_the_picture_is_said_so():
    assert lost("class=dog", np.where(LABELS == 2, 0, LABELS)) == "no pixel is dog"


def test_the_largest_part_hangs_together_over_corners():
    """Four cats over a corner against four dogs: the first of two as large; with a dog more, the dogs."""
    assert found("largest_component") == (1, CATS[:4])
    labels = LABELS.copy()
    labels[0, 3] = 2
    assert found("largest_component", labels) == (2, [(0, 3), *DOGS])


def test_parts_of_two_classes_that_touch_are_two():
    labels = np.array([[1, 1, 2, 2, 2], [0, 1, 0, 0, 3]], np.uint8)
    assert found("largest_component", labels) == (1, [(0, 0), (0, 1), (1, 1)])
    assert found("point=2,0", labels) == (2, [(0, 2), (0, 3), (0, 4)])


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ("0,0", (1, CATS[:4])),
        ("1,2", (1, CATS[:4])),
        ("0.9,5.99", (1, CATS[4:])),
        ("4,1", (2, DOGS)),
        ("2,4", (3, [(4, 2), (5, 2)])),
    ],
)
def test_a_point_takes_the_part_that_holds_it(point: str, expected: tuple):
    assert found(f"point={point}") == expected


def test_a_point_of_the_background_takes_its_part():
    labels = np.array([[0, 1, 0], [0, 1, 0], [1, 3, 0]], np.uint8)
    assert found("point=2,1", labels) == (0, [(0, 2), (1, 2), (2, 2)])
    assert found("point=0,0", labels) == (0, [(0, 0), (1, 0)])


def test_a_point_without_a_class_has_no_region():
    assert lost("point=5,1") == "no class is given at the point 5,1"


@pytest.mark.parametrize("point", ["6,0", "0,6", "100,100"])
def test_a_point_outside_is_said_so(point: str):
    assert lost(f"point={point}") == f"the point {point} lies outside the picture, 6 x 6 px"


@pytest.mark.parametrize(
    ("point", "expected"),
    [("0,0", 1), ("599.9,399.9", 0), ("0,399.9", 1), ("300,100", 2), ("299.9,66", 0), ("499.9,199.9", 2)],
)
def test_a_point_is_in_px_of_the_picture_before_it_was_resized(point: str, expected: int):
    """Labels of 6 x 6 of a picture of 600 x 400 px: a label is 100 px wide and 66.7 px high."""
    assert found(f"point={point}", extent=(600, 400))[0] == expected
    assert lost("point=600,0", extent=(600, 400)).startswith("the point 600,0 lies outside the picture, 600 x 400")


def test_a_box_takes_what_it_holds_of_its_most_frequent_class():
    assert found("box=3,0,6,3") == (2, DOGS)
    assert found("box=0,0,2,2") == (1, [(0, 0), (0, 1), (1, 0)])
    assert found("box=0,0,4,2") == (1, [(0, 0), (0, 1), (1, 0)])  # of the dogs it holds one
    assert found("box=300,0,600,200", extent=(600, 400)) == (2, DOGS)


def test_a_box_may_lie_partly_outside():
    assert found("box=3,0,1000,1000") == (2, DOGS)
    assert lost("box=6,0,9,3") == "the box lies outside the picture, 6 x 6 px"
    assert lost("box=0,6,9,9").startswith("the box lies outside")


@pytest.mark.parametrize(
    ("box", "place"), [("3.1,1.1,3.3,1.3", (1, 3)), ("0,0,0.1,0.1", (0, 0)), ("4,2,4.2,2.2", (2, 4))]
)
def test_a_box_smaller_than_a_pixel_holds_the_one_that_it_lies_in(box: str, place: tuple[int, int]):
    assert found(f"box={box}")[1] == [place]


def test_a_box_without_objects_is_said_so():
    assert lost("box=2,0,6,1") == "the box holds no object"
    assert lost("box=3,3,6,4") == "the box holds no object"  # the ring is none


@pytest.mark.parametrize("target", ["frequent", "largest_component", "box=0,0,6,6"])
def test_the_ring_is_never_an_object(target: str):
    labels = np.full((6, 6), 255, np.uint8)
    labels[0, :3] = 0
    assert lost(target, labels) in ("there is no object", "the box holds no object")
    labels[5, 5] = 2
    assert found(target, labels) == (2, [(5, 5)])


def test_the_ring_is_no_class_either():
    with pytest.raises(SampleError, match="no pixel is 255"):
        find_region(LABELS, read_region("class=255"), (), None)


def test_of_a_model_that_leaves_no_pixel_out_255_is_a_class_like_any_other():
    """More than 255 classes: the ring's number is one of them."""
    labels = LABELS.astype(np.int64) + 45
    labels[LABELS == 255] = 255
    labels[LABELS == 0] = 0
    ring = [(1, 5), (2, 5), (3, 3), (3, 4), (3, 5)]
    assert find_region(labels, read_region("class=255"), (), None, complete=True)[0] == 255
    assert found("largest_component", labels, complete=True) == (255, ring)
    assert found("point=5,1", labels, complete=True) == (255, ring)
    assert found("box=3,1,6,4", labels, complete=True) == (255, ring)
    labels[labels == 46] = 300
    assert found("frequent", labels, complete=True) == (300, CATS)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("frequent", Region("frequent")),
        (" largest_component ", Region("largest_component")),
        ("class = potted plant", Region("class", "potted plant")),
        ("class=a=b", Region("class", "a=b")),
        ("point=3, 4.5", Region("point", numbers=(3.0, 4.5))),
        ("box=0,1,2,3", Region("box", numbers=(0.0, 1.0, 2.0, 3.0))),
    ],
)
def test_forms_are_read(text: str, region: Region):
    assert read_region(text) == region


@pytest.mark.parametrize("text", ["", "cat", "frequent=1", "class", "class=", "Point=1,2", "largest", "point"])
def test_what_is_no_form_is_answered_with_all_of_them(text: str):
    with pytest.raises(UserError) as caught:
        read_region(text)
    assert str(caught.value) == f"target is {text!r}; expected one of {', '.join(FORMS)}."


POINTS = ["point=1", "point=1,2,3", "point=a,b", "point=-1,2", "point=inf,1", "point=nan,1"]
BOXES = ["box=1,2,3", "box=3,0,1,5", "box=0,0,0,5", "box=0,5,5,5", "box=0,0,nan,5"]


@pytest.mark.parametrize("text", [*POINTS, *BOXES])
def test_numbers_that_are_no_place_are_answered_with_what_is(text: str):
    with pytest.raises(UserError) as caught:
        read_region(text)
    form = "point=x,y" if text.startswith("point") else "box=x0,y0,x1,y1 with x0 < x1 and y0 < y1"
    expected = f"expected {form}, px of the picture from its upper left corner, from 0."
    assert str(caught.value) == f"target is {text!r}; {expected}"


def test_classes_go_by_name_before_number():
    assert class_id_of("2", ["a", "b", "c"]) == 2
    assert class_id_of("2", ["2", "1"]) == 0
    assert class_id_of("7", []) == 7


def test_a_class_that_is_unknown_is_answered_with_those_that_are():
    with pytest.raises(UserError, match=r"Unknown class of the target 'cta' \(did you mean 'cat'\?\)"):
        class_id_of("cta", NAMES)
    with pytest.raises(UserError, match=r"Unknown class of the target '4'"):
        class_id_of("4", NAMES)
    with pytest.raises(UserError, match=r"names of the classes are not known; give the class's id"):
        class_id_of("cat", [])
