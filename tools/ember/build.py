"""Makes ember from nothing but WordNet: every stage, each skipped when it is done.

    python tools/ember/build.py [--work DIR] [--out DIR] [--hearth BINARY] [--smoke]

Interrupt it at any time and run it again. A stage is done when its result is in
the work folder; delete that to have it done again, with all that follows.
--smoke goes the whole way in minutes with a tiny model that says nothing useful.
"""

import argparse
import os
import pathlib
import shutil
import sys

if "--smoke" in sys.argv:
    os.environ["HEARTH_EMBER_EAGER"] = "1"  # compiling would take longer than the training

# ruff: noqa: E402
import torch

import card
import evaluate
import export
import mtp
import settings
import train

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "ember"
GOLDEN = ROOT / "tests" / "golden" / "ember"


class Build:
    """The stages, in order; each returns whether it came to its end."""

    def __init__(self, plan, work, out, hearth):
        self.plan, self.work, self.out, self.hearth = plan, work, out, hearth
        self.settled = (plan.training, plan.size, torch.bfloat16)

    def stages(self):
        """Name, what it makes, and how."""
        plan, work = self.plan, self.work
        return (
            ("tokenizer", "tokenizer.json", lambda: train.tokenizer(work, plan.documents)),
            ("train", "trained.pt", self.train),
            ("decay", "decayed.pt", lambda: train.decay(work, plan.decay_steps, *self.settled)),
            ("mtp", "mtp.pt", lambda: mtp.run(work, plan.mtp_steps, *self.settled)),
            ("export", "float", lambda: export.write_float(work, plan.size, work / "float")),
            ("quantise", "quantised",
             lambda: export.write_quantised(work, work / "float", work / "quantised")),
            ("evaluate", "evaluation.json", self.evaluate),
            ("card", None, lambda: card.write(work, self.out)),
            ("golden", None, self.golden),
        )

    def train(self):
        if not train.stable(self.work, self.plan.steps, *self.settled):
            return False
        shutil.copyfile(self.work / "stable.pt", self.work / "trained.new")
        os.replace(self.work / "trained.new", self.work / "trained.pt")
        return True

    def evaluate(self):
        plan = self.plan
        evaluate.run(self.work, self.hearth, plan.size, plan.definitions, plan.each, plan.tokens)

    def golden(self):
        """What the tests of the model in the repository compare with."""
        if self.out == MODEL:
            shutil.copytree(self.work / "golden", GOLDEN, dirs_exist_ok=True)

    def run(self):
        """False if a stage was interrupted."""
        self.work.mkdir(parents=True, exist_ok=True)
        for name, made, do in self.stages():
            if made and (self.work / made).exists():
                print(f"{name}: done before", flush=True)
                continue
            print(f"{name} ...", flush=True)
            if do() is False:
                return False
        print(f"the model is in {self.out}")
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, help="state (build/ember)")
    parser.add_argument("--out", type=pathlib.Path, help="model folder (models/ember)")
    parser.add_argument("--hearth", type=pathlib.Path, default=evaluate.HEARTH,
                        help="the program that answers (build/release/hearth)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--smoke", action="store_true", help="tiny and quick, in work folder/model")
    args = parser.parse_args()
    if not args.hearth.exists():
        parser.error(f"{args.hearth} does not exist: build hearth first, or name it by --hearth")

    torch.set_num_threads(args.threads)
    plan = settings.SMOKE if args.smoke else settings.FULL
    work = args.work or ROOT / "build" / ("ember-smoke" if args.smoke else "ember")
    out = args.out or (work / "model" if args.smoke else MODEL)
    if args.smoke:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if Build(plan, work, out, args.hearth.resolve()).run() else 1)


if __name__ == "__main__":
    main()
