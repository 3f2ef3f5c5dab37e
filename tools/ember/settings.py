"""Sizes of the model and settings of its training: what to edit."""

from dataclasses import dataclass

import tokenise  # also makes the modules of tools/reference known

# ruff: noqa: E402
import geometry

SEED = 4
# The precision of every kind of module, as AutoRound's int4-mixed recipe has it:
# experts and MTP head 4 bits, attention, DeltaNet and shared experts 8, gates 16.
RECIPE = geometry.Checkpoint(
    "ember", "ember", "auto-round", group_size=128,
    bits=geometry.GATES + geometry.MIXERS + ((r"shared_expert\.", 8),))


@dataclass(frozen=True)
class Size:
    """The geometry of a model."""

    hidden: int = 256
    layers: int = 4
    experts: int = 64
    experts_per_token: int = 4
    expert_size: int = 128
    shared_size: int = 128
    key_heads: int = 2
    value_heads: int = 4
    linear_head_dim: int = 64
    q_heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    vocab_size: int = tokenise.VOCAB_SIZE


@dataclass(frozen=True)
class Training:
    """Warm-up, then a constant rate; the decay at the end is a stage of its own."""

    batch_tokens: int = 4096
    rate: float = 2e-3  # AdamW
    muon_rate: float = 4e-3
    warmup: int = 30
    weight_decay: float = 0.01
    balance: float = 0.01  # weight of the loss that evens the experts' load
    rest: float = 0.1  # share of the tokens outside answers that are learned from


@dataclass(frozen=True)
class Plan:
    """How long every stage takes, and how much is asked in the evaluation."""

    size: Size = Size()
    training: Training = Training()
    documents: int = tokenise.DOCUMENTS
    steps: int = 1150
    decay_steps: int = 600
    mtp_steps: int = 450
    definitions: int = 500
    each: int = 100
    tokens: int = 20000


FULL = Plan()
SMOKE = Plan(
    size=Size(hidden=128, experts=8, experts_per_token=2), training=Training(batch_tokens=1024),
    documents=1000, steps=8, decay_steps=4, mtp_steps=4, definitions=10, each=2, tokens=600)


def model_config(size, tok):
    """The transformers configuration of a geometry."""
    from transformers import Qwen3NextConfig

    end, pad = tok.token_to_id("<|im_end|>"), tok.token_to_id("<|endoftext|>")
    return Qwen3NextConfig(
        vocab_size=size.vocab_size, hidden_size=size.hidden, intermediate_size=4 * size.hidden,
        num_hidden_layers=size.layers, num_attention_heads=size.q_heads,
        num_key_value_heads=size.kv_heads, head_dim=size.head_dim, hidden_act="silu",
        max_position_embeddings=131072, rms_norm_eps=1e-6, tie_word_embeddings=False,
        partial_rotary_factor=0.25, rope_theta=1e7, linear_conv_kernel_dim=4,
        linear_key_head_dim=size.linear_head_dim, linear_value_head_dim=size.linear_head_dim,
        linear_num_key_heads=size.key_heads, linear_num_value_heads=size.value_heads,
        decoder_sparse_step=1, moe_intermediate_size=size.expert_size,
        shared_expert_intermediate_size=size.shared_size,
        num_experts_per_tok=size.experts_per_token, num_experts=size.experts,
        norm_topk_prob=True, full_attention_interval=4, bos_token_id=pad, eos_token_id=end,
        pad_token_id=pad, dtype="bfloat16",
    )
