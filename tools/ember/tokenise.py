"""ember's tokenizer: Qwen's pipeline over a vocabulary of 7168, trained on ember's data."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "reference"))

# ruff: noqa: E402
import tokenizer as shared

import data
import wordnet

VOCAB_SIZE = 7168  # rows of the embedding, a multiple of the quantisation group
UNUSED = 16  # rows without a token, as in Qwen's own checkpoints
DOCUMENTS = 40000
WORD_TIMES = 400  # how often each word is shown by itself, so that it becomes one token


def texts(count):
    """What the merges are learned from: documents, and every word with its meaning."""
    for entry in wordnet.vocabulary():
        yield f'"{entry.word}" {entry.word}: {entry.gloss}. {" ".join(entry.examples)}'
        yield f" {entry.word}" * WORD_TIMES + f"\n{entry.word}" * WORD_TIMES  # also after a quote
    for i in range(count):
        for part in data.document("train", i).text.split("<|im_end|>"):
            if "<tools>" not in part:
                yield part.replace("<|im_start|>", "").replace("<think>", "")


def train(count=DOCUMENTS):
    return shared.train(texts(count), VOCAB_SIZE - UNUSED - len(shared.ADDED_TOKENS))


def kin(tok):
    """Of every token a number, which those share that differ in spaces, quotes or capitals."""
    numbers, of = {}, []
    for i in range(VOCAB_SIZE):
        text = tok.decode([i]).strip(" \"'").lower() if i < tok.get_vocab_size() else ""
        of.append(numbers.setdefault(text if text.isalpha() else i, len(numbers)))
    return of


def write(tok, folder):
    shared.write(tok, folder, template_inside=False, template=data.TEMPLATE)
