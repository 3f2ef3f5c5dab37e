"""The geometries of the test checkpoints and how each checkpoint is quantised.

Everything a reader may want to change is in this file: the sizes, the seeds,
the length of the training, the precision of each kind of module.
"""

from dataclasses import dataclass, field

# Base vocabulary of the byte-level BPE. The added tokens follow it, and a few
# rows of the embedding stay unused, as they do in Qwen's own checkpoints.
BASE_VOCAB = 990
VOCAB_SIZE = 1024

PROMPT_TOKENS = 333  # not a multiple of the DeltaNet chunk (64)
GREEDY_TOKENS = 64


@dataclass(frozen=True)
class Geometry:
    """One trained float model; several checkpoints may be made from it."""

    name: str
    seed: int
    layers: int
    hidden: int
    experts: int
    experts_per_token: int
    expert_size: int
    shared_size: int
    key_heads: int
    value_heads: int
    linear_head_dim: int
    q_heads: int
    kv_heads: int
    head_dim: int
    interval: int = 4  # every interval-th layer is full attention
    tied: bool = False
    mtp: bool = False
    train_steps: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """One folder under tests/checkpoints."""

    name: str
    geometry: str
    exporter: str  # "auto-round", "gptqmodel" or "plain"
    group_size: int = 0
    symmetric: bool = True
    # Module-name patterns (regular expressions) and the bits they get. First
    # match wins; whatever matches nothing gets 4 bits.
    bits: tuple = ()
    shard_size: str = "50GB"
    template_in_tokenizer_config: bool = False
    hidden_states: bool = False
    prompt_seed: int = field(default=0)


GEOMETRIES = {
    g.name: g
    for g in (
        # The whole layout: two attention layers, in_proj_ba wide enough to pack.
        Geometry("full", seed=11, layers=8, hidden=256, experts=32, experts_per_token=4,
                 expert_size=32, shared_size=64, key_heads=8, value_heads=16,
                 linear_head_dim=32, q_heads=4, kv_heads=2, head_dim=64, mtp=True,
                 train_steps=200),
        # Room for groups of 128, a router wide enough to pack, another interval.
        Geometry("wide", seed=12, layers=2, interval=2, hidden=128, experts=32,
                 experts_per_token=3, expert_size=128, shared_size=256, key_heads=8,
                 value_heads=16, linear_head_dim=32, q_heads=4, kv_heads=1, head_dim=64,
                 train_steps=300),
        Geometry("small", seed=13, layers=4, hidden=128, experts=8, experts_per_token=2,
                 expert_size=64, shared_size=64, key_heads=4, value_heads=8,
                 linear_head_dim=32, q_heads=4, kv_heads=2, head_dim=32,
                 train_steps=300),
        # One value head per key head, tied embeddings.
        Geometry("tied", seed=14, layers=4, hidden=128, experts=32, experts_per_token=4,
                 expert_size=32, shared_size=64, key_heads=16, value_heads=16,
                 linear_head_dim=32, q_heads=4, kv_heads=2, head_dim=32, tied=True,
                 train_steps=300),
        # Three value heads per key head.
        Geometry("plain", seed=15, layers=4, hidden=128, experts=8, experts_per_token=2,
                 expert_size=32, shared_size=32, key_heads=2, value_heads=6,
                 linear_head_dim=32, q_heads=8, kv_heads=2, head_dim=32, mtp=True,
                 train_steps=300),
    )
}

# Gates that no exporter can pack (their out size is 1) or should not.
GATES = ((r"shared_expert_gate$", 16), (r"mlp\.gate$", 16))
# Attention and DeltaNet projections.
MIXERS = ((r"self_attn\.", 8), (r"linear_attn\.", 8))

CHECKPOINTS = {
    c.name: c
    for c in (
        # AutoRound's recipe of 2026: 8-bit shared experts, 16-bit gates, MTP.
        Checkpoint("int4-mixed", "full", "auto-round", group_size=32,
                   bits=GATES + MIXERS + ((r"shared_expert\.", 8),),
                   shard_size="3500KB", hidden_states=True),
        # AutoRound's recipe of 2025: 8-bit router, 4-bit shared experts.
        Checkpoint("int4-mixed-old", "wide", "auto-round", group_size=128,
                   bits=((r"shared_expert_gate$", 16), (r"mlp\.gate$", 8)) + MIXERS,
                   shard_size="1500KB", template_in_tokenizer_config=True),
        # Everything 4-bit but the gates that cannot be packed.
        Checkpoint("int4", "tied", "auto-round", group_size=32,
                   bits=((r"shared_expert_gate$", 16),)),
        Checkpoint("gptq-int4", "small", "gptqmodel", group_size=32),
        Checkpoint("gptq-int4-asym", "small", "gptqmodel", group_size=64, symmetric=False),
        Checkpoint("bf16", "plain", "plain", shard_size="1MB"),
    )
}
