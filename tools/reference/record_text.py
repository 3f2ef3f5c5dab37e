#!/usr/bin/env python3
"""Records what the text tests compare with, from the real libraries.

    pip install -r requirements-text.txt
    tests/text/fetch_qwen3_tokenizer.sh FOLDER
    tools/reference/record_text.py FOLDER [tokens] [templates]

Ids come from Hugging Face's `tokenizers`, prompts from the renderer of `transformers`. Everything
goes to tests/text/golden, with the versions of the libraries.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import text_conversations
import text_snippets
import text_strings

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/text/golden"
TEMPLATES = ROOT / "tests/text/templates"


def write_lines(name, rows):
    with open(GOLDEN / name, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False))
            file.write("\n")


def digest(value, items):
    for item in items:
        value = ((value ^ item) * 0x100000001B3) & text_strings.MASK
    return value


def digests_of_block(encoders, strings):
    """Of the strings, and of the ids that each encoder gives; a count closes each list of ids."""
    start = 0xCBF29CE484222325
    values = [start]
    for string in strings:
        values[0] = digest(values[0], string.encode())
    for encoder in encoders:
        value = start
        for encoding in encoder.encode_batch(strings, add_special_tokens=False):
            value = digest(value, [*encoding.ids, len(encoding.ids)])
        values.append(value)
    return " ".join(f"{value:016x}" for value in values)


def record_tokens(folder):
    """token_digests.txt: a block's strings, ids, ids without added tokens (mixed only)."""
    from tokenizers import Tokenizer

    source = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    usual = Tokenizer.from_str(json.dumps(source))
    plain = Tokenizer.from_str(json.dumps(source | {"added_tokens": []}))

    def rows():
        for kind, make, count in text_strings.KINDS:
            encoders = [usual, plain] if kind == "mixed" else [usual]
            for start in range(0, count, text_strings.BLOCK):
                end = min(count, start + text_strings.BLOCK)
                block = [make(index) for index in range(start, end)]
                yield f"{kind} {start} " + digests_of_block(encoders, block)

    write_lines("token_digests.txt", rows())

    texts = text_strings.EXPLICIT + [text_strings.mixed(7 * index) for index in range(300)]
    write_lines("encodings.jsonl", ({
        "text": text,
        "ids": usual.encode(text, add_special_tokens=False).ids,
        "plain": plain.encode(text, add_special_tokens=False).ids,
    } for text in texts))


def render(template, conversation):
    """What the renderer gives: {"text": …} or {"error": …}."""
    from transformers.utils.chat_template_utils import render_jinja_template

    variables = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    variables |= conversation.get("extra", {})
    try:
        rendered, _ = render_jinja_template(
            [conversation["messages"]],
            tools=conversation.get("tools"),
            chat_template=template,
            add_generation_prompt=conversation.get("add_generation_prompt", True),
            **variables,
        )
    except Exception as error:  # any: the template's own, Jinja's, Python's
        return {"error": f"{type(error).__name__}: {error}"}
    return {"text": rendered[0]}


def dumped(conversation):
    """With its JSON as text, so that a reader passes on the very same."""
    row = {"messages": json.dumps(conversation["messages"], ensure_ascii=False)}
    if conversation.get("tools") is not None:
        row["tools"] = json.dumps(conversation["tools"], ensure_ascii=False)
    if "extra" in conversation:
        row["extra"] = json.dumps(conversation["extra"], ensure_ascii=False)
    row["add_generation_prompt"] = conversation.get("add_generation_prompt", True)
    return row


def record_templates(folder):
    paths = sorted(TEMPLATES.glob("*"))
    templates = {path.stem: path.read_text(encoding="utf-8") for path in paths}
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    templates["qwen3"] = config["chat_template"]
    write_lines("templates.jsonl", (
        dumped(conversation) | {"rendered": {
            name: render(template, conversation) for name, template in templates.items()}}
        for conversation in text_conversations.conversations()))
    context = {"messages": text_snippets.MESSAGES, "extra": text_snippets.VARIABLES}
    write_lines("snippet_context.json", [dumped(context)])
    write_lines("snippets.jsonl", (
        {"source": source} | render(source, context) for source in text_snippets.SNIPPETS))


def main():
    folder = Path(sys.argv[1])
    parts = sys.argv[2:] or ["tokens", "templates"]
    GOLDEN.mkdir(exist_ok=True)
    if "tokens" in parts:
        record_tokens(folder)
    if "templates" in parts:
        record_templates(folder)
    libraries = ["jinja2", "tokenizers", "transformers"]
    write_lines("versions.txt", (f"{name} {version(name)}" for name in libraries))


if __name__ == "__main__":
    main()
