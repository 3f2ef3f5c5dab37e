"""Muon for the matrices inside the layers, AdamW for everything else."""

import math

import torch

from model import fused

# Coefficients of the quintic iteration that drives singular values towards one.
QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonal(x):
    """Matrices [count, rows, columns] of norm one with all singular values close to one."""
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2).contiguous()
    a, b, c = QUINTIC
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x


@fused
def accumulate(momentum, grad, share, compute):
    """Moves the momentum [count, rows, columns]; returns the direction ahead, of norm one."""
    momentum.lerp_(grad, 1 - share)
    ahead = torch.lerp(grad, momentum, share)
    return (ahead / (ahead.pow(2).sum((1, 2), keepdim=True).sqrt() + 1e-7)).to(compute)


@fused
def descend(p, update, keep, rate):
    p.copy_(p * keep - update.float() * rate)


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal, with steps as large as those of AdamW at the same rate.

    A stack of matrices is a parameter of three dimensions; a parameter in
    `halves` holds two matrices one below the other (gate and up).
    """

    def __init__(self, parameters, lr, compute, momentum=0.95, weight_decay=0.0, halves=()):
        super().__init__(parameters, {"lr": lr, "momentum": momentum,
                                      "weight_decay": weight_decay})
        self.compute, self.halves = compute, {id(p) for p in halves}

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                rows = p.shape[-2] // (2 if id(p) in self.halves else 1)
                stack = (-1, rows, p.shape[-1])
                update = orthogonal(accumulate(state["momentum"].view(stack), p.grad.view(stack),
                                               group["momentum"], self.compute))
                keep = 1 - group["lr"] * group["weight_decay"]
                rate = group["lr"] * 0.2 * math.sqrt(max(update.shape[1:]))
                descend(p.view(stack), update, torch.tensor(keep), torch.tensor(rate))


def make(model, training, compute):
    """Both optimisers of a model."""
    matrices, halves, tables, rest = [], [], [], []
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        if name.endswith("experts.gate_up_proj"):
            halves.append(p)
        if "embed_tokens" in name or "gate.weight" in name:
            tables.append(p)
        elif p.dim() == 3 and "conv1d" not in name or p.dim() == 2:
            matrices.append(p)
        else:
            rest.append(p)
    muon = Muon(matrices, training.muon_rate, compute, weight_decay=training.weight_decay,
                halves=halves)
    adam = torch.optim.AdamW(
        [{"params": tables, "weight_decay": training.weight_decay},
         {"params": rest, "weight_decay": 0.0}], lr=training.rate, betas=(0.9, 0.95))
    for optimiser in (muon, adam):
        for group in optimiser.param_groups:
            group["full"] = group["lr"]
    return muon, adam
