"""Judges the quantised model on held-out questions and text, run by hearth.

    python tools/ember/evaluate.py --work DIR [--hearth BINARY] [--quick]

Reads decayed.pt and quantised/, prints a table and writes evaluation.json,
answers.jsonl and golden/, which hearth's tests compare with. Answers are greedy.
"""

import argparse
import json
import math
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from tokenizers import Tokenizer

import batches
import data
import export
import mtp
import questions
import settings
from model import Ember

import dequantise  # of tools/reference

HEARTH = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "hearth"
ANSWER_TOKENS_MAX = 320
OTHERS = ("word", "follow-up", "several", "unknown", "sum", "date")


def generate(hearth, folder, asked):
    """The answers to questions, as hearth writes them: one object each."""
    with tempfile.TemporaryDirectory() as scratch:
        source, target = pathlib.Path(scratch, "in.jsonl"), pathlib.Path(scratch, "out.jsonl")
        source.write_text("".join(json.dumps({"messages": q.messages}) + "\n" for q in asked))
        subprocess.run([hearth, "generate", "-m", folder, "--input", source, "--output", target,
                        "-n", str(ANSWER_TOKENS_MAX), "--temp", "0"], check=True)
        return [json.loads(line) for line in target.read_text().splitlines()]


def well_formed(answer):
    """Whether the reasoning was closed, there is an answer, and the model ended it."""
    return (answer["finish_reason"] == "eos" and bool(answer["text"].strip())
            and "<think>" not in answer["text"])


def judge(asked, answers):
    """Shares of right answers by kind, and of well-formed ones."""
    kinds = {}
    for question, answer in zip(asked, answers):
        kinds.setdefault(question.kind, []).append(questions.is_right(question, answer["text"]))
    shares = {f"right, {kind}": sum(right) / len(right) for kind, right in kinds.items()}
    called = [questions.parsed_call(a["text"]) is not None
              for q, a in zip(asked, answers) if q.kind == "call"]
    return {"well-formed": sum(map(well_formed, answers)) / len(answers), **shares,
            "tool calls parseable": sum(called) / len(called)}


def spoken(encoder, asked, answers):
    """Prompts with the model's own answers as rows (ids, answer)."""
    rows = []
    for question, answer in zip(asked, answers):
        if well_formed(answer):
            reasoning = answer.get("reasoning", "").strip("\n")
            text = (f"{question.text}{reasoning}\n</think>\n\n"
                    f"{answer['text'].strip()}<|im_end|>\n")
            rows.append(encoder(data.Document(question.kind, text)))
    return rows


def head_of(size, tok, weights):
    head = mtp.Mtp(settings.model_config(size, tok))
    named = {n.removeprefix("mtp."): t for n, t in weights.items() if n.startswith("mtp.")}
    head.load_state_dict({n: t.float() for n, t in export.joined(named).items()})
    return head


@torch.no_grad()
def losses(model, rows):
    """What a model misses of each token of rows: [tokens], as one list per row."""
    lost = []
    for ids, answer in rows:
        batch = batches.assemble([(ids, answer)], 0)
        chances = model(batch.ids, batch.layout).log_softmax(-1)
        lost.append(-chances[:-1].gather(1, batch.targets[:-1, None])[:, 0].double().numpy())
    return lost


def run_eval(hearth, folder, ids, scratch, *flags):
    """Logits of some tokens by hearth, float32 [tokens, vocabulary]."""
    tokens, logits = scratch / "tokens.npy", scratch / "logits.npy"
    np.save(tokens, np.array(ids, dtype=np.int64))
    subprocess.run([hearth, "eval", "-m", folder, "--tokens", tokens, "--logits", logits, *flags],
                   check=True, capture_output=True)
    return torch.from_numpy(np.load(logits)).double().log_softmax(-1)


