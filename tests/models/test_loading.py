"""Loading: each model that people bring works, or is refused in one sentence that says what to do."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from nets import Answers, handed_out
from oracles import ConvNet, random_images, random_masks
from torch import nn

from segattr_lib.attribution.cam import ega
from segattr_lib.data import load_dataset
from segattr_lib.evaluate import model_score
from segattr_lib.models import MODELS, names
from segattr_lib.models.loading import built, load_model
from segattr_lib.models.runtime import prepare
from segattr_lib.models.state import weight_fingerprint
from segattr_lib.registry import UserError
from segattr_lib.targets import Score, Target, bind

SIZE = 16
IMAGES = random_images(2, SIZE)
TARGET = Target(torch.tensor([1, 2]), random_masks(2, SIZE))
load_segmenter = partial(load_model, shape=(32, 32), kind="segmenter")
load_classifier = partial(load_model, shape=(32, 32), kind="classifier")


# Names.


@pytest.mark.parametrize(
    ("kind", "asked", "meant"),
    [
        ("segmenter", "shape_fcn", "shapes_fcn"),
        ("classifier", "resnet-18", "resnet18"),
        (None, "resnet-18", "resnet18"),
        (None, "shape_fcn", "shapes_fcn"),
    ],
)
def test_an_unknown_model_lists_those_there_are(kind: str | None, asked: str, meant: str):
    noun = "classifier" if kind == "classifier" else "model"
    with pytest.raises(UserError) as caught:
        load_model(asked, kind=kind)
    assert str(caught.value).startswith(f"Unknown {noun} {asked!r} (did you mean {meant!r}?); ")
    listed = str(caught.value).partition("valid are: ")[2].removesuffix(".").split(", ")
    assert listed == sorted([*names(kind), "path/to/file.py:name", "package.module:name"])


@pytest.mark.parametrize(("kind", "asked"), [("segmenter", "resnet18"), ("classifier", "shapes_fcn")])
def test_a_model_of_the_other_kind_is_unknown(kind: str, asked: str):
    assert asked in MODELS
    with pytest.raises(UserError, match=r"^Unknown") as caught:
        load_model(asked, kind=kind)
    assert asked not in str(caught.value).partition("valid are: ")[2].removesuffix(".").split(", ")


@pytest.mark.parametrize(("name", "kind"), [("shapes_fcn", "segmenter"), ("shapes_resnet18", "classifier")])
def test_a_registered_model_is_of_its_own_kind(name: str, kind: str):
    """A segmenter is explained at the deepest of its layers, a classifier at the shallowest, if none is named."""
    model, asked = load_model(name, shape=(64, 64)), load_model(name, shape=(64, 64), kind=kind)
    assert (model.kind, model.classifies) == (asked.kind, asked.classifies) == (kind, kind == "classifier")
    assert (model.fingerprint, model.layers) == (asked.fingerprint, asked.layers)
    assert model.layer == model.layers[0 if model.classifies else -1]
    assert load_model(name, model.layers[1], shape=(64, 64)).layer == model.layers[1]
    assert load_model(name, layers=model.layers[:2], shape=(64, 64)).layers == model.layers[:2]


def test_ones_own_model_must_be_asked_for_as_one_kind(segmenters: Path, classifiers: Path):
    for place in (segmenters, classifiers):
        with pytest.raises(UserError, match=r"kind='segmenter', or .* kind='classifier'"):
            load_model(f"{place}:net", "deep", shape=(32, 32))
    with pytest.raises(UserError, match=r"expected logits \(1,C\)"):
        load_classifier(f"{segmenters}:net", "deep")
    with pytest.raises(UserError, match=r"expected logits \(1,C,H,W\)"):
        load_segmenter(f"{classifiers}:net", "deep")


def test_a_segmenter_has_no_groups_of_classes(segmenters: Path):
    with pytest.raises(UserError, match="is a segmenter; expected a classifier"):
        load_segmenter(f"{segmenters}:net", "deep", members=[[0], [1]])


# A segmenter of one's own.


SEGMENTERS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, kind="tensor"):
        super().__init__()
        torch.manual_seed(3)
        self.kind = kind
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.head = nn.Conv2d(6, 5, 1)
        self.up = nn.Upsample(scale_factor=4)
        self.drop = nn.Dropout(0.9)
    def forward(self, images):
        small = self.head(self.deep(self.stem(images)))
        logits = self.drop(self.up(small))
        answers = {"tensor": logits, "dict": {"out": logits, "aux": small}, "other_dict": {"logits": logits},
                   "flat": logits.argmax(1), "small": small, "list": [logits], "classes": logits.mean((2, 3))}
        return answers[self.kind]

def net(): return Net()
def net_dict(): return Net("dict")
def net_other_dict(): return Net("other_dict")
def net_flat(): return Net("flat")
def net_small(): return Net("small")
def net_list(): return Net("list")
def net_classes(): return Net("classes")
def net_grey(): return nn.Conv2d(1, 5, 1)
def net_function(): return lambda images: images
"""


