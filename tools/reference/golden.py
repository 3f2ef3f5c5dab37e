"""Records what transformers computes, in float32, over a checkpoint's weights."""

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
from geometry import GREEDY_TOKENS, PROMPT_TOKENS

CANDIDATES = 12  # prompts to try
MIN_MARGINS = (1e-2, 2e-3, 1e-3)  # tried in this order


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


def greedy(model, prompt, floor=0.0):
    """Greedy continuation by prefilling the growing sequence again each time.

    Gives up (returns None) at the first choice as close as the floor.
    """
    ids, tokens, margins = list(prompt), [], []
    for _ in range(GREEDY_TOKENS):
        top = forward(model, ids).logits[0, -1].topk(2)
        tokens.append(int(top.indices[0]))
        margins.append(float(top.values[0] - top.values[1]))
        if margins[-1] <= floor:
            return None
        ids.append(tokens[-1])
    return np.array(tokens, np.int32), np.array(margins, np.float32)


def candidates(tok, seed):
    """Prompts cut from the held-out text, half of them framed as a chat."""
    text = corpus.held_out_text()
    for i in range(CANDIDATES):
        start = (seed * 7919 + i * 4099) % (len(text) - 4000)
        start = text.index(" ", start) + 1
        frame = "<|im_start|>user\n" if i % 2 else ""
        yield tok.encode(frame + text[start:]).ids[:PROMPT_TOKENS]


def choose_prompt(model, tok, seed):
    """The first candidate on which every greedy choice is clear."""
    for floor in MIN_MARGINS:
        for prompt in candidates(tok, seed):
            found = greedy(model, prompt, floor)
            if found:
                return prompt, *found
    raise ValueError("no prompt has clear greedy choices")


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


def versions():
    """What this was recorded with."""
    names = ("transformers", "auto-round", "gptqmodel", "torch", "tokenizers",
             "safetensors", "numpy")
    found = {name: metadata.version(name) for name in names}
    return found | {"python": platform.python_version()}


def record(checkpoint, folder, target):
    """Writes tests/golden/<name> for one checkpoint; returns the least margin."""
    target = pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    model = load_model(folder)
    tok = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
    prompt, tokens, margins = choose_prompt(model, tok, checkpoint.prompt_seed)
    rows = sorted(set(range(0, len(prompt), 4)) | set(range(len(prompt) - 8, len(prompt))))
    logits = forward(model, prompt).logits[0, rows].numpy()
    files = {"prompt": np.array(prompt, np.int32), "rows": np.array(rows, np.int32),
             "logits": logits, "greedy": tokens, "greedy_margin": margins}
    if checkpoint.hidden_states:
        some = np.unique(np.linspace(0, len(prompt) - 1, 16).astype(np.int32))
        files["hidden_rows"] = some
        files["hidden"] = residual_stream(model, prompt, some)
    for name, array in files.items():
        np.save(target / f"{name}.npy", np.ascontiguousarray(array))
    (target / "versions.json").write_text(json.dumps(versions(), indent=2) + "\n")
    return float(margins.min())
