"""Builds, trains and saves the small float models the checkpoints come from."""

import json
import math
import pathlib
import time

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import Qwen3NextConfig, Qwen3NextForCausalLM

import corpus
import tokenizer as tokenizer_files
from geometry import VOCAB_SIZE

SEQUENCE = 96
MTP_SHARD = "model-mtp.safetensors"
BATCH = 4


def make_config(geometry, tok):
    """The transformers configuration of a geometry."""
    eos = tok.token_to_id(tokenizer_files.EOS)
    pad = tok.token_to_id(tokenizer_files.PAD)
    return Qwen3NextConfig(
        vocab_size=VOCAB_SIZE, hidden_size=geometry.hidden,
        intermediate_size=4 * geometry.hidden, num_hidden_layers=geometry.layers,
        num_attention_heads=geometry.q_heads, num_key_value_heads=geometry.kv_heads,
        head_dim=geometry.head_dim, hidden_act="silu", max_position_embeddings=4096,
        rms_norm_eps=1e-6, tie_word_embeddings=geometry.tied, partial_rotary_factor=0.25,
        rope_theta=1e7, linear_conv_kernel_dim=4,
        linear_key_head_dim=geometry.linear_head_dim,
        linear_value_head_dim=geometry.linear_head_dim,
        linear_num_key_heads=geometry.key_heads,
        linear_num_value_heads=geometry.value_heads, decoder_sparse_step=1,
        moe_intermediate_size=geometry.expert_size,
        shared_expert_intermediate_size=geometry.shared_size,
        num_experts_per_tok=geometry.experts_per_token, num_experts=geometry.experts,
        norm_topk_prob=True, full_attention_interval=geometry.interval, bos_token_id=pad,
        eos_token_id=eos, pad_token_id=pad, dtype="bfloat16",
    )


def initialise(model):
    """Seeded weights in which no parameter sits at a value that hides mistakes.

    Norm weights are spread around their neutral value, the decay of the
    DeltaNet heads covers slow and fast ones, the convolution is not a delta.
    """
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("A_log"):
                p.uniform_(math.log(0.02), math.log(2.0))
            elif name.endswith("dt_bias"):
                p.uniform_(-3.0, 0.5)
            elif name.endswith("conv1d.weight"):
                p.uniform_(-0.5, 0.5)
            elif name.endswith("linear_attn.norm.weight"):
                p.uniform_(0.7, 1.3)
            elif p.dim() == 1:
                p.uniform_(-0.2, 0.2)
            elif "embed_tokens" in name or "lm_head" in name:
                p.normal_(0.0, 0.05)
            else:
                p.normal_(0.0, 1.0 / math.sqrt(p.shape[-1]))


def training_stream(tok):
    """All training text as one row of ids, chat samples in between."""
    texts, chats = corpus.training_texts(), corpus.chat_samples()
    ids, end = [], tok.token_to_id(tokenizer_files.PAD)
    every = max(1, len(texts) // (4 * len(chats)))
    for i, text in enumerate(texts):
        ids += tok.encode(text).ids + [end]
        if i % every == 0:
            question, answer = chats[(i // every) % len(chats)]
            ids += tok.encode(f"<|im_start|>user\n{question}<|im_end|>\n"
                              f"<|im_start|>assistant\n{answer}<|im_end|>\n").ids
    return torch.tensor(ids)


def train(model, geometry, stream, steps):
    """A short run, enough for the distributions to be peaked.

    One thread, so that the result does not depend on how many cores there are.
    """
    torch.set_num_threads(1)
    model.set_experts_implementation("grouped_mm")
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.01},
                                   {"params": rest, "weight_decay": 0.0}],
                                  lr=3e-3, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps,
                                                   pct_start=0.1)
    generator = torch.Generator().manual_seed(geometry.seed)
    model.train()
    begin = time.monotonic()
    for step in range(steps):
        starts = torch.randint(0, len(stream) - SEQUENCE, (BATCH,), generator=generator)
        batch = torch.stack([stream[s : s + SEQUENCE] for s in starts.tolist()])
        loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        seconds = time.monotonic() - begin
        if step % 50 == 0 or step == steps - 1:
            print(f"  {geometry.name}: step {step} loss {loss.item():.3f} ({seconds:.0f} s)",
                  flush=True)


def mtp_tensors(model, geometry):
    """The MTP tensors, which transformers has no module for.

    The layer starts as a copy of the last attention layer with some noise, and
    mtp.fc passes the hidden half on and mixes the embedding half in.
    """
    generator = torch.Generator().manual_seed(geometry.seed + 1000)

    def noise(shape, scale):
        return scale * torch.randn(shape, generator=generator)

    hidden, last = geometry.hidden, f"model.layers.{geometry.layers - 1}."
    tensors = {}
    for name, value in model.items():
        if name.startswith(last):
            value = value.float()
            tensors["mtp.layers.0." + name[len(last):]] = (
                value + noise(value.shape, 0.1) * value.std())
    tensors["mtp.fc.weight"] = (
        torch.cat([0.3 * torch.eye(hidden), torch.eye(hidden)], dim=1)
        + noise((hidden, 2 * hidden), 0.3 / math.sqrt(hidden)))
    for norm in ("pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"):
        tensors[f"mtp.{norm}.weight"] = noise((hidden,), 0.1)
    return {name: t.to(torch.bfloat16).contiguous() for name, t in tensors.items()}


def read_tensors(folder):
    """Every tensor of a checkpoint folder, by name."""
    tensors = {}
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            tensors.update({name: file.get_tensor(name) for name in file.keys()})
    return tensors


def add_shard(folder, tensors, shard=MTP_SHARD):
    """Adds tensors to a saved checkpoint in a shard of their own."""
    folder = pathlib.Path(folder)
    index_path = folder / "model.safetensors.index.json"
    if index_path.exists():
        index = json.loads(index_path.read_text())
    else:
        names = read_tensors(folder)
        total = sum(t.numel() * t.element_size() for t in names.values())
        index = {"metadata": {"total_size": total},
                 "weight_map": {n: "model.safetensors" for n in names}}
    save_file(tensors, folder / shard, metadata={"format": "pt"})
    index["weight_map"].update({name: shard for name in tensors})
    index["weight_map"] = dict(sorted(index["weight_map"].items()))
    index["metadata"]["total_size"] += sum(t.numel() * t.element_size()
                                           for t in tensors.values())
    index_path.write_text(json.dumps(index, indent=2) + "\n")


def build(geometry, tok, folder, steps, shard_size):
    """Builds, trains and saves one float model (BF16) with its MTP tensors."""
    torch.manual_seed(geometry.seed)
    model = Qwen3NextForCausalLM(make_config(geometry, tok)).float()
    initialise(model)
    if steps:
        train(model, geometry, training_stream(tok), steps)
    model = model.to(torch.bfloat16).eval()
    model.generation_config.update(
        do_sample=True, temperature=0.7, top_k=20, top_p=0.8, bos_token_id=tok.token_to_id(
            tokenizer_files.PAD), pad_token_id=tok.token_to_id(tokenizer_files.PAD),
        eos_token_id=[tok.token_to_id(tokenizer_files.EOS),
                      tok.token_to_id(tokenizer_files.PAD)])
    model.save_pretrained(folder, max_shard_size=shard_size)
    if geometry.mtp:
        add_shard(folder, mtp_tensors(read_tensors(folder), geometry))
    tokenizer_files.write(tok, folder, template_inside=False)
