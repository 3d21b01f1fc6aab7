"""Maps made of maps: Dual-Evidence Attribution."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from segattr_lib.attribution.adaptive import adaptive_ria
from segattr_lib.attribution.cam import ega
from segattr_lib.attribution.intervention import ria
from segattr_lib.attribution.maps import normalise
from segattr_lib.seeds import Draws
from segattr_lib.targets import Scalar, Score, Target


def dea(
    score: Score,
    images: Float[Tensor, "b 3 h w"],
    target: Target,
    *,
    layer: str,
    alpha: float = 0.65,
    beta: float = 0.35,
    window: int = 1,
    scalar: Scalar = "probability",
    grid: int = 14,
    fill: str = "mean",
    draws: Draws | None = None,
    others: Float[Tensor, "b 3 h w"] | None = None,
) -> Float[Tensor, "b h w"]:
    """Dual-Evidence Attribution (DEA paper, eq. 2) of EGA and RIA; maps in [0,1].

    Costs what its two parts cost; their options mean what they mean there.
    """
    gradient = ega(score, images, target, layer=layer, window=window, scalar=scalar)
    intervention = ria(score, images, target, grid=grid, fill=fill, draws=draws, others=others)
    return dual_evidence(gradient, intervention, alpha=alpha, beta=beta)


def adaptive_dea(
    score: Score,
    images: Float[Tensor, "b 3 h w"],
    target: Target,
    *,
    layer: str,
    alpha: float = 0.65,
    beta: float = 0.35,
    window: int = 1,
    scalar: Scalar = "probability",
    budget: int = 49,
    focus: float = 0.6,
    guided: float = 0.0,
    refined: float = 0.0,
    fill: str = "mean",
    draws: Draws | None = None,
    others: Float[Tensor, "b 3 h w"] | None = None,
) -> Float[Tensor, "b h w"]:
    """Dual-Evidence Attribution of EGA and adaptive RIA; as `dea`, at a fraction of its passes. Ours."""
    gradient = ega(score, images, target, layer=layer, window=window, scalar=scalar)
    intervention = adaptive_ria(
        score,
        images,
        target,
        budget=budget,
        focus=focus,
        guided=guided,
        refined=refined,
        fill=fill,
        draws=draws,
        others=others,
    )
    return dual_evidence(gradient, intervention, alpha=alpha, beta=beta)


def dual_evidence(
    gradient: Float[Tensor, "b h w"],
    intervention: Float[Tensor, "b h w"],
    *,
    alpha: float = 0.65,
    beta: float = 0.35,
) -> Float[Tensor, "b h w"]:
    """N(alpha A_g (1 + beta A_r) + (1 - alpha) A_r) (DEA paper, eq. 2).

    alpha in [0,1] weighs gradient against intervention, beta >= 0 rewards their agreement. Raises
    ValueError outside these ranges.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; expected 0 (interventions alone) to 1 (gradients alone).")
    if beta < 0:
        raise ValueError(f"beta is {beta}; expected 0 (agreement adds nothing) or more.")
    return normalise(alpha * gradient * (1 + beta * intervention) + (1 - alpha) * intervention)
