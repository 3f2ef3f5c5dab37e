"""Documents as batches of tokens."""

from dataclasses import dataclass

import numpy as np
import torch

import data
from model import Layout

DOCUMENT_TOKENS_MAX = 1024


@dataclass
class Batch:
    """One step's documents in a flat row, and the next token of each token."""

    ids: torch.Tensor  # [tokens]
    targets: torch.Tensor  # [tokens], -1 where there is none
    answer: torch.Tensor  # [tokens], whether the target is the assistant's (or plain text)
    layout: Layout
    next_document: int


class Encoder:
    """Turns documents into ids and marks what the assistant says."""

    def __init__(self, tok):
        self.tok = tok
        self.begin = tok.encode("<|im_start|>assistant\n").ids
        self.end = tok.token_to_id("<|im_end|>")

    def __call__(self, document):
        ids = self.tok.encode(document.text).ids[:DOCUMENT_TOKENS_MAX]
        if document.kind == "plain":
            return ids, [True] * len(ids)
        answer, inside, width = [False] * len(ids), False, len(self.begin)
        for i, token in enumerate(ids):
            answer[i] = inside
            if inside and token == self.end:
                inside = False
            elif ids[i - width + 1 : i + 1] == self.begin:
                inside = True
        return ids, answer


def assemble(rows, next_document):
    """A batch of rows (ids, answer)."""
    rows = sorted(rows, key=lambda r: len(r[0]))
    ids = np.concatenate([r[0] for r in rows])
    targets = np.concatenate([r[0][1:] + [-1] for r in rows])
    answer = np.concatenate([r[1][1:] + [False] for r in rows])
    return Batch(torch.from_numpy(ids), torch.from_numpy(targets), torch.from_numpy(answer),
                 Layout([len(r[0]) for r in rows]), next_document)


def batch(encoder, split, number, tokens, kinds=None):
    """Documents from number on until there are at least so many tokens."""
    rows, count = [], 0
    while count < tokens:
        row = encoder(data.document(split, number, kinds))
        number += 1
        rows.append(row)
        count += len(row[0])
    return assemble(rows, number)


def held_out_rows(encoder, kinds, count):
    """The first held-out documents of some kinds as (ids, answer)."""
    return [encoder(data.document("held-out", i, kinds)) for i in range(count)]
