#!/usr/bin/env python3
"""Writes a GGUF file for llama.cpp with the dimensions of a checkpoint and random weights.

    make_gguf.py CHECKPOINT_FOLDER OUT.gguf

Routed experts are Q4_0 and everything else that multiplies is Q8_0, which is what the int4-mixed
recipe of `hearth synth` has; the router stays in float. Nothing of the checkpoint but its
config.json is read. Values are random and finite; speed is all that the file is good for. Only the
standard library is used. Blocks of a tensor type are made once and repeated from another place for
each tensor: a few gigabytes of random numbers would take Python minutes.
"""

import array
import json
import math
import pathlib
import random
import struct
import sys

ALIGNMENT = 32
F32, Q4_0, Q8_0 = 0, 2, 8
BLOCK_VALUES = {F32: 1, Q4_0: 32, Q8_0: 32}
BLOCK_BYTES = {F32: 4, Q4_0: 2 + 16, Q8_0: 2 + 32}  # a half as scale, then codes
CODE_SPREAD = {Q4_0: 4.6, Q8_0: 73.9}  # standard deviation of uniform codes
CHUNK_BLOCKS = 1 << 20


class Text(str):
    """A value of the metadata that is a string, not a number."""


class Filler:
    """Random tensor data of a wanted standard deviation."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.chunks = {}

    def chunk(self, kind, deviation):
        if (kind, deviation) not in self.chunks:
            self.chunks[kind, deviation] = self.make_chunk(kind, deviation)
        return self.chunks[kind, deviation]

    def make_chunk(self, kind, deviation):
        if kind == F32:
            values = (self.random.gauss(0.0, deviation) for _ in range(CHUNK_BLOCKS))
            return array.array("f", values).tobytes()
        size = BLOCK_BYTES[kind]
        data = bytearray(self.random.randbytes(size * CHUNK_BLOCKS))
        scale = struct.pack("<e", deviation / CODE_SPREAD[kind])
        for byte in range(2):
            data[byte::size] = scale[byte : byte + 1] * CHUNK_BLOCKS
        return bytes(data)

    def write(self, file, kind, deviation, size):
        chunk = self.chunk(kind, deviation)
        start = self.random.randrange(CHUNK_BLOCKS) * BLOCK_BYTES[kind]
        while size > 0:
            size -= file.write(chunk[start : start + size])
            start = 0


class Tensor:
    def __init__(self, name, kind, shape, deviation=None, constant=None):
        self.name = name
        self.kind = kind
        self.shape = shape  # the innermost dimension first, as GGUF has it
        self.deviation = deviation or 1 / math.sqrt(shape[0])
        self.constant = constant
        self.bytes = math.prod(shape) // BLOCK_VALUES[kind] * BLOCK_BYTES[kind]

    def write(self, file, filler):
        if self.constant is None:
            filler.write(file, self.kind, self.deviation, self.bytes)
        else:
            file.write(struct.pack("<f", self.constant) * math.prod(self.shape))
        file.write(bytes(-self.bytes % ALIGNMENT))


def delta_tensors(config, prefix):
    hidden = config["hidden_size"]
    keys = config["linear_num_key_heads"] * config["linear_key_head_dim"]
    heads = config["linear_num_value_heads"]
    values = heads * config["linear_value_head_dim"]
    channels = 2 * keys + values
    return [
        Tensor(prefix + "attn_qkv.weight", Q8_0, [hidden, channels]),
        Tensor(prefix + "attn_gate.weight", Q8_0, [hidden, values]),
        Tensor(prefix + "ssm_conv1d.weight", F32, [config["linear_conv_kernel_dim"], channels]),
        Tensor(prefix + "ssm_dt.bias", F32, [heads], constant=-2.0),
        Tensor(prefix + "ssm_a", F32, [heads], constant=-3.0),
        Tensor(prefix + "ssm_ba.weight", Q8_0, [hidden, 2 * heads]),
        Tensor(prefix + "ssm_norm.weight", F32, [config["linear_value_head_dim"]], constant=1.0),
        Tensor(prefix + "ssm_out.weight", Q8_0, [values, hidden]),
    ]


def attention_tensors(config, prefix):
    hidden = config["hidden_size"]
    head = config["head_dim"]
    queries = config["num_attention_heads"] * head
    kv = config["num_key_value_heads"] * head
    return [
        Tensor(prefix + "attn_q.weight", Q8_0, [hidden, 2 * queries]),
        Tensor(prefix + "attn_k.weight", Q8_0, [hidden, kv]),
        Tensor(prefix + "attn_v.weight", Q8_0, [hidden, kv]),
        Tensor(prefix + "attn_output.weight", Q8_0, [queries, hidden]),
        Tensor(prefix + "attn_q_norm.weight", F32, [head], constant=1.0),
        Tensor(prefix + "attn_k_norm.weight", F32, [head], constant=1.0),
    ]


def expert_tensors(config, prefix):
    hidden = config["hidden_size"]
    count = config["num_experts"]
    width = config["moe_intermediate_size"]
    shared = config["shared_expert_intermediate_size"]
    return [
        Tensor(prefix + "ffn_gate_inp.weight", F32, [hidden, count]),
        Tensor(prefix + "ffn_gate_exps.weight", Q4_0, [hidden, width, count]),
        Tensor(prefix + "ffn_up_exps.weight", Q4_0, [hidden, width, count]),
        Tensor(prefix + "ffn_down_exps.weight", Q4_0, [width, hidden, count]),
        Tensor(prefix + "ffn_gate_inp_shexp.weight", F32, [hidden]),
        Tensor(prefix + "ffn_gate_shexp.weight", Q8_0, [hidden, shared]),
        Tensor(prefix + "ffn_up_shexp.weight", Q8_0, [hidden, shared]),
        Tensor(prefix + "ffn_down_shexp.weight", Q8_0, [shared, hidden]),
    ]


def tensors(config):
    hidden = config["hidden_size"]
    vocab = config["vocab_size"]
    result = [
        Tensor("token_embd.weight", Q8_0, [hidden, vocab]),
        Tensor("output_norm.weight", F32, [hidden], constant=1.0),
        Tensor("output.weight", Q8_0, [hidden, vocab]),
    ]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"blk.{layer}."
        attends = (layer + 1) % config["full_attention_interval"] == 0
        result.append(Tensor(prefix + "attn_norm.weight", F32, [hidden], constant=1.0))
        result.append(Tensor(prefix + "post_attention_norm.weight", F32, [hidden], constant=1.0))
        result += (attention_tensors if attends else delta_tensors)(config, prefix)
        result += expert_tensors(config, prefix)
    return result


def metadata(config):
    head = config["head_dim"]
    own = {
        "block_count": config["num_hidden_layers"],
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"],
        "vocab_size": config["vocab_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "rope.freq_base": float(config["rope_theta"]),
        "rope.dimension_count": int(head * config["partial_rotary_factor"]),
        "expert_count": config["num_experts"],
        "expert_used_count": config["num_experts_per_tok"],
        "expert_feed_forward_length": config["moe_intermediate_size"],
        "expert_shared_feed_forward_length": config["shared_expert_intermediate_size"],
        "ssm.conv_kernel": config["linear_conv_kernel_dim"],
        "ssm.state_size": config["linear_key_head_dim"],
        "ssm.group_count": config["linear_num_key_heads"],
        "ssm.time_step_rank": config["linear_num_value_heads"],
        "ssm.inner_size": config["linear_num_value_heads"] * config["linear_value_head_dim"],
        "full_attention_interval": config["full_attention_interval"],
    }
    return {
        "general.architecture": Text("qwen3next"),
        "general.name": Text("random weights"),
        "general.quantization_version": 2,
        **{"qwen3next." + key: value for key, value in own.items()},
        # Token ids are all that a benchmark needs.
        "tokenizer.ggml.model": Text("no_vocab"),
    }


def packed_string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def packed_value(value):
    if isinstance(value, Text):
        return struct.pack("<I", 8) + packed_string(value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    return struct.pack("<II", 4, value)


def header(config, listed):
    values = metadata(config)
    data = b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(values))
    for key, value in values.items():
        data += packed_string(key) + packed_value(value)
    offset = 0
    for tensor in listed:
        rank = len(tensor.shape)
        data += packed_string(tensor.name)
        data += struct.pack(f"<I{rank}QIQ", rank, *tensor.shape, tensor.kind, offset)
        offset += tensor.bytes + -tensor.bytes % ALIGNMENT
    return data + bytes(-len(data) % ALIGNMENT), offset


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    config = json.loads((pathlib.Path(sys.argv[1]) / "config.json").read_text())
    listed = tensors(config)
    head, size = header(config, listed)
    filler = Filler(seed=1)
    with open(sys.argv[2], "wb") as file:
        file.write(head)
        for tensor in listed:
            tensor.write(file, filler)
    print(f"{sys.argv[2]}: {len(listed)} tensors, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
