from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models import VGG, ConvNeXt, ResNet, SwinTransformer, get_model, get_model_weights
from torchvision.transforms.functional import normalize

from segattr_lib.__main__ import main
from segattr_lib.data import load_dataset
from segattr_lib.data.single_shapes import CLASS_NAMES, TIERS, class_of, tier_of
from segattr_lib.models import classifiers, loading
from segattr_lib.models.classifiers import (
    CLASSIFIERS,
    EMBEDDED_CLASSIFIERS,
    FAMILY,
    FINETUNED,
    MEAN,
    STAGES,
    STD,
    Classifier,
    load_classifier,
    with_head,
)
from segattr_lib.models.embedded import WEIGHTS
from segattr_lib.registry import UserError
from segattr_lib.training import classifiers as classifier_training
from segattr_lib.training import suites
from segattr_lib.training.classifiers import (
    CLASSIFIER_RECIPE,
    STEM_OF,
    Examples,
    begin_with_stem,
    fine_tune,
    train_classifier,
)
from segattr_lib.training.loop import in_half_precision
from segattr_lib.training.segmenters import RECIPE

KIND = {"vgg11": VGG, "resnet18": ResNet, "swin_t": SwinTransformer, "convnext_tiny": ConvNeXt}
HELD_OUT = 300


def shipped(name: str) -> Path:
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"the weights of {name} are not at {path}; `make train SUITE=arcc` makes them")
    return path