@pytest.fixture
def segmenters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "own_networks.py"
    path.write_text(SEGMENTERS, encoding="utf-8")
    return path


@pytest.mark.parametrize("function", ["net", "net_dict"])
@pytest.mark.parametrize("place", ["{path}", "own_networks"])
def test_ones_own_segmenter_comes_from_a_file_or_a_module(segmenters: Path, place: str, function: str):
    segmenter = load_segmenter(f"{place.format(path=segmenters)}:{function}", "deep")
    module = segmenter.module
    batch = random_images(2, 32)
    expected = nn.functional.interpolate(module.head(module.deep(module.stem(batch))), scale_factor=4)
    assert torch.equal(module(batch), expected)  # in evaluation mode, "out" unwrapped
    assert (segmenter.classes, segmenter.layer) == (5, "deep")


def test_a_fingerprint_follows_the_weights(segmenters: Path):
    first, second = (load_segmenter(f"{segmenters}:net", "deep") for _ in range(2))
    assert first.fingerprint == second.fingerprint
    with torch.no_grad():
        second.module.head.bias[2] += 1e-6
    assert weight_fingerprint(second.module) != first.fingerprint


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        ("net_flat", r"gives \(1, 32, 32\).*expected logits \(1,C,H,W\)"),
        ("net_small", r"gives \(1, 5, 8, 8\).*expected logits \(1,C,H,W\)"),
        ("net_classes", r"gives \(1, 5\).*expected logits \(1,C,H,W\)"),
        ("net_list", r"gives list.*expected logits \(1,C,H,W\)"),
        ("net_other_dict", r"gives dict.*expected logits \(1,C,H,W\)"),
        ("net_grey", r"fails on an image \(1,3,32,32\)"),
        ("net_function", r"gives a function; expected a torch\.nn\.Module"),
    ],
)
def test_what_is_no_segmenter_is_an_error(segmenters: Path, function: str, complaint: str):
    with pytest.raises(UserError, match=complaint) as caught:
        load_segmenter(f"{segmenters}:{function}", "deep")
    assert f"{segmenters}:{function}" in str(caught.value)


def test_ones_own_segmenter_must_name_a_layer(segmenters: Path):
    with pytest.raises(UserError, match=r"no default layer.*'stem', 'deep', 'head'"):
        load_segmenter(f"{segmenters}:net")


@pytest.mark.parametrize("layer", ["deeper", "up", ""])
def test_a_layer_that_holds_no_features_is_an_error_with_candidates(segmenters: Path, layer: str):
    with pytest.raises(UserError, match="'stem', 'deep', 'head'"):
        load_segmenter(f"{segmenters}:net", layer)


def test_a_missing_file_or_function_is_an_error(segmenters: Path):
    with pytest.raises(UserError, match="does not exist"):
        load_segmenter(f"{segmenters.with_name('gone.py')}:net")
    with pytest.raises(UserError, match=r"has no 'nets'; it has .*net_dict"):
        load_segmenter(f"{segmenters}:nets")


@pytest.mark.parametrize("function", ["voc_deeplabv3_mobilenetv2", "voc_deeplabv3_mobilenetv2_half"])
def test_real_models_label_real_images(real: Path, function: str):
    segmenter = load_segmenter(f"{real / 'models.py'}:{function}", "features.17", shape=(224, 224))
    assert segmenter.classes == 21
    dataset = load_dataset("voc", str(real))
    for sample_id in dataset.sample_ids[:3]:
        sample = dataset.load(sample_id, 224)
        with torch.inference_mode():
            said = segmenter.module(sample.image[None]).argmax(1)[0]
        given = sample.labels != 255
        assert (said == sample.labels)[given].float().mean() >= 0.6


