"""Trains the float model; interrupt it at any time and run it again.

    python tools/ember/train.py --work DIR [--steps N] [--decay-steps N]

The rate is warmed up and then constant, without an end: stop when the loss is
good. --decay-steps goes on from the last checkpoint with a rate that falls to
zero and weights rounded as the quantised model will have them, and writes
decayed.pt, leaving the other checkpoint as it was.
"""

import argparse
import json
import os
import pathlib
import signal
import time

import torch
from tokenizers import Tokenizer

import batches
import optimiser
import settings
import tokenise
from model import Ember

CHECKPOINT_SECONDS = 240
HELD_OUT_EVERY = 200


def tokenizer(work, documents=tokenise.DOCUMENTS):
    """The tokenizer, trained on first use."""
    path = work / "tokenizer.json"
    if not path.exists():
        tokenise.train(documents).save(str(path))
    return Tokenizer.from_file(str(path))


def learned(batch, training, step):
    """Which targets count: all of the assistant's, and some of the rest."""
    generator = torch.Generator().manual_seed(step)
    lot = torch.rand(len(batch.ids), generator=generator) < training.rest
    return (batch.targets >= 0) & (batch.answer | lot)


def set_rate(optimisers, share):
    for opt in optimisers:
        for group in opt.param_groups:
            group["lr"] = group["full"] * share


@torch.no_grad()
def held_out_losses(model, encoder, kinds=("word", "follow-up", "sum", "date", "call", "plain")):
    """Mean loss of what the assistant says in some held-out documents, by kind."""
    model.eval()
    losses = {}
    for kind in kinds:
        batch = batches.batch(encoder, "held-out", 0, 1500, (kind,))
        keep = batch.answer & (batch.targets >= 0)
        hidden = model.hidden(batch.ids, batch.layout)[keep]
        losses[kind] = round(model.loss(hidden, batch.targets[keep]).item(), 4)
    model.train()
    return losses


def save(path, state):
    """Replaces a checkpoint at once, so that no interruption leaves half of one."""
    scratch = path.with_suffix(".new")
    torch.save(state, scratch)
    os.replace(scratch, path)


class Run:
    """The state of a training run."""

    curve = "train.jsonl"

    def __init__(self, work, training, size, compute):
        self.work, self.training = work, training
        self.tok = tokenizer(work)
        self.encoder = batches.Encoder(self.tok)
        torch.manual_seed(settings.SEED)
        self.model = Ember(settings.model_config(size, self.tok), compute)
        self.model.tie(tokenise.kin(self.tok))
        self.optimisers = optimiser.make(self.model, training, compute)
        self.step = self.document = self.tokens = 0
        self.seconds = 0.0

    def state(self):
        return {"model": self.model.state_dict(), "step": self.step, "tokens": self.tokens,
                "document": self.document, "seconds": self.seconds,
                "optimisers": [o.state_dict() for o in self.optimisers]}

    def load(self, path):
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        for opt, saved in zip(self.optimisers, state["optimisers"]):
            opt.load_state_dict(saved)
        for name in ("step", "document", "tokens", "seconds"):
            setattr(self, name, state[name])

    def losses(self, batch):
        """What the model misses, and how uneven its experts' load is."""
        keep = learned(batch, self.training, self.step)
        hidden = self.model.hidden(batch.ids, batch.layout)
        loss = self.model.loss(hidden[keep], batch.targets[keep])
        return loss, self.model.balance() / len(self.model.model.layers)

    def judge(self):
        """How good the model is on held-out documents."""
        return {"held_out": held_out_losses(self.model, self.encoder)}

    def take_step(self, share):
        """One step at a share of the full rate; returns its loss."""
        begin = time.monotonic()
        batch = batches.batch(self.encoder, "train", self.document, self.training.batch_tokens)
        loss, balance = self.losses(batch)
        (loss + self.training.balance * balance).backward()
        torch.nn.utils.clip_grad_norm_(self.optimisers[1].param_groups[0]["params"], 1.0)
        set_rate(self.optimisers, share)
        for opt in self.optimisers:
            opt.step()
            opt.zero_grad()
        self.step += 1
        self.document = batch.next_document
        self.tokens += len(batch.ids)
        self.seconds += time.monotonic() - begin
        return loss.item(), balance.item()

    def log(self, **values):
        line = {"step": self.step, "tokens": self.tokens, "seconds": round(self.seconds, 1),
                **values}
        with open(self.work / self.curve, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)


def warm_then_constant(warmup):
    """Shares of the full rate by step, without an end."""
    return lambda step: min(1.0, (step + 1) / warmup)


def warm_then_falling(begin, steps, warmup=1):
    """Shares that fall to zero within so many steps."""
    return lambda step: min((step - begin + 1) / warmup, 1 - (step - begin) / steps)


def train(run, path, steps, share):
    """Steps until `steps` are done (then True) or the process is told to end."""
    stop, saved = [], time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    total = counted = 0
    while run.step < steps and not stop:
        loss, balance = run.take_step(share(run.step))
        total, counted = total + loss, counted + 1
        if run.step % 20 == 0:
            run.log(loss=round(total / counted, 4), balance=round(balance, 3))
            total = counted = 0
        if run.step % HELD_OUT_EVERY == 0 or run.step == steps:
            run.log(**run.judge())
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            save(path, run.state())
            saved = time.monotonic()
    save(path, run.state())
    return run.step >= steps


def stable(work, steps, training, size, compute):
    """The stage without an end; True when so many steps are done."""
    run, path = Run(work, training, size, compute), work / "stable.pt"
    if path.exists():
        run.load(path)
    return train(run, path, steps, warm_then_constant(training.warmup))


def decay(work, steps, training, size, compute):
    """The last stage; True when it is done."""
    import rounding

    run, path = Run(work, training, size, compute), work / "decaying.pt"
    begin = torch.load(work / "stable.pt", weights_only=True)["step"]
    run.load(path if path.exists() else work / "stable.pt")
    rounding.imitate(run.model)
    if not train(run, path, begin + steps, warm_then_falling(begin, steps)):
        return False
    save(work / "decayed.pt", run.model.published())
    os.remove(path)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the state")
    parser.add_argument("--steps", type=int, default=10**9, help="stop after so many steps")
    parser.add_argument("--decay-steps", type=int, help="the last stage, of so many steps")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--float32", action="store_true", help="no bfloat16")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    settled = (settings.Training(), settings.Size(),
               torch.float32 if args.float32 else torch.bfloat16)
    if args.decay_steps:
        decay(args.work, args.decay_steps, *settled)
    else:
        stable(args.work, args.steps, *settled)


if __name__ == "__main__":
    main()
