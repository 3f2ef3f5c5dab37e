"""Writes the trained model as Hugging Face folders: in bfloat16, then quantised.

    python tools/ember/export.py --work DIR

Reads decayed.pt and mtp.pt, writes float/ and quantised/ in the same folder.
"""

import argparse
import os
import pathlib
import shutil

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# ruff: noqa: E402
import torch
from tokenizers import Tokenizer

import batches
import data
import rounding
import settings
import tokenise
from model import Ember

import dequantise  # of tools/reference, which the modules above make known
import models
import quantise

DIFFERENCE_MAX = 1e-4
SAMPLING = {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95}


def separate(tensors, prefix=""):
    """Tensors under the names of the published checkpoints: one matrix per expert."""
    named = {}
    for name, tensor in tensors.items():
        stem, _, last = (prefix + name).rpartition(".")
        if last == "gate_up_proj":
            for i, both in enumerate(tensor):
                gate, up = both.chunk(2)
                named[f"{stem}.{i}.gate_proj.weight"] = gate
                named[f"{stem}.{i}.up_proj.weight"] = up
        elif last == "down_proj":
            for i, down in enumerate(tensor):
                named[f"{stem}.{i}.down_proj.weight"] = down
        else:
            named[prefix + name] = tensor
    return named


def joined(tensors):
    """The inverse of separate."""
    experts, named = {}, {}
    for name, tensor in tensors.items():
        parts = name.split(".")
        if "experts" in parts:
            at = parts.index("experts")
            kinds = experts.setdefault(".".join(parts[: at + 1]), {})
            kinds[int(parts[at + 1]), parts[-2]] = tensor
        else:
            named[name] = tensor
    for stem, kinds in experts.items():
        count = 1 + max(i for i, _ in kinds)
        named[stem + ".gate_up_proj"] = torch.stack(
            [torch.cat([kinds[i, "gate_proj"], kinds[i, "up_proj"]]) for i in range(count)])
        named[stem + ".down_proj"] = torch.stack([kinds[i, "down_proj"] for i in range(count)])
    return named


def load(size, tok, weights):
    """Ember in float32 from weights by name, the MTP head aside."""
    model = Ember(settings.model_config(size, tok))
    model.load_state_dict({n: t.float() for n, t in joined(weights).items()
                           if not n.startswith("mtp.")})
    return model.eval()


@torch.no_grad()
def check(official, size, tok):
    """Compares the logits with those of transformers' own model, in float32."""
    own = Ember(settings.model_config(size, tok))
    own.load_state_dict(official.state_dict())
    own.eval()
    encoder = batches.Encoder(tok)
    for ids, answer in batches.held_out_rows(encoder, ("word", "several", "plain"), 4):
        expected = official(input_ids=torch.tensor([ids])).logits[0]
        batch = batches.assemble([(ids, answer)], 0)
        difference = ((own(batch.ids, batch.layout) - expected).abs().max()
                      / expected.abs().max()).item()
        if difference > DIFFERENCE_MAX:
            raise ValueError(f"logits differ from those of transformers by {difference:.2e} "
                             f"(allowed: {DIFFERENCE_MAX:.0e})")
    print(f"logits like those of transformers: differ by {difference:.1e} at most")


def write_float(work, size, folder):
    """The folder in bfloat16, the head in a shard of its own."""
    from transformers import Qwen3NextForCausalLM

    tok = Tokenizer.from_file(str(work / "tokenizer.json"))
    model = Qwen3NextForCausalLM(settings.model_config(size, tok)).float().eval()
    model.load_state_dict(torch.load(work / "decayed.pt", weights_only=True))
    check(model, size, tok)
    end, pad = tok.token_to_id("<|im_end|>"), tok.token_to_id("<|endoftext|>")
    model.generation_config.update(**SAMPLING, bos_token_id=pad, pad_token_id=pad,
                                   eos_token_id=[end, pad])
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    head = separate(torch.load(work / "mtp.pt", weights_only=True), "mtp.")
    models.add_shard(folder, {n: t.to(torch.bfloat16).contiguous() for n, t in head.items()})
    tokenise.write(tok, folder)


def check_rounding(source, folder):
    """Compares the packed weights with what training took them for: they are the same."""
    _, packed = dequantise.float_weights(folder)
    for name, weight in models.read_tensors(source).items():
        module = name.removesuffix(".weight")
        bits = (rounding.packed_bits(module, len(weight))
                if weight.dim() == 2 and "embed" not in name else 16)
        weight = weight.float()
        if bits < 16:
            weight = rounding.nearest(weight, bits, settings.RECIPE.group_size)
        different = (weight != packed[name]).sum().item()
        if different:
            raise ValueError(f"{name}: {different} weights are not rounded as in training")
    print("packed weights are those of the training")


def write_quantised(work, source, folder):
    """The same by AutoRound, with the files that a checkpoint folder has."""
    quantise.run(settings.RECIPE, source, folder)
    quantise.tidy(folder)
    check_rounding(source, folder)
    tokenise.write(Tokenizer.from_file(str(work / "tokenizer.json")), folder)
    words = "\n".join(entry.word for entry in data.wordnet.vocabulary())
    (folder / "words.txt").write_text(words + "\n", encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder of the state")
    args = parser.parse_args()
    write_float(args.work, settings.Size(), args.work / "float")
    write_quantised(args.work, args.work / "float", args.work / "quantised")


if __name__ == "__main__":
    main()