def compare_paths(hearth, folder, rows):
    """hearth's integer path against its float path over the same weights."""
    lost = {"int8": [], "exact": []}
    agreed, divergence = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for ids, _ in rows:
            exact = run_eval(hearth, folder, ids, pathlib.Path(scratch), "--exact")
            fast = run_eval(hearth, folder, ids, pathlib.Path(scratch))
            next_ids = torch.tensor(ids[1:])[:, None]
            lost["exact"].append(-exact[:-1].gather(1, next_ids)[:, 0].numpy())
            lost["int8"].append(-fast[:-1].gather(1, next_ids)[:, 0].numpy())
            agreed += (exact.argmax(-1) == fast.argmax(-1)).tolist()
            divergence += (exact.exp() * (exact - fast)).sum(-1).tolist()
    return lost, {"top-1 agreement, int8 with exact": float(np.mean(agreed)),
                  "mean divergence (KL) of int8 from exact": float(np.mean(divergence))}


def perplexities(lost, rows):
    """Over all tokens of conversations, over the assistant's, and over plain text."""
    all_tokens = np.concatenate(lost)
    said = np.concatenate([np.array(answer[1:]) for _, answer in rows])
    return math.exp(all_tokens.mean()), math.exp(all_tokens[said].mean())


def held_out_text(encoder, tokens):
    """Held-out documents of every kind, of so many tokens."""
    rows, number = [], 10**6  # beyond the documents that questions are made from
    while sum(len(ids) for ids, _ in rows) < tokens:
        rows.append(encoder(data.document("held-out", number)))
        number += 1
    return rows


def record(folder, rows, lost):
    """What tests of hearth compare with: the text, and what float32 weights miss of it."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "tokens.npy", np.concatenate([ids for ids, _ in rows]).astype(np.int32))
    np.save(folder / "lengths.npy", np.array([len(ids) for ids, _ in rows], dtype=np.int32))
    loss = float(np.concatenate(lost).mean())
    (folder / "reference.json").write_text(json.dumps({"loss": loss}) + "\n")


def evaluate(work, hearth, size, definitions, each, tokens):
    """All figures by name, and the answers."""
    folder = work / "quantised"
    tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoder = batches.Encoder(tok)
    asked = questions.definitions(definitions) + questions.calls(each)
    for kind in OTHERS:
        asked += questions.others(kind, each)
    asked += questions.talk()
    answers = generate(hearth, folder, asked)
    figures = judge(asked, answers)

    _, weights = dequantise.float_weights(folder)
    quantised = export.load(size, tok, weights)
    rows = spoken(encoder, asked, answers)
    if rows:
        confirmed, count = mtp.acceptance(quantised, head_of(size, tok, weights), rows)
        figures["MTP, first draft accepted"] = confirmed / count

    rows = held_out_text(encoder, tokens)
    original = Ember(settings.model_config(size, tok)).eval()
    original.load_state_dict(torch.load(work / "decayed.pt", weights_only=True))
    lost, compared = compare_paths(hearth, folder, rows)
    lost = {"float32 weights": losses(original, rows), "quantised": losses(quantised, rows),
            "hearth, exact": lost["exact"], "hearth, int8": lost["int8"]}
    for name, values in lost.items():
        everything, said = perplexities(values, rows)
        figures[f"perplexity, {name}"] = everything
        figures[f"perplexity of the assistant's, {name}"] = said
    figures.update(compared)
    record(work / "golden", rows, lost["float32 weights"])
    return figures, [{"kind": q.kind, "question": q.messages[-1]["content"],
                      "reasoning": a.get("reasoning", ""), "answer": a["text"],
                      "finish": a["finish_reason"], "expected": q.expected,
                      "right": questions.is_right(q, a["text"])}
                     for q, a in zip(asked, answers)]


def run(work, hearth, size, definitions, each, tokens):
    figures, answers = evaluate(work, hearth, size, definitions, each, tokens)
    (work / "answers.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers))
    (work / "evaluation.json").write_text(json.dumps(figures, indent=2) + "\n")
    for name, value in figures.items():
        print(f"{name:45} {value:10.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder of the state")
    parser.add_argument("--hearth", type=pathlib.Path, default=HEARTH)
    parser.add_argument("--quick", action="store_true", help="a few of each")
    args = parser.parse_args()
    plan = settings.SMOKE if args.quick else settings.FULL
    run(args.work, args.hearth.resolve(), settings.Size(), plan.definitions, plan.each, plan.tokens)


if __name__ == "__main__":
    main()
