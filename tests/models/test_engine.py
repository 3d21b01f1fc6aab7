"""Forward passes by ONNX Runtime are torch's within 1e-4, and torch makes all that it cannot."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from oracles import ConvNet, random_images
from torch import Tensor, nn

from segattr_lib.attribution.channels import ablationcam
from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.evaluate import evaluate
from segattr_lib.models import names
from segattr_lib.models.engine import WITHIN, counted_passes, exported, forward_of
from segattr_lib.models.lending import give_back
from segattr_lib.models.loading import load_model
from segattr_lib.models.runtime import prepare
from segattr_lib.registry import UserError
from segattr_lib.targets import Target, bind

TORCHVISIONS = ("deeplabv3_", "fcn_", "lraspp_", "vgg11", "resnet", "swin_t", "convnext_tiny", "finetuned_")
SHIPPED = [name for name in names() if not name.startswith(TORCHVISIONS)]


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def small() -> nn.Module:
    torch.manual_seed(0)
    return ConvNet().eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_gives_the_same_logits_whatever_the_batch_and_size(name: str):
    model = load_model(name)
    runtime = prepare(model.module, device="cpu", batch_size=4, engine="onnxruntime")
    forward = forward_of(model.module, runtime.engine)
    assert forward is not model.module
    for count, height, width in [(1, 224, 224), (5, 224, 224), (2, 161, 225), (3, 321, 241)]:
        images = random_images(count, height, width, seed=height)
        with torch.no_grad():
            expected = model.module(images)
        assert float((forward(images) - expected).abs().max()) <= WITHIN


def scores(module: nn.Module, count: int = 6) -> Tensor:
    images = random_images(count, 24, 32)
    mask = torch.zeros(count, 24, 32, dtype=torch.bool)
    mask[:, 5:15, 8:20] = True
    score = bind(module, Target(torch.ones(count, dtype=torch.long), mask))
    owner = torch.arange(count)
    return evaluate(score, count, lambda start, stop: (images[start:stop], owner[start:stop]))


def test_scores_and_passes_are_those_of_torch():
    module = small()
    counts = []
    values = []
    for engine in ("torch", "onnxruntime"):
        prepare(module, (24, 32), "cpu", batch_size=4, engine=engine)
        with counted_passes(module) as passes:
            values.append(scores(module))
        counts.append(passes[0])
    assert torch.allclose(values[0], values[1], atol=1e-5)
    assert counts == [6, 6]


def test_passes_are_made_by_onnxruntime_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    module = small()
    prepare(module, (24, 32), "cpu", batch_size=4, engine="onnxruntime")
    monkeypatch.setattr(ConvNet, "forward", lambda *_: pytest.fail("torch was asked"))
    images = random_images(2, 24, 32)
    assert forward_of(module, "onnxruntime")(images).shape[0] == 2


def test_a_watched_or_changed_layer_is_torchs(monkeypatch: pytest.MonkeyPatch):
    """A hook that a method sets is seen, and a weight written to in place, however it is done."""
    module = small()
    prepare(module, (24, 32), "cpu", batch_size=4, engine="onnxruntime")
    plain = forward_of(module, "onnxruntime")
    assert plain is not module
    layer = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
    handle = layer.register_forward_hook(lambda _module, _inputs, output: 0 * output)
    assert forward_of(module, "onnxruntime") is module
    handle.remove()
    assert forward_of(module, "onnxruntime") is not module
    before = layer.weight.data.clone()
    layer.weight.data[0] += 1
    assert forward_of(module, "onnxruntime") is module
    layer.weight.data.copy_(before)
    assert forward_of(module, "onnxruntime") is not module


def test_ablation_is_seen_under_both_engines():
    module = small()
    images = random_images(2, 24, 32)
    mask = torch.zeros(2, 24, 32, dtype=torch.bool)
    mask[:, 5:15, 8:20] = True
    target = Target(torch.ones(2, dtype=torch.long), mask)
    layer = next(name for name, part in module.named_modules() if isinstance(part, nn.Conv2d))
    maps = []
    for engine in ("torch", "onnxruntime"):
        prepare(module, (24, 32), "cpu", batch_size=4, engine=engine)
        maps.append(ablationcam(bind(module, target), images, target, layer=layer))
    assert torch.allclose(maps[0], maps[1], atol=1e-4)


class Moody(nn.Module):
    """Logits that a tracer gets wrong: it takes the branch of the image that it was shown for the only one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        logits = self.conv(images)
        return -logits if len(images) % 2 else logits


def test_what_cannot_be_exported_stays_with_torch_and_says_so_once(capsys: pytest.CaptureFixture[str]):
    torch.manual_seed(0)
    module = Moody().eval()
    for _ in range(2):
        assert prepare(module, (24, 32), "cpu", batch_size=4, engine="auto").engine == "torch"
    said = capsys.readouterr().err
    assert said.count("made by torch, not by ONNX Runtime: its logits differ by") == 1
    with pytest.raises(UserError, match=r"engine is 'onnxruntime', but its logits differ by .*; set engine=torch"):
        prepare(module, (24, 32), "cpu", batch_size=4, engine="onnxruntime")


