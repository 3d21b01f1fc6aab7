"""How a model runs fastest on this machine: device, precision, memory format, batch size; measured once, remembered."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from platformdirs import user_cache_path
from torch import Tensor, nn

from segattr_lib.models.engine import exported, forward_of
from segattr_lib.models.lending import evaluated, give_back, hold, is_held
from segattr_lib.models.state import weight_fingerprint
from segattr_lib.registry import UserError, cause_of
from segattr_lib.writing import say

BATCH_SIZES = (4, 8, 16, 32, 64, 128)
ENGINES = ("auto", "torch", "onnxruntime")
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Runtime:
    """How a model is run: chosen by `prepare`, the same for everything that model is asked.

    precision: "float32" is IEEE's, whose products keep 24 bits on a GPU too, not TF32's 11. engine: what makes the
    passes that need no gradient, "torch" or "onnxruntime".
    """

    device: torch.device
    precision: str
    batch_size: int
    memory_format: torch.memory_format
    milliseconds: float = field(compare=False)  # an image, in a batch of this size
    engine: str = "torch"

    def place(self, images: Tensor) -> Tensor:
        """The images on the device, laid out as the engine takes them: torch as the model is laid out, whose gradients
        are a third faster so, whatever the images are."""
        layout = self.memory_format if self.engine == "torch" else torch.contiguous_format
        return images.to(self.device).contiguous(memory_format=layout)


_SAID: WeakKeyDictionary[nn.Module, set[str]] = WeakKeyDictionary()  # why torch makes the passes of a model
_PREPARED: WeakKeyDictionary[nn.Module, Runtime] = WeakKeyDictionary()


def prepare(
    model: nn.Module,
    shape: tuple[int, int] = (224, 224),
    device: str | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
    memory_format: torch.memory_format = torch.channels_last,
    engine: str = "torch",
) -> Runtime:
    """Put a model on its device in evaluation mode and measure how it runs fastest; `give_back` leaves it as it was.

    device: None takes a GPU where there is one. batch_size: a given one is used as it is, in this memory format;
    None takes the fastest, measured once a machine and model and remembered: a batch size changes the last
    bits of a value, and the same settings are to give the same bytes. A model that fails on images whose channels
    lie last in memory, and on no others, is shown contiguous ones. Under precision "float32" a GPU's convolutions
    and matrix products are IEEE's float32 from here on, in all of the process: torch's default for convolutions is
    TF32, of three digits. engine: one of ENGINES; see engine_of. Raises UserError for a device, precision or engine
    that is not there.
    """
    chosen = device_of(device)
    if precision not in PRECISIONS:
        raise UserError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}.")
    keep_freed_memory()
    if precision == "float32":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    hold(model)
    _place(model, chosen)
    engine = engine_of(model, shape, chosen, precision, engine)
    if batch_size is not None:
        runtime = Runtime(chosen, precision, batch_size, memory_format, float("nan"), engine)
    else:
        runtime = _remembered(model, shape, chosen, precision, engine)
    if runtime.memory_format != torch.contiguous_format and _contiguous_alone(model, runtime, shape):
        runtime = replace(runtime, memory_format=torch.contiguous_format)
    model.to(memory_format=runtime.memory_format)
    _PREPARED[model] = runtime
    return runtime


def engine_of(model: nn.Module, shape: tuple[int, int], device: torch.device, precision: str, engine: str) -> str:
    """What makes a model's passes that need no gradient: "torch", or "onnxruntime" (see engine.exported).

    "auto" is a rule, not a timing: ONNX Runtime in float32 on a CPU where the model can be exported, else torch, which
    is said once a model. Raises UserError for another name, and where onnxruntime is asked for and cannot be had.
    """
    if engine not in ENGINES:
        raise UserError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}.")
    if engine == "torch":
        return engine
    if device.type != "cpu" or precision != "float32":
        reason = f"it makes passes in float32 on a CPU, not in {precision} on {device.type}"
    else:
        with evaluated(model):
            known = exported(model, shape)
        if known.session is not None:
            return "onnxruntime"
        reason = known.reason
        if engine == "auto" and reason not in _SAID.setdefault(model, set()):
            _SAID[model].add(reason)
            say(f"Passes of {type(model).__name__} are made by torch, not by ONNX Runtime: {reason}.")
    if engine == "auto":
        return "torch"
    raise UserError(f"engine is 'onnxruntime', but {reason}; set engine=torch, or leave it out.")


def is_prepared(model: nn.Module) -> bool:
    """Is it known how this model runs?"""
    return model in _PREPARED


def runtime_of(model: nn.Module, shape: tuple[int, int] = (224, 224)) -> Runtime:
    """How this model runs; measured on the first call where `prepare` was not called before."""
    device = next((str(parameter.device) for parameter in model.parameters()), None)
    return _PREPARED.get(model) or prepare(model, shape, device)


def out_of_memory(error: BaseException) -> bool:
    """Did memory end, the machine's or an accelerator's?"""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    if type(error).__module__.startswith("onnxruntime"):
        return "Failed to allocate memory" in text
    # torch's allocator of the CPU raises a plain RuntimeError
    return isinstance(error, RuntimeError) and ("DefaultCPUAllocator" in text or "ALLOC_FAILED" in text)


def halved(model: nn.Module, images: int) -> Runtime:
    """How this model runs from here on, memory having ended in a batch of so many images; said on stderr."""
    before = _PREPARED[model]
    after = _PREPARED[model] = replace(before, batch_size=min(before.batch_size // 2, images - 1))
    if before.device.type != "cpu":
        torch.accelerator.empty_cache()
    digits = "values may differ in their last digits"
    say(f"Memory ended in a batch of {images} images; batches are of {after.batch_size} from here on ({digits}).")
    return after


@contextmanager
def running(model: nn.Module, shape: tuple[int, int] = (224, 224)) -> Iterator[Runtime]:
    """How this model runs, for a block that runs it: every part in evaluation mode, no weight taking a gradient.

    After the block the model is as it was before, in all that `give_back` names; one that was prepared stays so.
    """
    held = is_held(model)
    runtime = runtime_of(model, shape)
    if not held and not is_held(model):  # it was prepared, and given back
        hold(model)
        _place(model, runtime.device)
        model.to(memory_format=runtime.memory_format)
    try:
        with evaluated(model):
            yield runtime
    finally:
        if not held:
            give_back(model)


def autocast(runtime: Runtime) -> Any:
    """The autocast context of a precision; none for float32."""
    dtype = PRECISIONS[runtime.precision]
    return nullcontext() if dtype is None else torch.autocast(runtime.device.type, dtype)


def synchronised_clock(device: torch.device) -> float:
    """Seconds on the monotonic clock, once the device has done what it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()


