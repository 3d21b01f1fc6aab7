"""What every model goes through before it is explained: built, given its weights, tried on an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segattr_lib.models import MODELS, WEIGHTS, Kind, names
from segattr_lib.models.lending import copied, give_back, hold
from segattr_lib.models.state import prediction, stored, weight_fingerprint
from segattr_lib.registry import UserError, cause_of, lookup

MOST_STAGES = 5


@dataclass(frozen=True)
class Model:
    """A model ready to be explained.

    module: (B,3,H,W) RGB in [0,1] to logits, in evaluation mode: a segmenter's are (B,C,H,W), a classifier's (B,C).
    layer: the module whose activations are explained, (B,K,h,w), or (B,h,w,K) as Swin's are. layers: for what
    explains several, shallow to deep: a segmenter's layer and blocks before it, a classifier's stages. classes: C.
    fingerprint: changes when a weight changes. class_names: by class id, none where they are not known; a user's module
    may name them by an attribute class_names. members: which of the module's own classes each of the C is, where
    another data set's classes are asked for; none of them for a class it does not know.
    """

    name: str
    module: nn.Module
    kind: Kind
    layer: str
    layers: tuple[str, ...]
    classes: int
    fingerprint: str
    members: Sequence[Sequence[int]] | None = None
    class_names: Sequence[str] = ()

    @property
    def classifies(self) -> bool:
        """Whether it says what an image is of, not where."""
        return self.kind == "classifier"


def load_model(
    name: str,
    layer: str | None = None,
    layers: Sequence[str] | None = None,
    shape: tuple[int, int] = (224, 224),
    kind: Kind | None = None,
    members: Sequence[Sequence[int]] | None = None,
    *,
    explained: bool = True,
) -> Model:
    """Load a model by registered name, "file.py:function" or "package.module:function", and try it on an image.

    layer: None takes a segmenter's own default, a classifier's shallowest of its layers, as the ARCC paper does.
    layers: shallow to deep; None takes a segmenter's `stages` up to its layer, a classifier's own four stages. A
    user's model has no defaults: a segmenter must name a layer, a classifier layers, or one. shape: (H,W) of the
    image, px. kind: what the data demand; None takes a registered model for what it is, a user's must be asked for
    as one or the other. members: see Model; a classifier then answers for groups of its classes, see `grouped`.
    explained: False of one that is asked for scores alone, which needs no layers and has none.

    Raises UserError for an unknown model, weights that are missing or truncated, an output of another shape than
    its kind has, layers that do not exist or are not named, listing candidates, a classifier's layers in another
    order than the forward pass has, and members that the model has not.
    """
    if kind is None and name not in MODELS and ":" in name:
        raise UserError(
            f"The model {name!r} is not registered; say whether it gives logits (B,C,H,W), kind='segmenter', "
            f"or (B,C), kind='classifier'."
        )
    choices = {choice: partial(registered, choice) for choice in names(kind)}
    module = built("classifier" if kind == "classifier" else "model", name, choices)
    kind = kind or MODELS[name].kind
    if members is not None and kind == "segmenter":
        raise UserError(f"The model {name!r} is a segmenter; expected a classifier for groups of classes (members).")
    if kind == "segmenter" and _unwrap not in module._forward_hooks.values():  # it may be handed out again and again
        hold(module).append(module.register_forward_hook(_unwrap))
    output, candidates = tried(name, module, shape)
    _check_logits(name, kind, output, shape)
    default = MODELS[name].layers if name in MODELS else ()
    chosen: tuple[str, ...] = ()
    if not explained:
        layer = ""
    elif kind == "segmenter":
        layer, chosen = _layers_of_a_segmenter(name, module, candidates, layer, layers, default)
    else:
        layer, chosen = _layers_of_a_classifier(name, candidates, layer, layers, default)
    fingerprint, classes = weight_fingerprint(module), output.shape[1]
    class_names = MODELS[name].class_names if name in MODELS else getattr(module, "class_names", ())
    if members is not None:
        answering, fingerprint = grouped(name, module, classes, members), f"{fingerprint}-{members}"
        give_back(module)  # the copy is explained
        module, classes, class_names = answering, len(members), ()
    return Model(name, module, kind, layer, chosen, classes, fingerprint, members, class_names)


def registered(name: str) -> nn.Module:
    """The module of a row of MODELS with its weights, in float32. UserError where they are missing or not its own."""
    entry = MODELS[name]
    module = entry.build()
    if entry.stored:
        stored(name, module, WEIGHTS / f"{name}.safetensors", entry.remedy)
    return module


def built(noun: str, name: str, registry: Mapping[str, Callable[[], nn.Module]]) -> nn.Module:
    """The module of a registered name, or of a user's "file.py:function", in evaluation mode; `give_back` undoes it.

    noun: what an error calls it. Raises UserError for an unknown name, for a function that raises or gives anything
    else, and for a module whose layers take no hooks.
    """
    build = lookup(noun, name, registry)
    try:
        module = build()
    except UserError:
        raise
    except Exception as error:  # a user's own function may raise anything, a truncated file's error among them
        raise UserError(f"The model {name!r} cannot be built: {type(error).__name__}: {error}.") from error
    if not isinstance(module, nn.Module):
        raise UserError(f"The model {name!r} gives a {type(module).__name__}; expected a torch.nn.Module.")
    _check_hookable(name, module)
    hold(module)
    module.eval()  # what it returns is not used: a train() of one's own may return nothing
    return module


def tried(name: str, module: nn.Module, shape: tuple[int, int]) -> tuple[Any, list[str]]:
    """What the module answers to one image, and its layers with a map of features for an output, (1,C,h,w) or
    (1,h,w,C), in the order in which they are done. Raises UserError where the forward pass fails.

    Not in inference mode, here and wherever else a model is asked: what it keeps of a pass for the next, such as a
    grid of positions, could not be differentiated through later.
    """
    done: list[str] = []
    handles = [
        layer.register_forward_hook(
            lambda _module, _inputs, output, key=key: done.append(key) if _is_feature(output, shape) else None
        )
        for key, layer in module.named_modules()
        if key
    ]
    device = next((weight.device for weight in module.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            output = module(torch.zeros(1, 3, *shape, device=device))
    except Exception as error:  # a user's own forward pass may raise anything
        raise UserError(
            f"The model {name!r} fails on an image (1,3,{shape[0]},{shape[1]}): {cause_of(error)}; it is shown RGB "
            f"images in [0,1] of image_size px a side, which must be a size that it takes."
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return output, list(dict.fromkeys(done))


def stages(module: nn.Module, layer: str, candidates: Sequence[str], most: int = MOST_STAGES) -> list[str]:
    """A layer and the blocks beside it that are done before it, shallow to deep; of more than `most`, evenly
    spaced ones.

    Blocks are modules made of modules, under the layer's own parent. candidates: the layers with a map of
    features for an output, in the order in which they are done.
    """
    modules, parent = dict(module.named_modules()), layer.rpartition(".")[0]
    blocks = {name for name in modules if name.rpartition(".")[0] == parent and any(modules[name].children())}
    before = [name for name in candidates if name in blocks or name == layer]
    before = before[: before.index(layer) + 1]
    places = np.linspace(len(before) - 1, 0, min(most, len(before)))[::-1]
    return [before[round(place)] for place in places]


def grouped(name: str, module: nn.Module, classes: int, members: Sequence[Sequence[int]]) -> nn.Module:
    """A copy of the module, answering for groups of its classes: logits (B,C), or (B,C+1) where classes are left over.

    members: the classes of each group, disjoint. A group's logit is the logarithm of the sum of its members'
    exponentials, so that its probability is the sum of theirs; what is left over comes last, and a group without
    members has probability 0. By a forward hook: the names of the layers stay. Raises UserError for a class that
    the module has not.
    """
    named = {number for group in members for number in group}
    if named and max(named) >= classes:
        raise UserError(f"The class map names class {max(named)}, but the model {name!r} has 0 to {classes - 1}.")
    rest = [number for number in range(classes) if number not in named]
    groups = [*members, rest] if rest else members

    def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        none = torch.full_like(logits[:, 0], float("-inf"))  # of as many images as there are, when exported, too
        return torch.stack([logits[:, list(group)].logsumexp(1) if group else none for group in groups], 1)

    answering = copied(module, "A class map")  # a user's function may hand out one module again and again
    answering.register_forward_hook(hook)
    return answering


def spread(model: Model) -> Model:
    """A classifier as a segmenter that says the same of every pixel: logits (B,C,H,W), so that the whole picture is a
    region. Its layers keep their names, and its probability of a class is what it was. By a hook, on a copy."""
    module = copied(model.module, "A picture as a region")
    give_back(model.module)  # the copy is explained
    module.register_forward_hook(
        lambda _module, inputs, logits: logits[..., None, None].expand(-1, -1, *inputs[0].shape[2:])
    )
    return replace(model, module=module, kind="segmenter")


def kind_of(output: Any) -> str:
    """What an answer is, for an error: its shape, or its type and what it holds."""
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    parts = ""
    if isinstance(output, Mapping):
        parts = " with " + ", ".join(f"{key} {kind_of(part)}" for key, part in output.items())
    elif isinstance(output, list | tuple):
        parts = " of " + ", ".join(map(kind_of, output))
    return type(output).__name__ + parts


def some(candidates: list[str]) -> str:
    """The last few of the shortest layer names, deepest last."""
    if not candidates:
        return "none: no layer of it gives a map of features (1,C,h,w) or (1,h,w,C)"
    shallow = [name for name in candidates if name.count(".") <= 1] or candidates
    return ", ".join(repr(name) for name in shallow[-6:])


def _unwrap(_module: nn.Module, _inputs: Any, output: Any) -> Any:
    return prediction(output)


def _check_logits(name: str, kind: Kind, output: Any, shape: tuple[int, int]) -> None:
    """Raises UserError for an answer to one image that is not the logits of two classes or more."""
    segments = kind == "segmenter"
    size = shape if segments else ()
    if not isinstance(output, Tensor) or output.dim() < 2 or tuple(output.shape[2:]) != size:
        expected = "(1,C,H,W) of the image's size" if segments else "(1,C)"
        such_as = ", such as functional.interpolate(logits, images.shape[2:], mode='bilinear')" if segments else ""
        raise UserError(
            f"The model {name!r} gives {kind_of(output)} for an image (1,3,{shape[0]},{shape[1]}); expected logits "
            f"{expected}: wrap it in a module whose forward returns them alone{such_as}."
        )
    if output.shape[1] == 1:
        answer, object_class = ("channel", ", the object being class 1") if segments else ("logit", "")
        raise UserError(
            f"The model {name!r} gives one {answer}, as for a sigmoid; expected logits of two classes or more, of "
            f"which a softmax is taken: wrap it in a module whose forward returns torch.cat([0 * logit, logit], 1), "
            f"whose softmax is the sigmoid{object_class}."
        )


def _layers_of_a_segmenter(
    name: str,
    module: nn.Module,
    candidates: list[str],
    layer: str | None,
    layers: Sequence[str] | None,
    default: Sequence[str],
) -> tuple[str, tuple[str, ...]]:
    """The layer that is explained, and those for what explains several."""
    layer = layer or (default[-1] if default else None)
    if layer is None:
        raise UserError(f"The model {name!r} has no default layer; name one with layer=, such as {some(candidates)}.")
    for asked in (layer, *(layers or ())):
        if asked not in candidates:
            raise UserError(
                f"layer is {asked!r}, which is no feature layer of the model {name!r}; "
                f"choose one such as {some(candidates)}."
            )
    return layer, tuple(layers or stages(module, layer, candidates))


def _layers_of_a_classifier(
    name: str, candidates: list[str], layer: str | None, layers: Sequence[str] | None, default: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """The layer that is explained where a method takes one, and all that are."""
    layers = layers or default or (layer and [layer])
    if not layers:
        raise UserError(
            f"The model {name!r} has no default layers; name some with layers=, such as {some(candidates)}."
        )
    for asked in (*layers, layer or layers[0]):
        if asked not in candidates:
            raise UserError(
                f"layers has {asked!r}, which is no feature layer of the model {name!r}; "
                f"choose some such as {some(candidates)}."
            )
    ordered = sorted(set(layers), key=candidates.index)
    if list(layers) != ordered:
        raise UserError(f"layers are {', '.join(layers)}; expected shallow to deep, each once: {', '.join(ordered)}.")
    return layer or layers[0], tuple(layers)


def _check_hookable(name: str, module: nn.Module) -> None:
    """Raises UserError for a module with a part that runs without the hooks by which a layer is explained."""
    for part in module.modules():
        if isinstance(part, torch.jit.ScriptModule):
            cause, remedy = "TorchScript, whose layers take no hooks", "the Python module it was made of"
        elif hasattr(part, "_orig_mod") or part._compiled_call_impl is not None:
            cause = "compiled by torch.compile, which passes by hooks set after it"
            remedy = "the module it was made of (its _orig_mod), not compiled"
        elif isinstance(part, nn.DataParallel | nn.parallel.DistributedDataParallel):
            cause, remedy = "spread over devices, a copy of each layer on each", "its .module"
        else:
            continue
        raise UserError(f"The model {name!r} is, or has a part that is, {cause}: give {remedy}.")


def _is_feature(output: object, shape: tuple[int, int]) -> bool:
    if not isinstance(output, Tensor) or output.dim() != 4 or not output.is_floating_point():
        return False
    return 1 < output.shape[2] < shape[0]
