"""The embedded SAM 2: transformers' own Sam2Model from a small configuration, trained on shapes scenes."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import Sam2Config, Sam2Model
from transformers.models.sam2.modeling_sam2 import Sam2Attention

from segattr_lib.models import WEIGHTS
from segattr_lib.models.embedded import spread_by_width
from segattr_lib.models.state import stored

SIDE = 256  # px of the images it sees; its masks are a quarter of that
WIDTHS = (24, 48, 96, 192)
HIDDEN = 96
NO_POINT = -10  # transformers' label of what fills up a prompt with fewer points
SHARPER = 1.7  # times the spread: a point then has some hundred times the weight of a pixel far away


def shapes_sam2(side: int = SIDE) -> Sam2Model:
    """A Sam2Model of 24 to 192 channels in six blocks, and 96 in the mask decoder; its weights drawn.

    side: px of the images it sees, a multiple of 128. No weight depends on it.
    """
    backbone: dict[str, Any] = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": WIDTHS[0],
        "image_size": [side, side],
        "embed_dim_per_stage": list(WIDTHS),
        "blocks_per_stage": [1, 1, 3, 1],
        "num_attention_heads_per_stage": [1, 2, 4, 8],
        "window_size_per_stage": [8, 4, 8, 4],
        "global_attention_blocks": [4],
        "window_positional_embedding_background_size": [8, 8],
        "mlp_ratio": 3.0,
    }
    sizes = [[side // stride, side // stride] for stride in (4, 8, 16)]
    vision: dict[str, Any] = {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": list(WIDTHS[::-1]),
        "backbone_feature_sizes": sizes,
        "fpn_hidden_size": HIDDEN,
    }
    prompts = {"hidden_size": HIDDEN, "image_size": side}
    decoder = {"hidden_size": HIDDEN, "mlp_dim": 4 * HIDDEN, "num_attention_heads": 4, "iou_head_hidden_dim": HIDDEN}
    config = Sam2Config(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    return drawn_anew(Sam2Model(config))


def drawn_anew(model: Sam2Model) -> Sam2Model:
    """The model with weights to begin from; transformers draws all with a spread of 0.02, for weights loaded next.

    Layers damp nothing (see spread_by_width). What tells a point's label, or a mask from the others, stands out from
    where the point lies, as in SAM's own code. Places have one embedding for points and pixels, which transformers
    takes from the weights it loads and otherwise draws twice: then a point is not where its pixel is, and nothing is
    learnt. And the mask decoder's attention begins with one projection for queries and keys, so that a point and the
    pixels around it find each other from the first step on (after Trockman and Kolter 2023, Mimetic Initialization of
    Self-Attention Layers).
    """
    for layer in spread_by_width(model).modules():
        if isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight)
        elif isinstance(layer, nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="linear")
    points, pixels = model.prompt_encoder.shared_embedding, model.shared_image_embedding
    points.positional_embedding.copy_(pixels.positional_embedding)
    for layer in model.mask_decoder.modules():
        if isinstance(layer, Sam2Attention):
            layer.q_proj.weight.data *= SHARPER
            layer.k_proj.weight.data.copy_(layer.q_proj.weight)
    return model


def embedded_sam2() -> Sam2Model:
    """The embedded SAM 2 with its shipped weights, in float32. Raises UserError where they are missing."""
    model = shapes_sam2().eval()
    stored("shapes_sam2", model, WEIGHTS / "shapes_sam2.safetensors")
    return model