def keep_freed_memory() -> None:
    """Have glibc reuse freed blocks instead of handing them back to the system.

    Large batches otherwise page-fault on every pass, which costs a CPU more than the arithmetic.
    """
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_max = -1, -4
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


def fastest(
    model: nn.Module, shape: tuple[int, int], device: torch.device, precision: str, engine: str = "torch"
) -> Runtime:
    """Measure batches of 4 to 128, channels last, until twice more no longer pays or memory ends; then the best
    of them in the other memory format. A model that fails on images with channels last is measured without.

    Raises UserError where not even the smallest batch fits, and where the model fails on images of this shape.
    """
    first = Runtime(device, precision, BATCH_SIZES[0], torch.channels_last, 0.0, engine)
    layouts = [torch.channels_last, torch.contiguous_format]
    if _contiguous_alone(model, first, shape):
        layouts.remove(torch.channels_last)
    elif engine == "onnxruntime":  # whose passes are the same in both
        layouts.remove(torch.contiguous_format)
    model.to(memory_format=layouts[0])
    tried: list[Runtime] = []
    for batch_size in BATCH_SIZES:
        best_so_far = _measured(model, replace(first, batch_size=batch_size, memory_format=layouts[0]), shape)
        if best_so_far is None:
            break
        tried.append(best_so_far)
        best = min(runtime.milliseconds for runtime in tried[:-1]) if tried[1:] else float("inf")
        if len(tried) > 2 and min(tried[-1].milliseconds, tried[-2].milliseconds) > 0.97 * best:
            break
    if not tried:
        raise UserError(f"The device {device} has no memory for a batch of {BATCH_SIZES[0]} images of {shape} px.")
    best_so_far = min(tried, key=lambda runtime: runtime.milliseconds)
    others: list[Runtime | None] = []
    for layout in layouts[1:]:
        model.to(memory_format=layout)
        others.append(_measured(model, replace(best_so_far, memory_format=layout), shape))
    return min([best_so_far, *filter(None, others)], key=lambda runtime: runtime.milliseconds)


