"""Two teachers for landmarks, a tough and a tolerant one ("Facial Landmark Points Detection Using Knowledge
Distillation-Based Neural Networks", Fard and Mahoor, arXiv 2111.07047).

A teacher T errs by r = |T - y| at a coordinate. Mirrored to the side on which the prediction x lies it is at
x_T = y + sign(x - y) r. Beyond x_T the prediction is drawn to it by alpha+; between x_T and b = y + 0.15 (x_T - y) it
is pushed on towards the truth by alpha- < 0; nearer, nothing. The tolerant teacher's error also bounds where the main
loss is linear: an error it makes itself is not squared. Checked against the released
code's figures (aliprf/KD-Loss).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

BAND = 0.15
TOUGH, TOLERANT = (1.9, -0.45), (1.8, -0.4)
"""alpha+ and alpha- of each."""
SLOPE = 3.0


def taught_loss(
    x: Float[Tensor, "*n"], y: Float[Tensor, "*n"], tough: Float[Tensor, "*n"], tolerant: Float[Tensor, "*n"]
) -> dict[str, Float[Tensor, ""]]:
    """The loss' three parts, each the mean over all coordinates.

    Args:
        x: predicted, in shares of the side.
        y: true.
        tough: what the better teacher says.
        tolerant: what the other says.
    """
    return {
        "points": main_loss(x, y, tolerant),
        "tough": teacher_loss(x, y, tough, TOUGH),
        "tolerant": teacher_loss(x, y, tolerant, TOLERANT),
    }


def main_loss(x: Float[Tensor, "*n"], y: Float[Tensor, "*n"], tolerant: Float[Tensor, "*n"]) -> Float[Tensor, ""]:
    """3 e up to the tolerant teacher's own error t; beyond it e^2 + 3 t - t^2."""
    error, own = (x - y).abs(), (tolerant - y).abs()
    return (SLOPE * error).where(error <= own, error**2 + SLOPE * own - own**2).mean()


def teacher_loss(
    x: Float[Tensor, "*n"], y: Float[Tensor, "*n"], teacher: Float[Tensor, "*n"], alphas: tuple[float, float]
) -> Float[Tensor, ""]:
    """alpha |x_T - x|, see above."""
    error, own = (x - y).abs(), (teacher - y).abs()
    beyond, within = error > own, (error <= own) & (error > BAND * own)
    weight = alphas[0] * beyond + alphas[1] * within
    return (weight * (own - error).abs()).mean()
