"""Targets as people name them: what a text means, and which pixels of hand-drawn labels it finds."""

from __future__ import annotations

import numpy as np
import pytest

from segattr_lib.data.regions import Region, class_id_of, read_region
from segattr_lib.data.sample import SampleError, find_region
from segattr_lib.registry import UserError

NAMES = ["background", "cat", "dog", "cow"]
LABELS = np.array(
    [
        [1, 1, 0, 0, 2, 2],
        [1, 0, 0, 2, 0, 2],
        [0, 0, 1, 0, 0, 0],
        [3, 0, 0, 1, 1, 255],
        [3, 0, 0, 1, 1, 255],
    ]
)
ALL_OF_1 = LABELS == 1
SQUARE = np.zeros_like(LABELS, dtype=bool)
SQUARE[2, 2] = SQUARE[3:5, 3:5] = True  # the larger part of class 1: they touch at a corner
CORNER = ALL_OF_1 & ~SQUARE


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("frequent", Region("frequent")),
        (" largest_component ", Region("largest_component")),
        ("class=potted plant", Region("class", "potted plant")),
        ("class = 8", Region("class", "8")),
        ("point=3,4.5", Region("point", numbers=(3.0, 4.5))),
        ("box=0, 0, 10, 20", Region("box", numbers=(0.0, 0.0, 10.0, 20.0))),
    ],
)
def test_a_text_names_a_region(text: str, region: Region):
    assert read_region(text) == region


@pytest.mark.parametrize(
    "text",
    ["", "most", "frequent=1", "class", "class=", "point", "point=1", "point=1,2,3", "point=a,b", "point=-1,2",
     "point=nan,2", "box=1,2,3", "box=5,0,5,9", "box=0,9,5,3", "largest"],
)  # fmt: skip
def test_any_other_text_is_refused_with_what_was_expected(text: str):
    with pytest.raises(UserError, match=r"target is .*; expected ") as caught:
        read_region(text)
    assert repr(text) in str(caught.value)


def test_a_class_is_named_or_numbered():
    assert class_id_of("dog", NAMES) == 2
    assert class_id_of("3", NAMES) == 3
    assert class_id_of("17", []) == 17
    with pytest.raises(UserError, match=r"Unknown class of the target 'dgo' \(did you mean 'dog'\?\)"):
        class_id_of("dgo", NAMES)
    with pytest.raises(UserError, match="Unknown class of the target '4'"):
        class_id_of("4", NAMES)
    with pytest.raises(UserError, match="names of the classes are not known; give the class's id"):
        class_id_of("dog", [])


@pytest.mark.parametrize(
    ("text", "class_id", "mask"),
    [
        ("frequent", 1, ALL_OF_1),
        ("class=dog", 2, LABELS == 2),
        ("class=background", 0, LABELS == 0),
        ("largest_component", 1, SQUARE),
        ("point=0,0", 1, CORNER),
        ("point=2,2", 1, SQUARE),
        ("point=4,0", 2, LABELS == 2),
        ("point=5.9,2.9", 0, LABELS == 0),
        ("box=3,0,6,3", 2, LABELS == 2),
        ("box=0,2,3,5", 3, LABELS == 3),
        ("box=0,0,2,1", 1, np.pad(np.ones((1, 2), bool), ((0, 4), (0, 4)))),
        ("box=4,3,90,90", 1, (LABELS == 1) & (np.arange(6) >= 4)),
    ],
)
def test_a_region_is_found_in_labels(text: str, class_id: int, mask: np.ndarray):
    found, where = find_region(LABELS, read_region(text), NAMES, None)
    assert found == class_id
    assert np.array_equal(where, mask)


def test_ties_go_to_the_lowest_class():
    labels = np.array([[2, 2, 1, 1]])
    assert find_region(labels, read_region("frequent"), NAMES, None)[0] == 1
    assert find_region(labels, read_region("box=1,0,3,1"), NAMES, None)[0] == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("class=cow", "no pixel is cow"),
        ("point=4,0", "the point 4,0 lies outside the picture, 4 x 3 px"),
        ("point=3,3", "the point 3,3 lies outside the picture, 4 x 3 px"),
        ("point=3,2", "no class is given at the point 3,2"),
        ("box=4,0,9,9", "the box lies outside the picture, 4 x 3 px"),
        ("box=2,2,4,3", "the box holds no object"),
    ],
)
def test_what_is_not_there_is_skipped_and_says_why(text: str, reason: str):
    labels = np.array([[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 255]])
    with pytest.raises(SampleError) as caught:
        find_region(labels, read_region(text), NAMES, None)
    assert (caught.value.status, caught.value.reason) == ("skipped", reason)
    for empty in (np.zeros((3, 4), int), np.full((3, 4), 255)):
        with pytest.raises(SampleError, match="there is no object"):
            find_region(empty, read_region("frequent"), NAMES, None)


def test_points_and_boxes_are_px_of_the_picture_as_it_was():
    """A picture of 60 x 50 px whose labels are a tenth of that."""
    extent = (60, 50)
    for text, small in [("point=25,29", "point=2,2"), ("point=59,49", None), ("box=30,0,60,30", "box=3,0,6,3")]:
        if small is None:
            with pytest.raises(SampleError, match="no class is given at the point 59,49"):
                find_region(LABELS, read_region(text), NAMES, extent)
            continue
        found = find_region(LABELS, read_region(text), NAMES, extent)
        expected = find_region(LABELS, read_region(small), NAMES, None)
        assert found[0] == expected[0] and np.array_equal(found[1], expected[1])
    thin = find_region(LABELS, read_region("box=22,21,23,22"), NAMES, extent)  # less than a pixel holds that pixel
    assert np.argwhere(thin[1]).tolist() == [[2, 2]]


def test_255_is_a_class_like_any_other_where_labels_are_complete():
    """As of a model of more than 255 classes."""
    labels = np.array([[255, 255, 0], [300, 0, 0]])
    assert find_region(labels, read_region("frequent"), [], None)[0] == 300
    class_id, mask = find_region(labels, read_region("frequent"), [], None, complete=True)
    assert class_id == 255
    assert np.array_equal(mask, labels == 255)
