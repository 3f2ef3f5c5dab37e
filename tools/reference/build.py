"""Builds the test checkpoints and records their golden data.

    python tools/reference/build.py [--only NAME,NAME] [--steps N] [--work DIR]

Writes tests/checkpoints/<name> and tests/golden/<name>. With --work, trained
float models are kept in that folder and used again.
"""

import argparse
import os
import pathlib
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# ruff: noqa: E402
import golden
import models
import quantise
import tokenizer as tokenizer_files
from geometry import CHECKPOINTS, GEOMETRIES

TESTS = pathlib.Path(__file__).resolve().parents[2] / "tests"


def finish(checkpoint, tok, folder):
    """Gives every folder the same tokenizer files and permissions."""
    quantise.tidy(folder)
    tokenizer_files.write(tok, folder, checkpoint.template_in_tokenizer_config)
    for path in folder.iterdir():
        path.chmod(0o644)


def float_model(checkpoint, tok, work, steps):
    """The folder of a checkpoint's float model, built on first use."""
    geometry = GEOMETRIES[checkpoint.geometry]
    folder = work / geometry.name
    if not (folder / "config.json").exists():
        steps = geometry.train_steps if steps is None else steps
        shard_size = checkpoint.shard_size if checkpoint.exporter == "plain" else "50GB"
        models.build(geometry, tok, folder, steps, shard_size)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(CHECKPOINTS), help="checkpoints to build")
    parser.add_argument("--steps", type=int, help="training steps (default: per geometry)")
    parser.add_argument("--work", help="folder for the float models")
    parser.add_argument("--golden-only", action="store_true",
                        help="record again, leave the checkpoints alone")
    args = parser.parse_args()

    tok = tokenizer_files.train()
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(args.work or scratch)
        for name in args.only.split(","):
            checkpoint, folder = CHECKPOINTS[name], TESTS / "checkpoints" / name
            if not args.golden_only:
                source = float_model(checkpoint, tok, work, args.steps)
                quantise.run(checkpoint, source, folder)
                finish(checkpoint, tok, folder)
            margin = golden.record(checkpoint, folder, TESTS / "golden" / name)
            print(f"{name}: least greedy margin {margin:.4f}", flush=True)


if __name__ == "__main__":
    main()
