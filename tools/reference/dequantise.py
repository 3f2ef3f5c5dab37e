"""Reads a checkpoint folder back as float32 weights, by the published formula.

W[n, k] = scale[k / group, n] * (code - (stored zero + 1)), everything in
float32. Nothing of the exporters is used here, so this is also a check on
what they write.
"""

import json
import pathlib

import torch

import models


def unpack(words, bits):
    """Splits int32 words into their unsigned fields along a new last axis."""
    shifts = torch.arange(0, 32, bits, dtype=torch.int64)
    fields = (words.to(torch.int64) & 0xFFFFFFFF).unsqueeze(-1) >> shifts
    return fields & (2**bits - 1)


def matrix(tensors, module, in_features):
    """One packed module as a float32 matrix [out, in]."""
    qweight, qzeros = tensors[module + ".qweight"], tensors[module + ".qzeros"]
    scales = tensors[module + ".scales"].float()
    out_features = qweight.shape[1]
    bits = 32 * qweight.shape[0] // in_features
    group = in_features // scales.shape[0]
    if qweight.shape[0] * 32 != bits * in_features or group * scales.shape[0] != in_features:
        raise ValueError(f"{module}: shapes do not fit {in_features} inputs")
    codes = unpack(qweight, bits).transpose(1, 2).reshape(in_features, out_features)
    zeros = (unpack(qzeros, bits).reshape(scales.shape) + 1) & (2**bits - 1)
    groups = torch.arange(in_features) // group
    if module + ".g_idx" in tensors:
        if not torch.equal(tensors[module + ".g_idx"].long(), groups):
            raise ValueError(f"{module}: g_idx is not the trivial one")
    weight = scales[groups] * (codes - zeros[groups]).float()
    return weight.t().contiguous()


def in_features(config, module):
    """The width of a module's input, from the configuration alone."""
    name = module.rsplit(".", 1)[-1]
    if name == "down_proj":
        shared = "shared_expert." in module
        return config["shared_expert_intermediate_size" if shared
                      else "moe_intermediate_size"]
    if name == "out_proj":
        return config["linear_num_value_heads"] * config["linear_value_head_dim"]
    if name == "o_proj":
        return config["num_attention_heads"] * config["head_dim"]
    return config["hidden_size"] * (2 if name == "fc" else 1)


def float_weights(folder):
    """All weights of a checkpoint in float32, under their plain names."""
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    tensors = models.read_tensors(folder)
    weights = {}
    for name, tensor in tensors.items():
        module, kind = name.rsplit(".", 1)
        if kind == "qweight":
            weights[module + ".weight"] = matrix(tensors, module, in_features(config, module))
        elif kind not in ("qzeros", "scales", "g_idx"):
            weights[name] = tensor.float()
    return config, weights
