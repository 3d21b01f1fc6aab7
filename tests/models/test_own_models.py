"""Models as people have them: each works and is given back as it was, or is refused in one sentence."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
import torch
from oracles import ConvNet, random_images, random_masks
from torch import Tensor, nn
from torch.nn import functional

from segattr_lib.attribution import METHODS
from segattr_lib.attribution.axiomatic import deeplift
from segattr_lib.attribution.cam import activations_and_gradients, channel_axis, ega, gpa
from segattr_lib.evaluate import model_score, prepare, runtime_of
from segattr_lib.models import SEGMENTERS, load_segmenter
from segattr_lib.models.classifiers import CLASSIFIERS, load_classifier
from segattr_lib.models.loading import built, check_hash, give_back, weight_fingerprint
from segattr_lib.registry import UserError, accepted
from segattr_lib.sections.beyond_dea.randomisation import cascade
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target, bind

SIZE = 16
IMAGES = random_images(2, SIZE)
TARGET = Target(torch.tensor([1, 2]), random_masks(2, SIZE))


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def scored(model: nn.Module) -> Score:
    return bind(model, TARGET)


# Given back as it was.


def state_of(model: nn.Module) -> tuple:
    return (
        [part.training for part in model.modules()],
        [weight.requires_grad for weight in model.parameters()],
        [weight.is_contiguous() for weight in model.parameters()],
        [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules()],
    )


def mixed() -> nn.Module:
    """Training, but for one part; one weight is frozen."""
    model = ConvNet().train()
    model.features[1].eval()
    model.head.bias.requires_grad_(False)
    return model


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.family != "control"])
def test_a_method_called_directly_gives_the_model_back_as_it_was(name: str):
    model = mixed()
    before, values = state_of(model), [weight.clone() for weight in model.parameters()]
    offered = {"layer": "features", "layers": ["features.1", "features"], "draws": Draws(0, ["a", "b"]), "grid": 2}
    offered |= {"samples": 4, "steps": 2, "segments": 9, "budget": 6}
    METHODS[name].function(scored(model), IMAGES, TARGET, **accepted(METHODS[name].function, offered))
    assert state_of(model) == before
    assert all(torch.equal(*pair) for pair in zip(values, model.parameters(), strict=True))


def test_a_prepared_model_is_given_back_when_asked_and_runs_in_evaluation_mode_whatever_is_done_to_it_between():
    model = mixed()
    before = state_of(model)
    runtime = prepare(model, (SIZE, SIZE), "cpu", batch_size=4)
    assert not any(part.training for part in model.modules())
    model.train()
    model_score(scored(model), IMAGES)
    assert all(part.training for part in model.modules())
    give_back(model)
    assert state_of(model) == before
    give_back(model)  # nothing more to give back
    assert state_of(model) == before and runtime_of(model) is runtime


def test_a_model_that_raises_is_given_back_too():
    class Breaks(ConvNet):
        def forward(self, images: Tensor) -> Tensor:
            self.features(images)
            raise RuntimeError("boom")

    model = Breaks().train()
    prepare(model, (SIZE, SIZE), "cpu", batch_size=4)
    give_back(model)
    before = state_of(model)
    for explain in (gpa, METHODS["ablationcam"].function):
        with pytest.raises(RuntimeError, match="boom"):
            explain(scored(model), IMAGES, TARGET, layer="features")
        assert state_of(model) == before


def test_a_loaded_model_is_given_back_with_its_own_answer():
    model = Answers("dict").train()
    before = state_of(model)
    module = load("dict", lambda: model)
    assert isinstance(module(IMAGES), Tensor) and not module.training
    assert len(model._forward_hooks) == 1
    load("dict", lambda: model)
    assert len(model._forward_hooks) == 1  # handed out twice, hooked once
    give_back(model)
    assert state_of(model) == before and isinstance(model(IMAGES), dict)


# What works.


class Answers(nn.Module):
    def __init__(self, kind: str):
        super().__init__()
        torch.manual_seed(0)
        self.kind, self.features, self.head = (
            kind,
            nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()),
            nn.Conv2d(8, 3, 1),
        )
        self.aux, self.grid = nn.Conv2d(8, 3, 1), None

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor] | tuple[Tensor, ...]:
        if self.kind == "frozen":
            with torch.no_grad():
                features = self.features(images)
        else:
            features = self.features(images)
        if self.kind == "cached":
            if self.grid is None:
                self.grid = torch.linspace(0.5, 1, features.shape[3])
            features = features * self.grid
        if self.kind == "view":
            features = features.view(len(images), -1).view(features.shape)
        if self.kind == "twice":
            features = self.features[1](features)
        logits = functional.interpolate(
            self.head(features.detach() if self.kind == "stopped" else features), scale_factor=2
        )
        beside = functional.interpolate(self.aux(features), scale_factor=2)
        answers = {
            "dict": {"out": logits, "aux": beside},
            "beside": {"out": logits, "aux": beside},
            "tuple": (logits, beside),
            "one": logits[:, :1],
        }
        if self.kind == "key":
            return {"logits": logits}["out"]
        if self.kind == "silent":
            raise AssertionError
        return answers.get(self.kind, logits)


def load(kind: str, build, layer: str = "features") -> nn.Module:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SEGMENTERS, kind, build)
        return load_segmenter(kind, layer, (SIZE, SIZE)).module


@pytest.mark.parametrize("kind", ["cached", "view", "frozen", "dict"])
def test_what_a_model_keeps_or_how_it_computes_does_not_show_in_its_maps(kind: str):
    """The layer's own map, gradients written out, of the plain net of the same weights."""
    module = load(kind, lambda: Answers(kind))
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

    module = load("frozen train", lambda: Frozen("plain"))
    assert not module.training
    prepare(module, (SIZE, SIZE), "cpu", batch_size=4)
    assert model_score(scored(module), IMAGES).isfinite().all()


