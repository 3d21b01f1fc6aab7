from __future__ import annotations

import re
from pathlib import Path

import pytest
from torchvision.models import get_model_weights

from segattr_lib.data.class_maps import CLASS_MAPS, load_class_map, members
from segattr_lib.data.shapes import CLASS_NAMES as SHAPES
from segattr_lib.data.single_shapes import CLASS_NAMES as SINGLE
from segattr_lib.data.voc import CLASS_NAMES as VOC
from segattr_lib.registry import UserError

LABELS = get_model_weights("mobilenet_v2").DEFAULT.meta["categories"]
VOC_IMAGENET = load_class_map("voc_imagenet").classes


def own(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("aeroplane", {"airliner", "warplane"}),
        ("bicycle", {"bicycle-built-for-two", "mountain bike", "tricycle", "unicycle"}),
        ("bus", {"minibus", "school bus", "trolleybus"}),
        ("cat", {"tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"}),
        ("chair", {"barber chair", "folding chair", "rocking chair", "throne"}),
        ("cow", {"ox"}),
        ("diningtable", {"dining table"}),
        ("horse", {"sorrel"}),
        ("motorbike", {"moped", "motor scooter"}),
        ("pottedplant", {"pot"}),
        ("sheep", {"ram", "bighorn"}),
        ("sofa", {"studio couch"}),
        ("train", {"bullet train", "electric locomotive", "steam locomotive", "freight car", "passenger car"}),
        ("tvmonitor", {"monitor", "screen", "television"}),
    ],
)
def test_a_small_voc_class_has_these_imagenet_classes_and_no_other(name: str, labels: set[str]):
    assert {LABELS[number] for number in VOC_IMAGENET[name]} == labels


@pytest.mark.parametrize(
    ("name", "size", "among", "outside"),
    [
        (
            "bird",
            59,
            "cock, hen, ostrich, robin, magpie, bald eagle, vulture, great grey owl, black grouse, peacock, macaw, "
            "hummingbird, toucan, drake, goose, black swan, white stork, flamingo, crane bird, redshank, pelican, "
            "king penguin, albatross",
            "European fire salamander, tusker, echidna, grey whale, crane, birdhouse",
        ),
        (
            "dog",
            118,
            "Chihuahua, beagle, whippet, Airedale, golden retriever, collie, German shepherd, boxer, Great Dane, "
            "Siberian husky, pug, Samoyed, chow, standard poodle, Mexican hairless",
            "sea lion, timber wolf, coyote, dingo, dhole, African hunting dog, hyena, red fox, hotdog, dogsled",
        ),
        (
            "boat",
            15,
            "canoe, catamaran, speedboat, gondola, lifeboat, yawl, schooner, liner, container ship, aircraft carrier",
            "boathouse, paddle, dock, amphibian, space shuttle, airship",
        ),
        (
            "bottle",
            7,
            "beer bottle, wine bottle, pop bottle, water bottle, pill bottle, water jug",
            "bottlecap, beer glass, nipple, red wine, milk can",
        ),
        (
            "car",
            9,
            "cab, convertible, sports car, jeep, limousine, minivan, beach wagon, Model T, racer",
            "ambulance, police van, pickup, trailer truck, tow truck, go-kart, tractor, passenger car, freight car, "
            "car mirror, car wheel, streetcar",
        ),
    ],
)
def test_a_large_voc_class_has_what_it_should(name: str, size: int, among: str, outside: str):
    labels = {LABELS[number] for number in VOC_IMAGENET[name]}
    assert len(labels) == len(VOC_IMAGENET[name]) == size
    assert set(among.split(", ")) <= labels
    assert not set(outside.split(", ")) & labels


def test_the_voc_groups_are_disjoint_and_of_the_1000_classes():
    ids = [number for group in VOC_IMAGENET.values() for number in group]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= set(range(1000))
    assert "plane" not in [LABELS[number] for number in ids]  # a carpenter's


def test_people_are_not_known_and_the_source_says_so():
    grouped = members(load_class_map("voc_imagenet"), VOC)
    assert [name for name, ids in zip(VOC, grouped, strict=True) if not ids] == ["background", "person"]
    said = load_class_map("voc_imagenet").source
    for label in ("ballplayer", "groom", "scuba diver"):
        assert f"{label} ({LABELS.index(label)})" in said


def test_the_names_written_beside_the_ids_are_imagenets():
    blocks = re.findall(
        r"((?:^  #.*\n)+)^  (\w+):", CLASS_MAPS["voc_imagenet"].read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(blocks) == 17
    for comment, name in blocks:
        names = " ".join(line.strip("# ") for line in comment.splitlines())
        assert names.split(", ") == [LABELS[number] for number in VOC_IMAGENET[name]]


def test_a_shape_is_the_classifiers_class_of_the_same_name():
    grouped = members(load_class_map("shapes"), SHAPES)
    assert [[SINGLE[number] for number in ids] for ids in grouped] == [[], *([name] for name in SHAPES[1:])]


@pytest.mark.parametrize("name", CLASS_MAPS)
def test_every_map_says_where_it_is_from(name: str):
    assert len(load_class_map(name).source) > 40
    assert load_class_map(name).classes


def test_ones_own_map_is_read_and_ordered_by_the_data_set(tmp_path: Path):
    chosen = load_class_map(own(tmp_path, "source: me\nclasses: {fish: [1, 389], dog: [], cat: [281]}"))
    assert members(chosen, ["background", "cat", "dog", "bird", "fish"]) == [[], [281], [], [], [1, 389]]
    with pytest.raises(UserError, match=r"'fish' \(did you mean 'fisch'\?\)"):
        members(chosen, ["background", "cat", "dog", "fisch"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source: me\nclasses: {cat: [281, 282], dog: [151, 282]}", "the id 282 to 'cat' and to 'dog'"),
        ("source: me\nclasses: {cat: [281, 281]}", "the id 281 to 'cat' and to 'cat'"),
        ("source: me\nclasses: {cat: [281], cat: [282]}", "given twice"),
        ("source: me\nclasses: {cat: [tabby]}", "'cat': ['tabby']"),
        ("source: me\nclasses: {cat: [2.0]}", "'cat': [2.0]"),
        ("source: me\nclasses: {cat: [true]}", "'cat': [True]"),
        ("source: me\nclasses: {cat: [-1]}", "'cat': [-1]"),
        ("source: me\nclasses: {cat: 281}", "'cat': 281"),
        ("source: me\nclasses: {3: [281]}", "3: [281]"),
        ("source: me\nclasses: [281]", "not of the form"),
        ("source: me", "not of the form"),
        ("classes: {cat: [281]}", "not of the form"),
        ("", "not of the form"),
        ("- cat", "not of the form"),
        ("source: [", "cannot be read"),
    ],
)
def test_a_map_of_another_form_is_refused(tmp_path: Path, text: str, said: str):
    with pytest.raises(UserError, match=re.escape(said)):
        load_class_map(own(tmp_path, text))


def test_a_missing_file_and_an_unknown_name_are_told_apart(tmp_path: Path):
    with pytest.raises(UserError, match=r"gone\.yaml cannot be read"):
        load_class_map(str(tmp_path / "gone.yaml"))
    with pytest.raises(UserError, match=r"Unknown class map 'voc_imagnet' \(did you mean 'voc_imagenet'\?\)"):
        load_class_map("voc_imagnet")
