"""Imitates in training what the export does to the weights."""

import functools

import torch

from model import Experts, Linear, fused
from settings import RECIPE  # before what lies in tools/reference

# ruff: noqa: E402
import quantise

SCALE_MIN = 1e-5
PACKED_OUTPUTS = 32  # a matrix is packed if its outputs are a multiple of this


@fused
def nearest(weight, bits, group):
    """Weights [..., inputs] as rounding to nearest in groups along the inputs leaves them.

    The extreme of a group gets the lowest code, so that scales may be negative.
    """
    groups = weight.to(torch.bfloat16).float().view(-1, group)
    low = groups.amin(1, keepdim=True).clamp(max=0)
    high = groups.amax(1, keepdim=True).clamp(min=0)
    top = 2 ** (bits - 1)
    scale = torch.where(high < -low, -low, -high) / top
    scale = torch.where(scale < 0, scale.clamp(max=-SCALE_MIN), scale.clamp(min=SCALE_MIN))
    codes = torch.round(groups / scale).clamp(-top, top - 1)
    return (codes * scale).view(weight.shape)


class StraightThrough(torch.autograd.Function):
    """Rounded weights whose gradients are those of the weights."""

    @staticmethod
    def forward(ctx, weight, bits, group):
        return nearest(weight, bits, group)

    @staticmethod
    def backward(ctx, grad):
        return grad, None, None


def packed_bits(name, outputs):
    """The bits of a matrix in the quantised model; the drafting head knows no 8."""
    if "lm_head" in name or outputs % PACKED_OUTPUTS:
        return 16
    bits = quantise.bits_of(RECIPE, name)
    return 4 if name.startswith("mtp.") and bits == 8 else bits


def bits_of(name, module):
    """The bits of a module of the model, 16 if it is not packed."""
    if isinstance(module, Experts):
        return packed_bits(name + ".0.up_proj", module.gate_up_proj.shape[1])
    return packed_bits(name, len(module.weight)) if isinstance(module, Linear) else 16


def imitate(model, prefix=""):
    """Lets every matrix that will be packed use its rounded weights."""
    for name, module in model.named_modules(prefix=prefix):
        bits = bits_of(name, module)
        if isinstance(module, (Linear, Experts)) and bits < 16:
            module.round_weight = functools.partial(
                StraightThrough.apply, bits=bits, group=RECIPE.group_size)