def test_what_a_pass_leaves_in_a_model_does_not_stop_its_copy():
    class Keeps(ConvNet):
        def forward(self, images: Tensor) -> Tensor:
            self.last = super().forward(images)
            return self.last

    model = Keeps()
    activations_and_gradients(scored(model), IMAGES, ["features"])
    assert model.last.requires_grad
    assert len(list(cascade(model, 2, 0))) == 2
    assert deeplift(scored(model), IMAGES, TARGET).amax() == 1


# What is refused.


@pytest.mark.parametrize(
    ("kind", "layer", "message"),
    [
        ("tuple", "features", r"gives tuple of \(1, 3, 16, 16\), \(1, 3, 16, 16\) .* wrap it"),
        ("one", "features", r"one channel, as for a sigmoid; expected logits of two classes or more"),
        ("key", "features", r"fails on an image \(1,3,16,16\): KeyError: 'out'; "),
        ("silent", "features", r"fails on an image \(1,3,16,16\): AssertionError; .*image_size"),
    ],
)
def test_an_answer_that_cannot_be_explained_is_an_error_that_says_how_to_wrap_it(kind: str, layer: str, message: str):
    with pytest.raises(UserError, match=message):
        load(kind, lambda: Answers(kind), layer)


@pytest.mark.parametrize(("kind", "layer"), [("beside", "aux"), ("stopped", "features"), ("frozen", "features.0")])
def test_a_layer_that_the_score_does_not_depend_on_is_an_error_with_candidates(kind: str, layer: str):
    module = load(kind, lambda: Answers(kind), layer)
    for explain in (gpa, METHODS["shapleycam"].function):
        with pytest.raises(UserError, match=f"does not depend on the layer '{layer}'.*such as .*'head'"):
            explain(scored(module), IMAGES, TARGET, layer=layer)
    assert all(not part._forward_hooks for part in module.modules() if part is not module)