def about(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def images(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@cache
def held_out() -> tuple[Tensor, np.ndarray, list[str]]:
    """The first test scenes, their classes and their names, drawn once for all models."""
    dataset = load_dataset("single_shapes", split="test")
    names = list(dataset.sample_ids[:HELD_OUT])
    return torch.stack([dataset.load(name, 224).image for name in names]), np.array(list(map(class_of, names))), names


@cache
def right(name: str) -> np.ndarray:
    """Whether the shipped classifier tells the class of each held-out scene."""
    batch, classes, _ = held_out()
    module = load_classifier(name).module
    with torch.inference_mode():
        said = torch.cat([module(part).argmax(1) for part in batch.split(25)])
    return said.numpy() == classes


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_shipped_weights_do_what_they_claim(name: str):
    facts = about(shipped(name))
    told = float(facts["accuracy_test"])
    assert right(name).mean() == pytest.approx(told, abs=4 * (told * (1 - told) / HELD_OUT) ** 0.5)
    tiers = np.array(list(map(tier_of, held_out()[2])))
    for tier in TIERS:
        assert right(name)[tiers == tier].mean() == pytest.approx(float(facts[f"accuracy_{tier}"]), abs=0.1)


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_shipped_weights_reach_their_bar(name: str):
    assert float(about(shipped(name))["accuracy_test"]) >= 0.97


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_shipped_weights_say_how_they_came_about(name: str):
    facts = about(shipped(name))
    assert facts["command"] == f"python -m segattr_lib train {name} --seed {facts['seed']}"
    assert float(facts["seconds"]) > 0
    assert int(facts["images"]) == sum(images for images, _, _ in CLASSIFIER_RECIPE[name])
    tiers = [float(facts[f"accuracy_{tier}"]) for tier in TIERS]
    assert min(tiers) <= float(facts["accuracy_test"]) <= max(tiers)


def test_shipped_weights_are_half_precision_and_small():
    paths = [shipped(name) for name in EMBEDDED_CLASSIFIERS]
    assert sum(path.stat().st_size for path in paths) <= 16e6
    for path in paths:
        kinds = {value.dtype for value in load_file(path).values()}
        assert kinds <= {torch.float16, torch.int64}  # Swin's table of places is whole numbers


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_an_embedded_classifier_is_torchvisions_own_of_its_family(name: str):
    module = EMBEDDED_CLASSIFIERS[name]()
    assert type(module) is KIND[FAMILY[name]]
    assert not any(parameter.is_meta for parameter in module.parameters())
    full = {key for key, _ in get_model_on_meta(FAMILY[name]).named_modules()}
    stages = STAGES[FAMILY[name]]
    assert set(stages) <= {key for key, _ in module.named_modules()} & full


def get_model_on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return get_model(name)


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_an_embedded_classifier_answers_each_image_alone_and_normalises(name: str):
    torch.manual_seed(0)
    module = EMBEDDED_CLASSIFIERS[name]().eval()
    with torch.inference_mode():
        together = module(images(3, 64))
        alone = torch.cat([module(image[None]) for image in images(3, 64)])
        module._forward_pre_hooks.clear()
        by_hand = module(normalize(images(3, 64), MEAN, STD))
    assert together.shape == (3, len(CLASS_NAMES))
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(together, by_hand, atol=1e-5)


def write_weights(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> dict[str, Tensor]:
    torch.manual_seed(0)
    state = in_half_precision(EMBEDDED_CLASSIFIERS[name]())
    save_file(state, folder / f"{name}.safetensors")
    monkeypatch.setattr(classifiers, "WEIGHTS", folder)
    return state


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_an_embedded_classifier_is_its_file_in_float32(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    state = write_weights(monkeypatch, tmp_path, name)
    classifier = load_classifier(name)
    loaded = classifier.module.state_dict()
    assert all(torch.equal(loaded[key], value.to(loaded[key].dtype)) for key, value in state.items())
    assert {value.dtype for value in classifier.module.parameters()} == {torch.float32}
    assert (classifier.classes, classifier.module.training) == (6, False)


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_registered_layers_are_four_maps_shallow_to_deep(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_weights(monkeypatch, tmp_path, name)
    assert stages_of(load_classifier(name)) == [56, 28, 14, 7]


def stages_of(classifier: Classifier, size: int = 224) -> list[int]:
    """The side of each layer's map; channels are checked to lie on one axis, and to grow."""
    shapes: list[tuple[int, ...]] = []
    handles = [
        classifier.module.get_submodule(layer).register_forward_hook(
            lambda _m, _i, out: shapes.append(tuple(out.shape))
        )
        for layer in classifier.layers
    ]
    with torch.inference_mode():
        classifier.module(images(1, size))
    for handle in handles:
        handle.remove()
    swin = isinstance(classifier.module, SwinTransformer)
    sides, channels = zip(*((s[1:3], s[3]) if swin else (s[2:], s[1]) for s in shapes), strict=True)
    assert all(height == width for height, width in sides)
    assert list(channels) == sorted(channels)
    return [height for height, _ in sides]


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_truncated_weights_are_an_error(share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_weights(monkeypatch, tmp_path, "shapes_resnet18")
    path = tmp_path / "shapes_resnet18.safetensors"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match=r"cannot be read.*restore"):
        load_classifier("shapes_resnet18")


def test_missing_or_another_models_weights_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_weights(monkeypatch, tmp_path, "shapes_resnet18")
    with pytest.raises(UserError, match="make train"):
        load_classifier("shapes_vgg11")
    with pytest.raises(UserError, match="SUITE=arcc PROFILE=paper"):
        load_classifier("finetuned_resnet18")
    (tmp_path / "shapes_resnet18.safetensors").rename(tmp_path / "shapes_convnext.safetensors")
    with pytest.raises(UserError, match="not those of 'shapes_convnext'"):
        load_classifier("shapes_convnext")


# torchvision's own, with random weights.


@cache
def plain_torchvision(name: str) -> nn.Module:
    torch.manual_seed(0)
    return get_model(name).eval()


@pytest.mark.parametrize("name", STAGES)
def test_a_pretrained_classifier_is_torchvisions_on_normalised_images(name: str, monkeypatch: pytest.MonkeyPatch):
    plain, weights = plain_torchvision(name), get_model_weights(name)
    monkeypatch.setattr(weights, "get_state_dict", lambda self, *_args, **_kwargs: plain.state_dict())
    classifier = load_classifier(name, shape=(64, 64))
    batch = images(2, 64)
    with torch.inference_mode():
        said, expected, unlike = classifier.module(batch), plain(normalize(batch, MEAN, STD)), plain(batch)
    assert torch.allclose(said, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(said, unlike, rtol=1e-2, atol=1e-2 * float(expected.abs().max()))
    assert classifier.classes == 1000
    assert {key for key, _ in classifier.module.named_modules()} == {key for key, _ in plain.named_modules()}
    assert stages_of(classifier, 64) == [16, 8, 4, 2]


def test_weights_that_cannot_be_fetched_are_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    def offline(*_args: object, **_kwargs: object) -> None:
        raise OSError("no route to host")

    weights = get_model_weights("resnet18").DEFAULT
    monkeypatch.setattr(type(weights), "get_state_dict", offline)
    with pytest.raises(UserError, match="no route to host") as caught:
        load_classifier("resnet18")
    assert weights.url in str(caught.value)


@pytest.mark.parametrize("name", FAMILY.values())
def test_a_new_head_leaves_all_else(name: str):
    plain = plain_torchvision(name)
    before = {key: value.shape for key, value in plain.state_dict().items()}
    with torch.device("meta"):
        changed = with_head(get_model(name), 6)
    after = {key: value.shape for key, value in changed.state_dict().items()}
    different = {key for key in before if before[key] != after[key]}
    assert set(before) == set(after)
    assert {key.rpartition(".")[2] for key in different} == {"weight", "bias"}
    assert {after[key][0] for key in different} == {6}
    assert list(before)[-2:] == sorted(different, key=list(before).index)


# A user's own.

OWN = """
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
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own_classifiers.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_ones_own_classifier(own: Path):
    classifier = load_classifier(f"{own}:net", ["stem", "deep"], (32, 32))
    module, batch = classifier.module, images(2, 32)
    assert torch.equal(module(batch), module.head(module.deep(module.stem(batch)).mean((2, 3))))  # in evaluation mode
    assert (classifier.classes, classifier.layers) == (5, ("stem", "deep"))
    with torch.no_grad():
        module.head.bias[2] += 1e-6
    assert classifier.layer == "stem"
    assert load_classifier(f"{own}:net", ["stem", "deep"], (32, 32), "deep").layer == "deep"
    assert load_classifier(f"{own}:net", None, (32, 32), "deep").layers == ("deep",)
    with pytest.raises(UserError, match="no feature layer"):
        load_classifier(f"{own}:net", ["stem", "deep"], (32, 32), "gone")
    assert load_classifier(f"{own}:net", ["deep"], (32, 32)).fingerprint == classifier.fingerprint
    assert loading.weight_fingerprint(module) != classifier.fingerprint


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
def test_what_is_no_classifier_is_an_error(own: Path, function: str, layers: list[str] | None, complaint: str):
    with pytest.raises(UserError, match=complaint):
        load_classifier(f"{own}:{function}", layers, (32, 32))


def test_an_unknown_classifier_lists_those_there_are():
    with pytest.raises(UserError, match="did you mean 'resnet18'") as caught:
        load_classifier("resnet-18")
    assert all(name in str(caught.value) for name in CLASSIFIERS)


def test_a_real_imagenet_classifier_loads_and_knows_its_classes(real: Path):
    classifier = load_classifier(f"{real / 'models.py'}:imagenet_mobilenet_v2", ["features.3", "features.18"])
    assert (classifier.classes, classifier.layers) == (1000, ("features.3", "features.18"))
    for shape in ((224, 224), (224, 224, 3)):
        with pytest.raises(UserError, match=r"features\.18"):
            load_classifier(f"{real / 'models.py'}:imagenet_mobilenet_v2", ["features.30"], shape[:2])


# Training.


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Training sees two dozen scenes, drawn in this process."""
    pool = drawn_examples()
    monkeypatch.setattr(classifier_training, "_examples", lambda split, count=None: pool)
    monkeypatch.setattr(classifier_training, "BATCH", 4)
    yield


@cache
def drawn_examples() -> Examples:
    dataset = load_dataset("single_shapes", split="train")
    parts = [classifier_training._example("single_shapes", "train", name) for name in dataset.sample_ids[:24]]
    pixels, classes, boxes, tiers = zip(*parts, strict=True)
    return Examples(np.stack(pixels), np.array(classes), np.array(boxes), np.array(tiers))


@pytest.mark.parametrize("name", ["shapes_resnet18", "shapes_vgg11"])
def test_training_writes_what_loads_and_says_how(name: str, few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(CLASSIFIER_RECIPE, name, [(8, 128, 1e-3), (4, 224, 1e-4)])
    states = []
    for part, seed in (("a", 3), ("b", 3), ("c", 4)):
        facts = train_classifier(name, seed, tmp_path / part)
        states.append(load_file(tmp_path / part / f"{name}.safetensors"))
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])
    assert about(tmp_path / "c" / f"{name}.safetensors") == facts
    assert (facts["seed"], facts["images"]) == ("4", "12")
    monkeypatch.setattr(classifiers, "WEIGHTS", tmp_path / "c")
    module = load_classifier(name).module
    pool = drawn_examples()
    with torch.inference_mode():
        said = module(torch.from_numpy(pool.images).permute(0, 3, 1, 2) / 255).argmax(1).numpy()
    assert facts["accuracy_test"] == f"{np.mean(said == pool.classes):.4f}"


def test_a_batch_norm_folded_away_answers_the_same():
    torch.manual_seed(0)
    module = classifiers.shapes_vgg11(batch_norm=True)
    for _ in range(3):
        module(images(4, 64))  # moves the running statistics
    for layer in module.features:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias)
    with torch.inference_mode():
        expected = module.eval()(images(3, 64, 1))
        folded = classifier_training._folded(module)
        assert torch.allclose(folded(images(3, 64, 1)), expected, atol=1e-4 * float(expected.abs().max()))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    assert list(folded.state_dict()) == list(classifiers.shapes_vgg11().state_dict())


@pytest.mark.parametrize("name", STEM_OF)
def test_a_stem_begins_as_the_vggs(name: str):
    vgg, module = classifiers.shapes_vgg11(), EMBEDDED_CLASSIFIERS[name]()
    begin_with_stem(module, in_half_precision(vgg))
    vgg.load_state_dict(in_half_precision(vgg))
    stem, batch = module.features[0][0], images(2, 64)
    assert torch.equal(stem[:6](batch.clone()), vgg.features[:6](batch.clone()))
    assert stem(batch).shape[2:] == (16, 16)


def test_a_window_holds_the_whole_object():
    """Painted black everywhere else, every window still holds all of the object's pixels."""
    pool = drawn_examples()
    dataset = load_dataset("single_shapes", split="train")
    masks = np.stack([dataset.load(name, 224).mask.numpy() for name in dataset.sample_ids[:24]])
    painted = np.repeat(masks[..., None], 3, -1).astype(np.uint8) * 255
    of_class = {index: set(masks.sum((1, 2))[pool.classes == index].tolist()) for index in range(6)}
    tops = set()
    for seed in range(6):
        batch, classes = classifier_training._seen(
            Examples(painted, pool.classes, pool.boxes, pool.tiers), np.random.default_rng(seed), 128
        )
        assert batch.shape[1:] == (3, 128, 128)
        for image, class_id in zip(batch, classes.tolist(), strict=True):
            assert int(image[0].sum()) in of_class[class_id]
            tops.add(int(image[0].any(1).nonzero()[0]))
    assert len(tops) > 20  # anywhere in the window


class Stopped(Exception):
    pass


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, few: None) -> None:
    """The net that fine-tuning finds in ResNet-18's place, with dropout, so that its draws count too."""

    def net(_name: str) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 9, stride=8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(16, 9),
        )

    monkeypatch.setattr(classifier_training, "fetched", net)


def test_fine_tuning_goes_on_where_it_was_killed(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = fine_tune("finetuned_resnet18", 1, tmp_path / "whole", epochs=4)
    for kill_at in (1, 2, 2):  # in the middle of an epoch, each time
        with monkeypatch.context() as patch:
            patch.setattr(classifier_training, "accuracy", stopping(classifier_training.accuracy, kill_at))
            with pytest.raises(Stopped):
                fine_tune("finetuned_resnet18", 1, tmp_path / "killed", epochs=4)
    again = fine_tune("finetuned_resnet18", 1, tmp_path / "killed", epochs=4)
    assert {key: again[key] for key in again if key != "seconds"} == {k: whole[k] for k in whole if k != "seconds"}
    states = [load_file(tmp_path / part / "finetuned_resnet18.safetensors") for part in ("whole", "killed")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["finetuned_resnet18.safetensors"]


def stopping(accuracy: Callable[..., dict[str, float]], at: int) -> Callable[..., dict[str, float]]:
    calls = iter(range(1, 100))

    def counted(*args: object) -> dict[str, float]:
        if next(calls) == at:
            raise Stopped
        return accuracy(*args)

    return counted


def test_fine_tuning_keeps_the_best_epoch(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    states: list[dict[str, Tensor]] = []
    shares = iter([0.4, 0.8, 0.8, 0.5, 0.77])  # of four epochs, and of the test split

    def told(model: nn.Module, _examples: object) -> dict[str, float]:
        states.append({key: value.clone() for key, value in model.state_dict().items()})
        return dict.fromkeys(["test", *TIERS], next(shares))

    monkeypatch.setattr(classifier_training, "accuracy", told)
    facts = fine_tune("finetuned_resnet18", 0, tmp_path, epochs=4)
    kept = load_file(tmp_path / "finetuned_resnet18.safetensors")
    assert (facts["epoch"], facts["accuracy_val"], facts["accuracy_test"]) == ("2", "0.8000", "0.7700")
    assert all(torch.equal(kept[key], states[1][key]) for key in kept)
    assert any(not torch.equal(kept[key], states[3][key]) for key in kept)
    assert next(iter(kept.values())).shape[0] != 9
    assert kept["5.weight"].shape == (6, 16)
    monkeypatch.setattr(classifier_training, "fetched", lambda name: pytest.fail("done already"))
    assert fine_tune("finetuned_resnet18", 0, tmp_path, epochs=4) == facts


def test_the_train_command_takes_models_suites_and_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    asked: list[tuple[str, int]] = []
    watched = {
        suite: {
            profile: dict.fromkeys(models, lambda name, seed, folder: asked.append((name, seed)) or {})
            for profile, models in profiles.items()
        }
        for suite, profiles in suites.SUITES.items()
    }
    monkeypatch.setattr(suites, "SUITES", watched)

    def train(*arguments: str) -> list[str]:
        asked.clear()
        assert main(["train", *arguments, "-o", str(tmp_path)]) == 0
        return [name for name, _ in asked]

    assert train("shapes_resnet18", "shapes_fcn", "--seed", "5") == ["shapes_resnet18", "shapes_fcn"]
    assert {seed for _, seed in asked} == {5}
    assert train("--suite", "arcc") == [*CLASSIFIER_RECIPE, "figures_resnet"]
    assert train("--suite", "arcc", "--profile", "paper") == list(FINETUNED)
    assert train("--suite", "wsss") == ["shapes_sam2"]
    assert train() == [*RECIPE, *CLASSIFIER_RECIPE, "figures_resnet", "shapes_sam2"]
    for arguments, complaint in (
        (["shapes_resnet"], "did you mean 'shapes_resnet18'"),
        (["--suite", "arc"], "did you mean 'arcc'"),
        (["--suite", "benchmark", "--profile", "paper"], "nothing to train"),
    ):
        assert main(["train", *arguments]) == 2
        assert complaint in capsys.readouterr().err


def test_groups_of_classes_answer_with_the_sum_of_their_probabilities(own: Path):
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain = load_classifier(f"{own}:net", ["deep"], (32, 32)).module(images).softmax(1)
        groups = load_classifier(f"{own}:net", ["deep"], (32, 32), members=[[], [4, 0], [2]])
        told = groups.module(images).softmax(1)
    assert groups.classes == 3
    assert torch.equal(told[:, 0], torch.zeros(3))
    torch.testing.assert_close(
        told[:, 1:], torch.stack([plain[:, [0, 4]].sum(1), plain[:, 2], plain[:, [1, 3]].sum(1)], 1)
    )
    assert groups.fingerprint != load_classifier(f"{own}:net", ["deep"], (32, 32), members=[[], [4], [2]]).fingerprint
    with pytest.raises(UserError, match=r"names class 5, but the model .* has 0 to 4"):
        load_classifier(f"{own}:net", ["deep"], (32, 32), members=[[], [5]])


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
