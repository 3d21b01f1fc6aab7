"""A model's forward passes by ONNX Runtime: the same logits within 1e-4, cheaper on a CPU, where no gradient is taken.

A model is exported once, kept in the user's cache folder, and held against torch on random images whenever it is
opened. What torch alone can do stays with torch: gradients, and a pass whose layers somebody watches or changes.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from platformdirs import user_cache_path
from torch import Tensor, nn

from segattr_lib.models.state import prediction, weight_fingerprint
from segattr_lib.registry import cause_of
from segattr_lib.writing import say, whole

WITHIN = 2e-4  # of a logit, that the two may differ by; on some processors two shipped models come to 1.6e-4
OPSET = 17
GREY = 90 / 255  # no sum of halves, so that a mean of it is rounded
BESIDE = 24  # px more a side, of the second shape that a model is tried on


@dataclass(frozen=True)
class Exported:
    """A model as ONNX Runtime has it. session: None where it cannot be had, and `reason` says why. state: what the
    module was like, see `state_of`; any_shape: whether it takes images of other shapes than `shape`, (H,W) in px."""

    session: Any
    state: tuple[Any, ...]
    shape: tuple[int, int]
    any_shape: bool = False
    reason: str = ""

    def takes(self, images: Tensor) -> bool:
        """Whether it can answer to such images."""
        alike = images.dtype == torch.float32 and images.device.type == "cpu"
        return alike and (self.any_shape or tuple(images.shape[2:]) == self.shape)

    def __call__(self, images: Tensor) -> Tensor:
        (logits,) = self.session.run(None, {"images": images.contiguous().numpy()})
        return torch.from_numpy(logits)


_EXPORTED: WeakKeyDictionary[nn.Module, Exported] = WeakKeyDictionary()


def exported(module: nn.Module, shape: tuple[int, int]) -> Exported:
    """The module, in evaluation mode on the CPU, as ONNX Runtime has it, of images of (H,W) px."""
    known = _EXPORTED.get(module)
    state = state_of(module)
    if known is None or not unchanged(known.state, state) or not (known.any_shape or known.shape == shape):
        known = _EXPORTED[module] = _opened(module, shape, state)
    return known


def forward_of(module: nn.Module, engine: str) -> Callable[[Tensor], Any]:
    """What answers to a batch of images where no gradient is taken: the module itself, or ONNX Runtime in its place.

    The latter as long as the module is what was exported: nobody watches or changes one of its layers.
    """
    known = _EXPORTED.get(module)
    if engine != "onnxruntime" or known is None or known.session is None:
        return module
    state = state_of(module)
    if not unchanged(known.state, state):
        if known.state[0] == state[0]:  # nobody watches: other weights are a surprise, to be told
            say(f"{type(module).__name__} has other weights than were exported; torch makes its passes.")
        return module

    def forward(images: Tensor) -> Any:
        if not known.takes(images):
            return module(images)
        counted(module, len(images))
        return known(images)

    return forward


def state_of(module: nn.Module) -> tuple[Any, ...]:
    """What tells that a module is no longer what was exported: the hooks on its parts, those of `counted_passes` aside,
    and the norms of its tensors, which no memory format changes; see `unchanged`."""
    tensors = [tensor for tensor in (*module.parameters(), *module.buffers()) if tensor.is_floating_point()]
    hooks = [key for part in module.modules() for key in (*part._forward_hooks, *part._forward_pre_hooks)]
    with torch.no_grad():
        norms = torch._foreach_norm(tensors) if tensors else []
    return tuple(key for key in hooks if key not in _COUNTING), tuple(map(float, norms))


def unchanged(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Are two states of a module one? A norm summed in another order differs in its last digits."""
    alike = before[0] == now[0] and len(before[1]) == len(now[1])
    return alike and np.allclose(before[1], now[1], rtol=1e-5, atol=0)


_COUNTING: dict[int, tuple[nn.Module, list[int]]] = {}  # the hook of each count that goes on, to its model and number


