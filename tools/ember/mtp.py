"""Trains the head that drafts the token after next, with the model itself frozen.

    python tools/ember/mtp.py --work DIR [--steps N]

Reads decayed.pt, writes mtp.pt; drafting.pt is the state of an interrupted run.
Weights are rounded as the quantised model has them.
"""

import argparse
import math
import os
import pathlib

import torch
from torch import nn

import batches
import optimiser
import rounding
import settings
import train
from model import Ember, Layer, Linear, Norm

CHAT = ("word", "follow-up", "several", "sum", "date")


class Mtp(nn.Module):
    """From a token's final state and the next token to the state that yields the one after."""

    def __init__(self, config):
        super().__init__()
        self.fc = Linear(2 * config.hidden_size, config.hidden_size)
        self.pre_fc_norm_embedding = Norm(config.hidden_size)
        self.pre_fc_norm_hidden = Norm(config.hidden_size)
        self.layers = nn.ModuleList([Layer(config, "full_attention")])
        self.norm = Norm(config.hidden_size)

    def start_from(self, model):
        """Begins as the model's last layer over the hidden state, with some of the embedding."""
        self.layers[0].load_state_dict(model.model.layers[-1].state_dict())
        self.norm.load_state_dict(model.model.norm.state_dict())
        size = len(self.norm.weight)
        with torch.no_grad():
            self.fc.weight.copy_(torch.cat([torch.eye(size), torch.eye(size)], dim=1)
                                 + 0.1 * torch.randn(size, 2 * size) / math.sqrt(size))

    def forward(self, hidden, embedded, layout, compute):
        both = torch.cat([self.pre_fc_norm_embedding(embedded),
                          self.pre_fc_norm_hidden(hidden)], dim=-1)
        return self.norm(self.layers[0](self.fc(both, compute).float(), layout, compute))


def after_next(targets):
    """Of each token the one after its target, -1 where there is none."""
    return torch.where(targets >= 0, targets.roll(-1), -1)


def draft_states(model, mtp, hidden, batch):
    """The head's states for every token of a batch."""
    embedded = model.model.embed_tokens(batch.targets.clamp(min=0))
    return mtp(hidden, embedded, batch.layout, model.compute)


@torch.no_grad()
def acceptance(model, mtp, rows):
    """How many first drafts the model's own choice confirms, in batches of rows (ids, answer).

    Returns confirmed drafts and all drafts of tokens that the assistant says.
    """
    mtp.eval()
    confirmed = count = 0
    for begin in range(0, len(rows), 32):
        batch = batches.assemble(rows[begin : begin + 32], 0)
        hidden = model.hidden(batch.ids, batch.layout)
        keep = (after_next(batch.targets) >= 0) & batch.answer & batch.answer.roll(-1)
        (at,) = keep.nonzero(as_tuple=True)
        drafted = model.lm_head(draft_states(model, mtp, hidden, batch)[at], torch.float32)
        chosen = model.lm_head(hidden[at + 1], torch.float32)
        confirmed += (drafted.argmax(-1) == chosen.argmax(-1)).sum().item()
        count += len(at)
    mtp.train()
    return confirmed, count


class Drafting(train.Run):
    """A run that trains the head instead of the model."""

    curve = "mtp.jsonl"

    def __init__(self, work, training, size, compute):
        super().__init__(work, training, size, compute)
        config = settings.model_config(size, self.tok)
        self.trunk = Ember(config, compute)
        self.trunk.load_state_dict(torch.load(work / "decayed.pt", weights_only=True))
        self.trunk.requires_grad_(False).eval()
        rounding.imitate(self.trunk)
        self.model = Mtp(config)
        self.model.start_from(self.trunk)
        rounding.imitate(self.model, "mtp")
        self.optimisers = optimiser.make(self.model, training, compute)
        self.rows = batches.held_out_rows(self.encoder, CHAT, 128)

    def losses(self, batch):
        with torch.no_grad():
            hidden = self.trunk.hidden(batch.ids, batch.layout)
        targets = after_next(batch.targets)
        keep = train.learned(batch, self.training, self.step) & (targets >= 0)
        states = draft_states(self.trunk, self.model, hidden, batch)
        return self.trunk.loss(states[keep], targets[keep]), self.model.layers[0].mlp.balance

    def judge(self):
        confirmed, count = acceptance(self.trunk, self.model, self.rows)
        return {"accepted": round(confirmed / count, 4)}


def run(work, steps, training, size, compute):
    """Trains or goes on; True when done."""
    drafting = Drafting(work, training, size, compute)
    path = work / "drafting.pt"
    if path.exists():
        drafting.load(path)
    rate = train.warm_then_falling(0, steps, training.warmup)
    if not train.train(drafting, path, steps, rate):
        return False
    train.save(work / "mtp.pt", drafting.model.state_dict())
    os.remove(path)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the state")
    parser.add_argument("--steps", type=int, default=settings.FULL.mtp_steps)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    run(args.work, args.steps, settings.Training(), settings.Size(), torch.bfloat16)


if __name__ == "__main__":
    main()
