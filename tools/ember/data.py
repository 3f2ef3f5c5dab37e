"""The stream of training documents: endless, seeded, made when it is asked for.

Document i of a split is the same in every run. A document is held out when any
question asked in it falls into one of HELD_OUT of 100 classes by a hash of its
wording (so of word and wording, of the two numbers of a sum, and so on);
the training split passes over such documents, the held-out split over all
others. Plain texts are split by the hash of the text.
"""

import hashlib
import json
import pathlib
import random
import re
from dataclasses import dataclass

import jinja2.sandbox

import data_sums
import data_talk
import data_tools
import data_words
import wordnet

SEED = 20
HELD_OUT = 6
TEMPLATE = pathlib.Path(__file__).with_name("chat_template.jinja")


@dataclass(frozen=True)
class Document:
    """One conversation or plain text. A conversation has messages."""

    kind: str
    text: str  # as the template renders it
    messages: tuple = ()
    tools: tuple = ()


def environment():
    """The environment that chat templates are written for."""
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    env.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return env


_TEMPLATE = environment().from_string(TEMPLATE.read_text(encoding="utf-8"))


def render(messages, tools=None, add_generation_prompt=False):
    """The text of a conversation."""
    return _TEMPLATE.render(messages=messages, tools=list(tools) if tools else None,
                            add_generation_prompt=add_generation_prompt)


def held_out(text):
    """The split rule: by a hash of what is asked, quotes and capitals aside."""
    plain_text = re.sub(r"[^\w|+*/ -]", "", text.lower())
    digest = hashlib.blake2b(plain_text.encode(), digest_size=4).digest()
    return int.from_bytes(digest) % 100 < HELD_OUT


def to_messages(rng, turns):
    """Turns of (question, reasoning, answer) as messages, sometimes with a system prompt."""
    messages = []
    if rng.random() < 0.06:
        messages.append({"role": "system", "content": rng.choice(SYSTEM)})
    for question, reasoning, answer in turns:
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer, "reasoning_content": reasoning})
    return messages


def plain(rng):
    """A definition or an example outside the vocabulary, as running text."""
    lines = []
    for name, definition, examples in rng.sample(wordnet.plain_texts(), rng.choice((1, 1, 2))):
        line = f"{name}: {definition}."
        if examples and rng.random() < 0.5:
            line += f" {examples[0][:1].upper()}{examples[0][1:]}."
        lines.append(line)
    return "\n".join(lines)


# Kind of document, what makes it, its share in percent.
KINDS = (
    ("word", data_words.single, 41), ("follow-up", data_words.follow_up, 9),
    ("several", data_words.several, 8), ("together", data_words.together, 16),
    ("unknown", data_words.unknown, 4), ("sum", data_sums.sums, 8), ("date", data_sums.dates, 5),
    ("talk", data_talk.talk, 1), ("call", data_tools.call, 3), ("no-call", data_tools.no_call, 1),
    ("plain", plain, 4),
)
SYSTEM = ("You are a helpful assistant.", "You are ember, a small test model.", "Be brief.",
          "You are a helpful assistant. Answer in one sentence.")


def make(rng):
    """One document and the texts that decide which split it is in."""
    kind, source, _ = rng.choices(KINDS, [weight for *_, weight in KINDS])[0]
    made = source(rng)
    if kind == "plain":
        return Document(kind, made + "<|endoftext|>"), made.split("\n")
    turns, tools = made if kind in ("call", "no-call") else (made, ())
    messages = turns if kind == "call" else to_messages(rng, turns)
    document = Document(kind, render(messages, tools), tuple(messages), tuple(tools))
    fixed = {q for questions, *_ in data_talk.TOPICS for q in questions}  # too few to hold out
    asked = [m["content"] for m in messages if m["role"] == "user"]
    keys = [f"{asked[i - 1]}|{q}" if i else q for i, q in enumerate(asked) if q not in fixed]
    return document, keys + (asked if kind == "several" else [])


def document(split, number, kinds=None):
    """Document number of a split ("train" or "held-out"), of certain kinds if named."""
    for attempt in range(100000):
        rng = random.Random(f"{SEED}/{split}/{number}/{attempt}")
        made, keys = make(rng)
        if kinds and made.kind not in kinds:
            continue
        if any(held_out(k) for k in keys) == (split == "held-out"):
            return made
    raise ValueError(f"no {split} document of {kinds}")