def device_of(name: str | None) -> torch.device:
    """The device of this name, without one the accelerator, or else the CPU. UserError for one that cannot be used."""
    if name is None:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device is {name!r}, which cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def _remembered(model: nn.Module, shape: tuple[int, int], device: torch.device, precision: str, engine: str) -> Runtime:
    """The fastest runtime as it was measured the first time, from the user's cache folder."""
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    parts = [weight_fingerprint(model), shape, device.type, chip, precision, torch.get_num_threads(), torch.__version__]
    key = "/".join(map(str, [*parts, *([engine] if engine != "torch" else [])]))
    path = _remembered_at()
    known: dict[str, Any] = {}
    with suppress(OSError, ValueError, TypeError):  # none yet, or none that can be read
        known = {**json.loads(path.read_text(encoding="utf-8"))} if path else {}
    measured = known.get(key)
    if not (isinstance(measured, dict) and measured.keys() == {"batch_size", "channels_last", "milliseconds"}):
        best = fastest(model, shape, device, precision, engine)
        channels_last = best.memory_format == torch.channels_last
        measured = {
            "batch_size": best.batch_size,
            "channels_last": channels_last,
            "milliseconds": best.milliseconds,
        }
        with suppress(OSError):  # a home that cannot be written costs a measurement a process, no more
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_suffix(f".{os.getpid()}")
                partial.write_text(json.dumps({**known, key: measured}, indent=1), encoding="utf-8")
                partial.replace(path)
    memory_format = torch.channels_last if measured["channels_last"] else torch.contiguous_format
    return Runtime(device, precision, measured["batch_size"], memory_format, measured["milliseconds"], engine)


def _remembered_at() -> Path | None:
    """The file of measured runtimes; None for a user without a home."""
    try:
        return user_cache_path("segattr", appauthor=False) / "runtimes.json"
    except RuntimeError:
        return None


def _measured(model: nn.Module, runtime: Runtime, shape: tuple[int, int]) -> Runtime | None:
    """The runtime with what it takes; None where memory ends. UserError where the model fails."""
    try:
        return replace(runtime, milliseconds=_milliseconds(model, runtime, shape))
    except Exception as error:  # a user's own forward pass may raise anything
        if out_of_memory(error):
            return None
        raise UserError(f"The model fails on images of {shape[0]} x {shape[1]} px: {cause_of(error)}.") from error


def _place(model: nn.Module, device: torch.device) -> None:
    """In evaluation mode, no weight taking a gradient (they are taken of activations alone), on this device."""
    model.eval()  # statements, not a chain: a train() of one's own may return nothing
    model.requires_grad_(False)
    model.to(device)


def _contiguous_alone(model: nn.Module, runtime: Runtime, shape: tuple[int, int]) -> bool:
    """Does the model fail on an image of this memory format (at a `view`, say), and not on a contiguous one?"""
    image = torch.rand(1, 3, *shape, generator=torch.Generator().manual_seed(0))
    for memory_format in (runtime.memory_format, torch.contiguous_format):
        model.to(memory_format=memory_format)
        try:
            with torch.no_grad(), autocast(runtime):
                model(replace(runtime, memory_format=memory_format).place(image))
        except Exception:  # whatever a user's own forward pass raises; what fails both ways says so when it is run
            continue
        return memory_format != runtime.memory_format
    return False


def _milliseconds(model: nn.Module, runtime: Runtime, shape: tuple[int, int]) -> float:
    """An image's share of a forward pass: the better of two, after one to warm up."""
    images = runtime.place(torch.rand(runtime.batch_size, 3, *shape, generator=torch.Generator().manual_seed(0)))
    times = []
    forward = forward_of(model, runtime.engine)
    with torch.no_grad(), autocast(runtime):
        for _ in range(3):
            began = synchronised_clock(runtime.device)
            forward(images)
            times.append(synchronised_clock(runtime.device) - began)
    return 1000 * min(times[1:]) / runtime.batch_size
