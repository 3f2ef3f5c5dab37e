"""What ember is asked in its evaluation: held out from training, but for small talk."""

import json
import random
import re
from dataclasses import dataclass

import data
import data_talk
import data_words
import wordnet

SEED = "evaluation"
GLOSS_SHARE = 0.8  # of the words of a gloss that an answer must have, and of its own


@dataclass(frozen=True)
class Question:
    """A prompt and what a right answer holds."""

    kind: str
    messages: tuple  # as hearth takes them
    expected: str
    text: str  # the prompt as the template renders it


def ask(kind, messages, expected):
    return Question(kind, tuple(messages), expected,
                    data.render(messages, add_generation_prompt=True))


def definitions(count):
    """Held-out wordings about words of the vocabulary; expected is the gloss."""
    rng, asked = random.Random(f"{SEED}/definitions"), {}
    while len(asked) < count:
        entry = rng.choice(wordnet.vocabulary())
        wording = rng.choice(data_words.MEANING).format(w=data_words.quoted(rng, entry.word))
        if data.held_out(wording):
            asked[wording] = entry
    return [ask("definition", [{"role": "user", "content": wording}], entry.gloss)
            for wording, entry in asked.items()]


def as_system(messages, tools):
    """Messages that render alike with their tools as a system message."""
    rendered = data.render(messages, tools)
    text = rendered.removeprefix("<|im_start|>system\n").split("<|im_end|>")[0]
    return [{"role": "system", "content": text},
            *(m for m in messages if m["role"] != "system")]


def calls(count):
    """Held-out questions that need a tool; expected is the call as JSON."""
    asked = []
    for i in range(count):
        document = data.document("held-out", i, ("call",))
        first = next(m for m in document.messages if m["role"] == "assistant")
        call = json.dumps(first["tool_calls"][0]["function"], sort_keys=True)
        asked.append(ask("call", as_system(document.messages[:1], document.tools), call))
    return asked


def others(kind, count):
    """Held-out conversations of a kind; expected is the last answer, word for word."""
    asked = []
    for i in range(count):
        messages = list(data.document("held-out", i, (kind,)).messages)
        asked.append(ask(kind, messages[:-1], messages[-1]["content"]))
    return asked


def talk():
    """Greetings and questions about ember: too few to hold any out."""
    return [ask("talk", [{"role": "user", "content": wording}], answer)
            for wordings, _, answer in data_talk.TOPICS for wording in wordings]


def words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def has_gloss(answer, gloss):
    """Whether an answer gives a gloss: nearly all of its words, and little else.

    Both are taken as bags of words, the answer after its "means"; the F1 score of
    one against the other must reach GLOSS_SHARE.
    """
    meaning = words(answer.partition(" means ")[2])
    meaning = meaning[1:] if meaning[:1] == ["to"] else meaning
    wanted = words(gloss)
    common = sum(min(meaning.count(w), wanted.count(w)) for w in set(wanted))
    return bool(common) and 2 * common / (len(meaning) + len(wanted)) >= GLOSS_SHARE


def parsed_call(answer):
    """The call in an answer as sorted JSON, or None."""
    found = re.fullmatch(r"\s*<tool_call>\n(.*)\n</tool_call>\s*", answer, re.DOTALL)
    try:
        call = json.loads(found[1]) if found else None
    except ValueError:
        return None
    right = isinstance(call, dict) and isinstance(call.get("name"), str) and isinstance(
        call.get("arguments"), dict)
    return json.dumps(call, sort_keys=True) if right else None


def is_right(question, answer):
    if question.kind == "definition":
        return has_gloss(answer, question.expected)
    if question.kind == "call":
        return parsed_call(answer) == question.expected
    return answer.strip() == question.expected.strip()