def test_half_precision_stays_with_torch():
    assert prepare(small(), (24, 32), "cpu", "bfloat16", 4, engine="auto").engine == "torch"
    with pytest.raises(UserError, match="float32 on a CPU, not in bfloat16 on cpu"):
        prepare(small(), (24, 32), "cpu", "bfloat16", 4, engine="onnxruntime")
    with pytest.raises(UserError, match="engine is 'onnx'; expected one of auto, torch, onnxruntime"):
        prepare(small(), (24, 32), "cpu", batch_size=4, engine="onnx")


def test_an_export_is_kept_and_held_against_torch_when_it_is_opened(nothing_kept: Path, monkeypatch):
    first = exported(small(), (24, 32))
    (kept,) = (nothing_kept / "segattr" / "onnx").glob("*.onnx")
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: pytest.fail("exported again"))
    assert exported(small(), (24, 32)).session is not None
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(nothing_kept))
    kept.write_bytes(kept.read_bytes()[:200])
    again = exported(small(), (24, 32))
    images = random_images(2, 24, 32)
    assert torch.equal(again(images), first(images))


def test_a_run_tells_its_engine_and_goes_on_with_it(tmp_path: Path):
    about = {"dataset": "shapes", "model": "shapes_fcn", "image_size": 64, "samples": 1, "batch_size": 8}
    about |= {"methods": ["gpa", "ria(grid=4)"], "metrics": ["tdd", "passes"]}
    values = {}
    for engine in ("torch", "onnxruntime", "auto"):
        folder = run_benchmark(read_settings({**about, "engine": engine}), tmp_path / engine)
        rows = read_samples(folder)
        values[engine] = rows["value"].to_numpy(float)
    assert values["torch"] == pytest.approx(values["onnxruntime"], abs=1e-4)
    assert values["auto"].tolist() == values["onnxruntime"].tolist()
    manifest = (tmp_path / "auto/manifest.json").read_text(encoding="utf-8")
    assert '"engine": "onnxruntime"' in manifest
    with pytest.raises(UserError, match="engine"):
        run_benchmark(read_settings({**about, "engine": "torch"}), tmp_path / "onnxruntime")


class Choosy(ConvNet):
    """Answers otherwise, or not at all, to images of some values: nothing that random images would show."""

    def __init__(self, way: str):
        super().__init__()
        self.way = way

    def forward(self, images: Tensor) -> Tensor:
        if self.way == "raises" and bool((images.mean((1, 2, 3)) > 0.9).any()):
            raise RuntimeError("too bright")
        if self.way == "branches" and float(images.amax()) == 0:
            return -super().forward(images)
        if (
            self.way == "divides"
        ):  # 0 / 0 where all pixels are of one colour, and rounding where sums are made otherwise
            images = (images - images.mean((1, 2, 3), keepdim=True)) / images.std((1, 2, 3), keepdim=True)
        return super().forward(images)


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("raises", "it cannot be followed without the values of its images"),
        ("branches", "it cannot be followed without the values of its images"),
        ("divides", "its logits differ by nan"),
    ],
)
def test_a_model_that_decides_by_the_values_of_its_images_stays_with_torch(way: str, reason: str, capsys):
    torch.manual_seed(0)
    module = Choosy(way).eval()
    assert prepare(module, (24, 32), "cpu", batch_size=4, engine="auto").engine == "torch"
    assert reason in capsys.readouterr().err
    plain = prepare(Choosy("plain").eval(), (24, 32), "cpu", batch_size=4, engine="auto")
    assert plain.engine == "onnxruntime"


class Wide(ConvNet):
    """Of weights so many that their norm, summed in another order, differs in its last digits."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Sequential(nn.Conv2d(3, 96, 3, padding=1), nn.Conv2d(96, 96, 3, padding=1), nn.Conv2d(96, 3, 1))

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(self.wide(images))


def test_a_model_laid_out_anew_and_given_back_is_still_the_one_that_was_exported(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    module = Wide().eval()
    runtime = prepare(module, (24, 32), "cpu", batch_size=4, engine="onnxruntime")
    monkeypatch.setattr(Wide, "forward", lambda *_: pytest.fail("torch was asked"))
    for _ in range(2):
        assert forward_of(module, runtime.engine) is not module
        scores(module)
        give_back(module)


def test_weights_that_changed_are_torchs_which_is_said(capsys: pytest.CaptureFixture[str]):
    module = small()
    runtime = prepare(module, (24, 32), "cpu", batch_size=4, engine="onnxruntime")
    with torch.no_grad():
        next(module.parameters()).mul_(2)
    assert forward_of(module, runtime.engine) is module
    assert "ConvNet has other weights than were exported; torch makes its passes." in capsys.readouterr().err


def test_an_edited_forward_pass_is_exported_anew(tmp_path: Path):
    def engine_of(code: str) -> str:
        file = tmp_path / "mine.py"
        file.write_text(f"from torch import nn\n\nclass Net(nn.Module):\n    {code}\n", encoding="utf-8")
        spec = importlib.util.spec_from_file_location("mine", file)
        assert spec is not None and spec.loader is not None
        sys.modules["mine"] = made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        net = made.Net().eval()
        return prepare(net, (24, 32), "cpu", batch_size=4, engine="auto").engine

    assert engine_of("forward = lambda self, x: x + 1") == "onnxruntime"
    assert engine_of("forward = lambda self, x: -x if bool((x > 2).any()) else x + 1") == "torch"