# A classifier of one's own.


CLASSIFIERS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, kind="tensor"):
        super().__init__()
        torch.manual_seed(3)
        self.kind = kind
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.head = nn.Linear(6, 5)
        self.drop = nn.Dropout(0.9)
    def forward(self, images):
        logits = self.drop(self.head(self.deep(self.stem(images)).mean((2, 3))))
        return {"tensor": logits, "list": [logits], "label": logits.argmax(1), "map": images}[self.kind]

def net(): return Net()
def net_list(): return Net("list")
def net_label(): return Net("label")
def net_map(): return Net("map")
def net_grey(): return nn.Conv2d(1, 5, 1)
def net_function(): return lambda images: images
def net_broken(): raise KeyError("no such file")
"""


@pytest.fixture
def classifiers(tmp_path: Path) -> Path:
    path = tmp_path / "own_classifiers.py"
    path.write_text(CLASSIFIERS, encoding="utf-8")
    return path


def test_ones_own_classifier(classifiers: Path):
    classifier = load_classifier(f"{classifiers}:net", layers=["stem", "deep"])
    module, batch = classifier.module, random_images(2, 32)
    assert torch.equal(module(batch), module.head(module.deep(module.stem(batch)).mean((2, 3))))  # in evaluation mode
    assert (classifier.classes, classifier.layers) == (5, ("stem", "deep"))
    with torch.no_grad():
        module.head.bias[2] += 1e-6
    assert classifier.layer == "stem"
    assert load_classifier(f"{classifiers}:net", "deep", ["stem", "deep"]).layer == "deep"
    assert load_classifier(f"{classifiers}:net", "deep").layers == ("deep",)
    with pytest.raises(UserError, match="no feature layer"):
        load_classifier(f"{classifiers}:net", "gone", ["stem", "deep"])
    assert load_classifier(f"{classifiers}:net", layers=["deep"]).fingerprint == classifier.fingerprint
    assert weight_fingerprint(module) != classifier.fingerprint


@pytest.mark.parametrize(
    ("function", "layers", "complaint"),
    [
        ("net_list", ["deep"], r"gives list.*expected logits \(1,C\)"),
        ("net_label", ["deep"], r"gives \(1,\).*expected logits \(1,C\)"),
        ("net_map", ["deep"], r"gives \(1, 3, 32, 32\).*expected logits \(1,C\)"),
        ("net_grey", ["deep"], r"fails on an image \(1,3,32,32\)"),
        ("net_function", ["deep"], r"gives a function; expected a torch\.nn\.Module"),
        ("net_broken", ["deep"], r"cannot be built: KeyError: 'no such file'"),
        ("net", None, r"no default layers.*'stem', 'deep'"),
        ("net", ["stem", "deeper"], r"layers has 'deeper'.*'stem', 'deep'"),
        ("net", ["head"], r"layers has 'head'.*'stem', 'deep'"),
        ("net", ["deep", "stem"], r"expected shallow to deep, each once: stem, deep\."),
        ("net", ["stem", "stem"], r"expected shallow to deep, each once: stem\."),
    ],
)
def test_what_is_no_classifier_is_an_error(classifiers: Path, function: str, layers: list[str] | None, complaint: str):
    with pytest.raises(UserError, match=complaint):
        load_classifier(f"{classifiers}:{function}", layers=layers)


def test_a_real_imagenet_classifier_loads_and_knows_its_classes(real: Path):
    classifier = load_classifier(
        f"{real / 'models.py'}:imagenet_mobilenet_v2", layers=["features.3", "features.18"], shape=(224, 224)
    )
    assert (classifier.classes, classifier.layers) == (1000, ("features.3", "features.18"))
    with pytest.raises(UserError, match=r"features\.18"):
        load_classifier(f"{real / 'models.py'}:imagenet_mobilenet_v2", layers=["features.30"], shape=(224, 224))


def test_groups_of_classes_answer_with_the_sum_of_their_probabilities(classifiers: Path):
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain = load_classifier(f"{classifiers}:net", layers=["deep"]).module(images).softmax(1)
        groups = load_classifier(f"{classifiers}:net", layers=["deep"], members=[[], [4, 0], [2]])
        answer = groups.module(images).softmax(1)
    assert groups.classes == 3
    assert torch.equal(answer[:, 0], torch.zeros(3))
    torch.testing.assert_close(
        answer[:, 1:], torch.stack([plain[:, [0, 4]].sum(1), plain[:, 2], plain[:, [1, 3]].sum(1)], 1)
    )
    assert (
        groups.fingerprint != load_classifier(f"{classifiers}:net", layers=["deep"], members=[[], [4], [2]]).fingerprint
    )
    with pytest.raises(UserError, match=r"names class 5, but the model .* has 0 to 4"):
        load_classifier(f"{classifiers}:net", layers=["deep"], members=[[], [5]])


def test_a_module_that_is_handed_out_twice_is_as_it_was(tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)  # an imported module keeps what it made; a file is run each time
    (tmp_path / "hands_out.py").write_text(
        "from torch import nn\n"
        "kept = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "def net():\n    return kept\n",
        encoding="utf-8",
    )
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    name, asked = "hands_out:net", {"layers": ["0"], "shape": (8, 8)}
    with torch.inference_mode():
        before = load_classifier(name, **asked).module(images)
        first, second = (load_classifier(name, **asked, members=[[4, 0], [2]]).module(images) for _ in range(2))
        assert torch.equal(first, second)
        assert torch.equal(load_classifier(name, **asked).module(images), before)


# Models as people have them: what works.


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def scored(model: nn.Module) -> Score:
    return bind(model, TARGET)


@pytest.mark.parametrize("kind", ["cached", "view", "frozen", "dict"])
def test_what_a_model_keeps_or_how_it_computes_does_not_show_in_its_maps(kind: str):
    """The layer's own map, gradients written out, of the plain net of the same weights."""
    module = handed_out(lambda: Answers(kind)).module
    prepare(module, (SIZE, SIZE), "cpu", batch_size=4)
    model_score(scored(module), IMAGES)
    maps = ega(scored(module), IMAGES, TARGET, layer="features")
    plain = Answers("plain")
    wanted = ega(scored(plain), IMAGES, TARGET, layer="features")
    if kind == "cached":
        assert maps.isfinite().all() and maps.amax() == 1
    else:
        torch.testing.assert_close(maps, wanted, rtol=0, atol=1e-5)


