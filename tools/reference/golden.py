"""Records what transformers computes, in float32, over a checkpoint's weights."""

import datetime
import json
import pathlib
import platform
import tempfile
from importlib import metadata

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import Qwen3NextForCausalLM

import corpus
import dequantise
import transcription
from geometry import GEOMETRIES, GREEDY_TOKENS, PROMPT_TOKENS

CANDIDATES = 8  # prompts to try
MIN_MARGIN = 1e-3
MIN_ROUTER_GAP = 3e-5  # several times the rounding of float32


def load_model(folder):
    """The checkpoint as an ordinary float32 model, by way of a plain one."""
    config, weights = dequantise.float_weights(folder)
    config.pop("quantization_config", None)
    config["dtype"] = "float32"
    weights = {n: t for n, t in weights.items() if not n.startswith("mtp.")}
    with tempfile.TemporaryDirectory() as plain:
        (pathlib.Path(plain) / "config.json").write_text(json.dumps(config))
        save_file(weights, pathlib.Path(plain) / "model.safetensors", metadata={"format": "pt"})
        model, report = Qwen3NextForCausalLM.from_pretrained(
            plain, dtype=torch.float32, attn_implementation="eager",
            experts_implementation="eager", output_loading_info=True)
    problems = {k: v for k, v in report.items() if v}
    if problems:
        raise ValueError(f"{folder}: weights do not fit the model: {problems}")
    return model.eval()


def forward(model, ids, hidden=False):
    """One-shot prefill without a cache."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), use_cache=False,
                     output_hidden_states=hidden)


def continuations(model, prompts):
    """Greedy continuations of all prompts at once, with the model's cache."""
    ids = torch.tensor(prompts)
    with torch.no_grad():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False,
                             max_new_tokens=GREEDY_TOKENS, min_new_tokens=GREEDY_TOKENS,
                             eos_token_id=None)
    return out[:, ids.shape[1]:].tolist()


def router_gaps(model, ids):
    """How far the last chosen expert was from the first rejected one.

    The least difference of their router logits over all layers, per position:
    where it is tiny, rounding alone can pick another expert.
    """
    count, gaps = model.config.num_experts_per_tok, []

    def keep(module, inputs, output):
        scores = inputs[0].reshape(-1, module.weight.shape[1]) @ module.weight.t()
        top = scores.topk(count + 1).values
        gaps.append(top[:, count - 1] - top[:, count])

    hooks = [layer.mlp.gate.register_forward_hook(keep) for layer in model.model.layers]
    logits = forward(model, ids).logits[0]
    for hook in hooks:
        hook.remove()
    return logits, torch.stack(gaps).min(0).values.numpy()


def verify(model, prompt, tokens):
    """Margins and router gaps of a greedy continuation, or None if it is not one.

    The model is causal: one prefill without a cache over the prompt and the
    continuation gives, at each position, what a prefill up to there would give.
    """
    logits, gaps = router_gaps(model, prompt + tokens[:-1])
    top = logits[len(prompt) - 1:].topk(2)
    if top.indices[:, 0].tolist() != tokens:
        return None
    return (top.values[:, 0] - top.values[:, 1]).numpy(), gaps


def candidates(tok, seed):
    """Prompts cut from the held-out text, half of them framed as a chat."""
    text = corpus.held_out_text()
    for i in range(CANDIDATES):
        start = (seed * 7919 + i * 4099) % (len(text) - 4000)
        start = text.index(" ", start) + 1
        frame = "<|im_start|>user\n" if i % 2 else ""
        yield tok.encode(frame + text[start:]).ids[:PROMPT_TOKENS]


def choose_prompt(model, tok, seed):
    """The candidate whose greedy choices are clearest and no expert's choice too close.

    Returns the prompt, its continuation, its margins and its router gaps.
    """
    prompts, best = list(candidates(tok, seed)), None
    for prompt, tokens in zip(prompts, continuations(model, prompts)):
        found = verify(model, prompt, tokens)
        if found is None or found[1].min() < MIN_ROUTER_GAP:
            continue
        if best is None or found[0].min() > best[2].min():
            best = (prompt, np.array(tokens, np.int32), *found)
    if best is None or best[2].min() <= MIN_MARGIN:
        raise ValueError("no prompt has clear choices")
    return best


def residual_stream(model, prompt, rows):
    """The residual stream after the embedding and after every layer."""
    states = []

    def keep(module, inputs, output):
        states.append((output[0] if isinstance(output, tuple) else output).detach())

    hooks = [model.model.embed_tokens.register_forward_hook(keep)]
    hooks += [layer.register_forward_hook(keep) for layer in model.model.layers]
    forward(model, prompt)
    for hook in hooks:
        hook.remove()
    return torch.stack([s.reshape(len(prompt), -1) for s in states])[:, rows].numpy()


def mtp_logits(folder, prompt, following, rows):
    """Logits of the MTP layer, which only the transcription can compute."""
    model = transcription.load(folder)
    hidden = model.final(prompt)
    return model.mtp(hidden, np.append(prompt[1:], following))[rows].astype(np.float32)


def versions():
    """What this was recorded with."""
    names = ("transformers", "auto-round", "gptqmodel", "torch", "tokenizers",
             "safetensors", "numpy")
    found = {name: metadata.version(name) for name in names}
    return found | {"python": platform.python_version(),
                    "date": datetime.date.today().isoformat()}


def record(checkpoint, folder, target):
    """Writes tests/golden/<name> for one checkpoint; returns the least margin."""
    target = pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    model = load_model(folder)
    tok = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
    prompt, tokens, margins, gaps = choose_prompt(model, tok, checkpoint.prompt_seed)
    rows = sorted(set(range(0, len(prompt), 4)) | set(range(len(prompt) - 8, len(prompt))))
    logits = forward(model, prompt).logits[0, rows].numpy()
    files = {"prompt": np.array(prompt, np.int32), "rows": np.array(rows, np.int32),
             "logits": logits, "greedy": tokens, "greedy_margin": margins,
             "router_gap": gaps[: len(prompt)]}
    some = np.unique(np.linspace(0, len(prompt) - 1, 16).astype(np.int32))
    if checkpoint.hidden_states:
        files["hidden_rows"] = some
        files["hidden"] = residual_stream(model, prompt, some)
    if GEOMETRIES[checkpoint.geometry].mtp:
        files["mtp_rows"] = some
        files["mtp_logits"] = mtp_logits(folder, files["prompt"], tokens[0], some)
    for name, array in files.items():
        np.save(target / f"{name}.npy", np.ascontiguousarray(array))
    (target / "versions.json").write_text(json.dumps(versions(), indent=2) + "\n")
    return float(margins.min())