def test_a_layer_that_runs_twice_in_a_pass_is_an_error():
    with pytest.raises(ValueError, match=r"'features\.1' runs more than once"):
        gpa(scored(Answers("twice")), IMAGES, TARGET, layer="features.1")


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


def test_a_model_that_cannot_be_copied_is_an_error_where_a_copy_is_needed():
    model = ConvNet()
    model.lock = threading.Lock()
    for ask in (lambda: next(cascade(model, 1, 0)), lambda: deeplift(scored(model), IMAGES, TARGET)):
        with pytest.raises(UserError, match="needs a copy of the model, which cannot be copied: TypeError"):
            ask()


# State, files, axes.


class Extra(ConvNet):
    extra: object = None

    def get_extra_state(self) -> object:
        return self.extra

    def set_extra_state(self, state: object) -> None:
        self.extra = state


def test_a_fingerprint_follows_whatever_is_in_the_state():
    model = Extra()
    model.register_buffer("flags", torch.tensor([True, False]))
    model.register_buffer("waves", torch.ones(2, dtype=torch.complex64))
    model.register_buffer("few", torch.eye(3).to_sparse())
    model.register_buffer("none", None)
    seen = {weight_fingerprint(model)}
    for change in (
        lambda: model.set_extra_state({"a": [1, torch.ones(2)]}),
        lambda: model.set_extra_state({"a": [1, torch.zeros(2)]}),
        lambda: model.flags.logical_not_(),
        lambda: model.waves.mul_(1j),
        lambda: setattr(model, "few", 2 * model.few),
    ):
        change()
        assert weight_fingerprint(model) == weight_fingerprint(model)
        seen.add(weight_fingerprint(model))
    assert len(seen) == 6
    model.set_extra_state(threading.Lock())
    with pytest.raises(UserError, match="holds a lock at '_extra_state', which cannot be written down"):
        weight_fingerprint(model)


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_classifier_is_loaded_and_told_from_another():
    class Net(nn.Module):
        def __init__(self, seed: int):
            super().__init__()
            torch.manual_seed(seed)
            self.features, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 4)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.features(images).mean((2, 3)))

    prints = set()
    for seed in (0, 0, 1):
        quantised = torch.ao.quantization.quantize_dynamic(Net(seed).eval(), {nn.Linear})
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(CLASSIFIERS, "quantised", lambda module=quantised: module)
            prints.add(load_classifier("quantised", ["features"], (SIZE, SIZE)).fingerprint)
    assert len(prints) == 2


def test_a_file_is_held_against_the_hash_in_its_name(tmp_path: Path):
    digest = hashlib.sha256(b"weights").hexdigest()
    right, wrong, unnamed = (tmp_path / name for name in (f"net-{digest[:8]}.pth", "net-01234567.pth", "net.pth"))
    for path in (right, wrong, unnamed):
        path.write_bytes(b"weights")
    check_hash(right)
    check_hash(unnamed)
    check_hash(tmp_path / "gone-01234567.pth")
    with pytest.raises(UserError, match=f"begins with {digest[:8]}, expected 01234567; delete it") as caught:
        check_hash(wrong)
    assert str(wrong) in str(caught.value)


def test_the_axis_of_channels_of_an_image_that_is_not_square():
    """3 x 4 x 5 of 97 x 130 px: both 4 x 5 and 3 x 4 are a stride of 32, rounded up or down."""
    images = torch.zeros(1, 3, 97, 130)
    first = nn.Sequential(nn.Conv2d(3, 3, 32, 32, 16), nn.Identity())

    class Last(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return functional.avg_pool2d(images[:, :1], 32).expand(-1, 5, -1, -1).movedim(1, -1)

    assert first(images).shape == (1, 3, 4, 5) and Last()(images).shape == (1, 3, 4, 5)
    assert channel_axis(first, "0", (1, 3, 4, 5), images) == 1
    assert channel_axis(nn.Sequential(Last()), "0", (1, 3, 4, 5), images) == 3
