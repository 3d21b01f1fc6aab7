"""ROAD's linear imputation: the pixels in a hole become the weighted means of their neighbours.

That is one sparse linear system an image and hole. It is solved without its matrix, many at a time and on any
device: conjugate gradients whose preconditioner is one multigrid cycle. The coarse grids know the holes, being
Galerkin products of the fine system, so that the work does not grow with the size of a hole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

TOLERANCE = {torch.float32: 5e-4, torch.float64: 5e-7}
AROUND = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
COARSEST = 256  # unknowns that are solved for directly
AT_ONCE = 16  # systems worked on together on a CPU, whose memory they share
CYCLES = 100  # five to ten are needed


def impute(
    images: Float[Tensor, "n c h w"], holes: Bool[Tensor, "n h w"], tolerance: float | None = None
) -> Float[Tensor, "n c h w"]:
    """Fill the holes of each image: every pixel there is the weighted mean of its 8 neighbours.

    Weights 1/6 along the edges and 1/12 across the corners, renormalised at the border (Rong et al. 2022,
    eq. 5, without its noise). The other pixels are left as they are; with none left, the channel mean.
    tolerance: the largest error of a pixel that may be left, as the last multigrid cycle estimates it; 5e-4
    in float32, where the noise to be added is .01, and 5e-7 in float64. What an image gets does not depend on
    the others of its batch. Raises ValueError for pixels that are not finite.
    """
    if not bool(torch.isfinite(images).all()):
        raise ValueError("the images hold values that are not finite; expected RGB in [0,1].")
    dtype = torch.float64 if images.dtype == torch.float64 else torch.float32
    allowed = TOLERANCE[dtype] if tolerance is None else tolerance
    parts = AT_ONCE if images.device.type == "cpu" else max(1, len(images))
    with torch.no_grad():
        solved = [
            _solve(some.to(dtype).contiguous(), where, allowed)
            for some, where in zip(images.split(parts), holes.split(parts), strict=True)
        ]
    return torch.where(holes[:, None], torch.cat(solved).to(images.dtype), images)


def _solve(images: Tensor, holes: Tensor, tolerance: float) -> Tensor:
    """Preconditioned conjugate gradients, every image and channel with steps of its own."""
    none_left = holes.flatten(1).all(1)[:, None, None]
    known = (~holes | none_left)[:, None].to(images.dtype)
    inside = (holes & ~none_left)[:, None].to(images.dtype)
    level = images.mul(known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    residual = _around((images - level) * known) * inside
    cycle = _multigrid(inside)
    solution = torch.zeros_like(images)
    result, done = torch.zeros_like(images), torch.zeros(len(images), dtype=torch.bool, device=images.device)
    direction = torch.zeros_like(images)
    before = images.new_ones(())
    operator = _finest(inside).apply
    for _ in range(CYCLES):
        # A cycle from the residual estimates the error: once it is small, it is also the last correction.
        error = cycle(residual)
        small = error.abs().amax((1, 2, 3)) <= tolerance
        result = torch.where((small & ~done)[:, None, None, None], solution + error, result)
        done |= small
        if bool(done.all()):
            return result + level
        product = (residual * error).sum((2, 3), keepdim=True)
        direction = error.addcmul_(direction, product / before)
        image = operator(direction)
        step = _ratio(product, (direction * image).sum((2, 3), keepdim=True))
        solution.addcmul_(direction, step)
        residual.addcmul_(image, step, value=-1)
        before = product.where(product > 0, 1)
    raise RuntimeError(f"the linear imputation has not converged after {CYCLES} multigrid cycles.")


@dataclass(frozen=True)
class _Grid:
    """One level: the operator on fields (n,c,h,w), the inverse diagonal that smooths, where unknowns lie."""

    apply: Callable[[Tensor], Tensor]
    smoothing: Tensor
    inside: Tensor | None
    shape: tuple[int, int]


def _multigrid(inside: Tensor) -> Callable[[Tensor], Tensor]:
    """The symmetric cycle with one smoothing step before and one after, as a function of the residual."""
    grids = [_finest(inside)]
    stencil: Tensor | None = None
    while grids[-1].shape[0] * grids[-1].shape[1] > COARSEST:
        stencil = _stencil(grids[-1], 2, len(inside), inside)
        grids.append(_coarser(stencil))
    factor = _factor(_stencil(grids[-1], 1, len(inside), inside), shift=len(grids) > 1)

    def cycle(residual: Tensor, at: int = 0) -> Tensor:
        grid = grids[at]
        if at == len(grids) - 1:
            right = residual.flatten(2).transpose(1, 2)
            return torch.cholesky_solve(right, factor).transpose(1, 2).reshape(residual.shape)
        field = grid.smoothing * residual
        coarse = _prolong(cycle(_restrict(residual - grid.apply(field)), at + 1), *grid.shape)
        field = field.add_(coarse) if grid.inside is None else field.addcmul_(coarse, grid.inside)
        return field.addcmul_(grid.smoothing, residual - grid.apply(field))

    return cycle


def _finest(inside: Tensor) -> _Grid:
    """The system itself, times 12: weights 2 and 1, and on the diagonal what lies within the image."""
    total = _around(torch.ones_like(inside[:1]))
    centre = (total + 4) * inside
    # one step of plain Jacobi: these weights shrink every mode a coarser grid cannot hold to a third
    return _Grid(
        lambda field: (centre * field).addcmul_(inside, _blurred(field), value=-1),
        inside / total,
        inside,
        (inside.shape[2], inside.shape[3]),
    )


def _blurred(field: Tensor) -> Tensor:
    """(1, 2, 1) along both axes, zeros around."""
    padded = functional.pad(field, (1, 1, 1, 1))
    rows = (padded[..., :-2] + padded[..., 2:]).add_(padded[..., 1:-1], alpha=2)
    return (rows[..., :-2, :] + rows[..., 2:, :]).add_(rows[..., 1:-1, :], alpha=2)


def _around(field: Tensor) -> Tensor:
    """The weighted sum of the 8 neighbours: 2 along the edges, 1 across the corners."""
    return _blurred(field).sub_(field, alpha=4)


def _coarser(stencil: Tensor) -> _Grid:
    """A grid whose operator is a stencil (n,9,h,w) that differs from place to place."""
    height, width = stencil.shape[2:]

    def apply(field: Tensor) -> Tensor:
        padded = functional.pad(field, (1, 1, 1, 1))
        total = stencil[:, 4:5] * field
        for number, (dy, dx) in enumerate(AROUND):
            if dy or dx:
                shifted = padded[..., 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
                total.addcmul_(stencil[:, number : number + 1], shifted)
        return total

    # Half the row's sum bounds the spectrum by 2, whatever the signs: the step contracts, the cycle is definite.
    bound = torch.maximum(stencil[:, 4:5], stencil.abs().sum(1, keepdim=True) / 2)
    return _Grid(apply, _ratio(torch.full_like(bound, 0.9), bound), None, (height, width))


def _stencil(grid: _Grid, factor: int, count: int, inside: Tensor) -> Tensor:
    """The stencils (n,9,.,.) of a grid's operator, seen from the grid `factor` (1 or 2) times as coarse.

    Nine combs of points three apart, interpolated, sent through the operator and gathered again: each coarse
    point meets exactly one tooth of each, which is one of its nine coefficients.
    """
    height, width = (size if factor == 1 else size // 2 + 1 for size in grid.shape)
    rows, columns = (torch.arange(size, device=inside.device) for size in (height, width))
    comb = rows[:, None] % 3 * 3 + columns % 3
    teeth = (comb == torch.arange(9, device=inside.device)[:, None, None]).to(inside.dtype)[None]
    if factor == 2:
        teeth = _prolong(teeth, *grid.shape)
    teeth = teeth.expand(count, -1, -1, -1) if grid.inside is None else teeth * grid.inside
    answers = grid.apply(teeth)
    if factor == 2:
        answers = _restrict(answers)
    met = torch.stack([(rows[:, None] + dy) % 3 * 3 + (columns + dx) % 3 for dy, dx in AROUND])
    return answers.gather(1, met.expand(count, -1, -1, -1))


def _factor(stencil: Tensor, shift: bool) -> Tensor:
    """The Cholesky factors (n,hw,hw) of the coarsest operator; points without an unknown stand for themselves.

    shift: a coarse operator may be singular, where two points see the same pixels; a little more on the
    diagonal changes nothing that the next cycle does not mend.
    """
    count, _, height, width = stencil.shape
    matrix = stencil.new_zeros((count, height * width, height * width))
    place = torch.arange(height * width, device=stencil.device).view(height, width)
    for number, (dy, dx) in enumerate(AROUND):
        within = (slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx)))
        row = place[within].flatten()
        matrix[:, row, row + dy * width + dx] = stencil[:, number][:, *within].flatten(1)
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    diagonal.mul_(1 + 1000 * torch.finfo(stencil.dtype).eps * shift)
    diagonal[diagonal == 0] = 1
    return torch.linalg.cholesky(matrix)


def _prolong(field: Tensor, height: int, width: int) -> Tensor:
    """Bilinear interpolation from the grid of every second row and column."""
    wide = field.new_empty((*field.shape[:3], width))
    wide[..., ::2] = field[..., : (width + 1) // 2]
    wide[..., 1::2] = (field[..., : width // 2] + field[..., 1 : width // 2 + 1]).div_(2)
    full = field.new_empty((*field.shape[:2], height, width))
    full[..., ::2, :] = wide[..., : (height + 1) // 2, :]
    full[..., 1::2, :] = (wide[..., : height // 2, :] + wide[..., 1 : height // 2 + 1, :]).div_(2)
    return full


def _restrict(field: Tensor) -> Tensor:
    """The transpose of `_prolong`."""
    height, width = field.shape[2:]
    flat = field.new_zeros((*field.shape[:2], height // 2 + 1, width))
    flat[..., : (height + 1) // 2, :] = field[..., ::2, :]
    flat[..., : height // 2, :].add_(field[..., 1::2, :], alpha=0.5)
    flat[..., 1 : height // 2 + 1, :].add_(field[..., 1::2, :], alpha=0.5)
    small = field.new_zeros((*field.shape[:2], height // 2 + 1, width // 2 + 1))
    small[..., : (width + 1) // 2] = flat[..., ::2]
    small[..., : width // 2].add_(flat[..., 1::2], alpha=0.5)
    small[..., 1 : width // 2 + 1].add_(flat[..., 1::2], alpha=0.5)
    return small


def _ratio(top: Tensor, bottom: Tensor) -> Tensor:
    """top / bottom, 0 where there is nothing below."""
    return torch.where(bottom > 0, top / bottom.where(bottom > 0, 1), 0)