@contextmanager
def counted_passes(model: nn.Module) -> Iterator[list[int]]:
    """Counts what a model is asked inside the block, in images: a forward pass is 1, a backward pass 2.

    Yields a list of one number that grows while the block runs.
    """
    passes = [0]

    def forward(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        images = len(inputs[0])
        passes[0] += images
        tensor = prediction(output)
        if isinstance(tensor, Tensor) and tensor.requires_grad:
            tensor.register_hook(lambda gradient: passes.__setitem__(0, passes[0] + 2 * images))

    handle = model.register_forward_hook(forward)
    _COUNTING[handle.id] = (model, passes)
    try:
        yield passes
    finally:
        handle.remove()
        del _COUNTING[handle.id]


def counted(model: nn.Module, images: int) -> None:
    """Count so many images that a model was asked where its hooks see nothing."""
    for counting, passes in _COUNTING.values():
        if counting is model:
            passes[0] += images


def _opened(module: nn.Module, shape: tuple[int, int], state: tuple[Any, ...]) -> Exported:
    try:
        import onnxruntime
    except ImportError:
        return Exported(None, state, shape, reason="onnxruntime is not installed")
    path = _kept_at(module, shape)
    reason = ""
    for fresh in (False, True):
        try:
            content = None if fresh or path is None else path.read_bytes()
        except OSError:
            content = None
        if content is None and not fresh:
            continue
        try:
            if content is None:
                reason = _decides_by_values(module, shape)
                if reason:
                    break
                content = as_onnx(module, shape)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            options.log_severity_level = 4
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            made = Exported(session, state, shape)
            apart = np.max([_apart(module, made, count, shape) for count in (1, 3)])  # NaN, where one is
        except Exception as error:  # what an exporter and a runtime raise is theirs, and no model's fault
            reason = cause_of(error)
            continue
        if not apart <= WITHIN:
            reason = f"its logits differ by {apart:.2g}, more than {WITHIN:g}"
            continue
        if fresh and path is not None:
            with suppress(OSError):  # a home that cannot be written costs an export a process, no more
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole(path) as partial:
                    partial.write_bytes(content)
        return Exported(session, state, shape, _takes_others(module, made))
    return Exported(None, state, shape, reason=reason)


def _decides_by_values(module: nn.Module, shape: tuple[int, int]) -> str:
    """Why a trace of the module on some images would not hold for others, if so: it looks at the values of images, as
    in `if images.mean() > 0.5`. Tensors without values refuse to say what they hold."""
    from torch._subclasses.fake_tensor import FakeTensorMode  # seconds, which only an export is to wait for

    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            module(torch.rand(2, 3, *shape))
    except Exception as error:  # what torch raises there, and a module that does not expect it
        return f"it cannot be followed without the values of its images ({cause_of(error)})"
    return ""


def as_onnx(module: nn.Module, shape: tuple[int, int]) -> bytes:
    """The module as ONNX, with batch, height and width left open."""

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, images: Tensor) -> Any:
            return prediction(self.inner(images))

    open_axes = {"images": {0: "batch", 2: "height", 3: "width"}, "logits": {0: "batch"}}
    logits = Logits()
    logits.training = False  # statements of a train() would reach the module
    with TemporaryDirectory() as folder, warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
        file = Path(folder) / "model.onnx"
        warnings.simplefilter("ignore")  # of a tracer that sees constants; the answers are held against torch's
        torch.onnx.export(
            logits,
            (_images(2, shape),),
            str(file),
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes=open_axes,
            opset_version=OPSET,
            dynamo=False,
        )
        return file.read_bytes()


def _apart(module: nn.Module, made: Exported, count: int, shape: tuple[int, int]) -> float:
    """The largest difference of a logit between the two on such images as runs ask about, in units of the logit where
    it is above 1; NaN where but one of them has a value."""
    images = _images(count, shape)
    with torch.no_grad():
        expected = prediction(module(images))
    answered = made(images)
    alike = (answered == expected) | (answered.isnan() & expected.isnan())
    apart = (answered - expected).abs() / expected.abs().clamp_min(1)
    return float(apart.masked_fill(alike, 0).max())


def _takes_others(module: nn.Module, made: Exported) -> bool:
    """Whether images of another shape get the same logits as well; a tracer may have taken a size for a constant."""
    height, width = made.shape
    try:
        return _apart(module, made, 2, (height + BESIDE, width + 2 * BESIDE)) <= WITHIN
    except Exception:  # the model itself may take no other shape
        return False


def _images(count: int, shape: tuple[int, int]) -> Tensor:
    """Random images; of three the second is black and the third grey, which a fill may leave of an image."""
    images = torch.from_numpy(np.random.default_rng(0).random((count, 3, *shape), np.float32))
    if count == 3:
        images[1] = 0
        images[2] = GREY
    return images


def _kept_at(module: nn.Module, shape: tuple[int, int]) -> Path | None:
    """Where the export lies: by the module's weights, what it is made of, the files of its code, and who exports it;
    None without a home, and for code that lies in no file."""
    parts = [weight_fingerprint(module), repr(module), shape, OPSET, torch.__version__]
    try:
        files = sorted({inspect.getfile(type(part)) for part in module.modules()})
        parts += [hashlib.blake2b(Path(file).read_bytes()).hexdigest() for file in files]
    except (TypeError, OSError):
        return None
    name = hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()
    try:
        return user_cache_path("segattr", appauthor=False) / "onnx" / f"{name}.onnx"
    except RuntimeError:
        return None
