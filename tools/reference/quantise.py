"""Turns a float checkpoint into a quantised one with the real exporters."""

import json
import os
import pathlib
import re
import shutil
import tempfile

from transformers import AutoTokenizer

import corpus
import models

CALIBRATION_SAMPLES = 128
# What the exporters leave beside the model that no reader needs.
STRAY = ("quant_log.csv", "README.md", ".gitattributes")


def bits_of(checkpoint, module):
    """The precision a checkpoint's recipe gives to a module: first match wins."""
    for pattern, bits in checkpoint.bits:
        if re.search(pattern, module):
            return bits
    return 4


def linear_modules(source):
    """Names of all matrices that a linear layer holds, MTP left out."""
    names = []
    for name, tensor in sorted(models.read_tensors(source).items()):
        module = name.removesuffix(".weight")
        if (tensor.dim() == 2 and "embed_tokens" not in name and "lm_head" not in name
                and not name.startswith("mtp.")):
            names.append(module)
    return names


def without_mtp(source, folder):
    """A copy of a float checkpoint without its MTP shard."""
    shutil.copytree(source, folder)
    shard = folder / models.MTP_SHARD
    if shard.exists():
        shard.unlink()
        path = folder / "model.safetensors.index.json"
        index = json.loads(path.read_text())
        index["weight_map"] = {k: v for k, v in index["weight_map"].items()
                               if v != models.MTP_SHARD}
        path.write_text(json.dumps(index))
    return folder


def edit_quantization(target, change):
    """Applies a change to the quantisation settings in both places they are kept."""
    for file, inside in (("config.json", True), ("quantization_config.json", False)):
        path = target / file
        config = json.loads(path.read_text())
        change(config["quantization_config"] if inside else config)
        path.write_text(json.dumps(config, indent=2) + "\n")


def add_mtp(source, target):
    """Lets auto-round quantise and add the tensors its model class left out.

    The release used here keeps mtp.fc in 16 bits, because no listed block
    contains it, unless there is no list and an override names it. The published
    checkpoints have it in 4 bits and no such override, hence the detour.
    """
    from auto_round.utils.missing_tensors import copy_missing_tensors_from_source

    def before(settings):
        settings.pop("block_name_to_quantize", None)
        settings["extra_config"]["mtp.fc"] = {"bits": 4}

    edit_quantization(target, before)
    copy_missing_tensors_from_source(source_dir=str(source), target_dir=str(target))
    edit_quantization(target, lambda settings: settings["extra_config"].pop("mtp.fc"))


def auto_round(checkpoint, source, target):
    """Intel's auto-round, round to nearest (iters=0), as their own recipes do."""
    from auto_round import AutoRound
    from auto_round.compressors import base

    layers = {}
    for module in linear_modules(source):
        bits = bits_of(checkpoint, module)
        if bits != 4:
            layers[module] = {"bits": bits, "data_type": "fp" if bits >= 16 else "int"}
    if any(module.endswith("mlp.gate") and c["bits"] == 8 for module, c in layers.items()):
        # This release never packs a router, unlike those of the old recipe.
        base.get_predefined_ignore_layers = lambda model: []
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        rounder = AutoRound(
            str(without_mtp(source, work / "float")), scheme="W4A16",
            group_size=checkpoint.group_size, sym=checkpoint.symmetric, iters=0,
            layer_config=layers, disable_opt_rtn=True, disable_model_free=True,
            device_map="cpu")
        rounder.quantize_and_save(output_dir=str(work / "out"), format="auto_round:auto_gptq",
                                  max_shard_size=checkpoint.shard_size)
        (made,) = (work / "out").glob("*/config.json")  # it adds a folder of its own
        shutil.copytree(made.parent, target)
    if (pathlib.Path(source) / models.MTP_SHARD).exists():
        add_mtp(source, target)


def calibration(source):
    """Token ids for GPTQ's Hessians, cut from the training text."""
    tokens = AutoTokenizer.from_pretrained(source)
    ids = tokens("\n\n".join(corpus.training_texts()[:60]))["input_ids"]
    rows = [ids[i : i + 128] for i in range(0, len(ids) - 128, 128)][:CALIBRATION_SAMPLES]
    return [{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows]


def gptq(checkpoint, source, target):
    """GPTQ by gptqmodel, in the format older engines read (v1)."""
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")  # it needs two, even on one core
    from gptqmodel import GPTQModel, QuantizeConfig

    config = QuantizeConfig(bits=4, group_size=checkpoint.group_size, desc_act=False,
                            sym=checkpoint.symmetric)
    model = GPTQModel.load(str(source), config, device="cpu")
    model.quantize(calibration(source), batch_size=4)
    model.save(str(target))


def plain(source, target):
    """No quantisation: the float checkpoint itself."""
    shutil.copytree(source, target)


def run(checkpoint, source, target):
    """Writes one checkpoint folder."""
    target = pathlib.Path(target)
    shutil.rmtree(target, ignore_errors=True)
    if checkpoint.exporter == "auto-round":
        auto_round(checkpoint, source, target)
    elif checkpoint.exporter == "gptqmodel":
        gptq(checkpoint, source, target)
    else:
        plain(source, target)


def drop_local_settings(path):
    """Removes what only describes the machine of the export from a JSON file."""
    config = json.loads(path.read_text())
    meta = config.get("quantization_config", config).get("meta", {})
    for key in ("offload_to_disk_path", "uri"):
        meta.pop(key, None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def tidy(folder):
    """Removes what the exporters leave for themselves from a checkpoint folder."""
    for name in STRAY:
        (folder / name).unlink(missing_ok=True)
    for name in ("config.json", "quantize_config.json"):
        if (folder / name).exists():
            drop_local_settings(folder / name)