def test_a_view_of_channels_last_falls_back_to_contiguous_measured_or_given():
    for batch_size in (4, None):
        assert (
            prepare(Answers("view"), (SIZE, SIZE), "cpu", batch_size=batch_size).memory_format
            == torch.contiguous_format
        )
    assert prepare(Answers("plain"), (SIZE, SIZE), "cpu", batch_size=4).memory_format == torch.channels_last


def test_a_train_that_returns_nothing_is_put_in_evaluation_mode_all_the_same():
    class Frozen(Answers):
        def train(self, mode: bool = True) -> None:
            super().train(mode)

    module = handed_out(lambda: Frozen("plain")).module
    assert not module.training
    prepare(module, (SIZE, SIZE), "cpu", batch_size=4)
    assert model_score(scored(module), IMAGES).isfinite().all()


@pytest.mark.parametrize(
    ("kind", "layer", "message"),
    [
        ("tuple", "features", r"gives tuple of \(1, 3, 16, 16\), \(1, 3, 16, 16\) .* wrap it"),
        ("single", "features", r"one channel, as for a sigmoid; expected logits of two classes or more"),
        ("key", "features", r"fails on an image \(1,3,16,16\): KeyError: 'out'; "),
        ("silent", "features", r"fails on an image \(1,3,16,16\): AssertionError; .*image_size"),
    ],
)
def test_an_answer_that_cannot_be_explained_is_an_error_that_says_how_to_wrap_it(kind: str, layer: str, message: str):
    with pytest.raises(UserError, match=message):
        handed_out(lambda: Answers(kind), layer)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: torch.jit.trace(ConvNet().eval(), IMAGES), "TorchScript"),
        (lambda: torch.compile(ConvNet(), backend="eager"), "_orig_mod"),
        (lambda: nn.Sequential(torch.compile(ConvNet(), backend="eager")), "_orig_mod"),
        (lambda: nn.DataParallel(ConvNet()), r"give its \.module"),
    ],
)
def test_a_model_whose_layers_take_no_hooks_is_refused_in_one_sentence(build, message: str):
    with pytest.raises(UserError, match=message):
        built("model", "own", {"own": build})
