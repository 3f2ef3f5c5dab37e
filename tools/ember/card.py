"""Puts the model folder together: the quantised checkpoint, its card, licence and curve."""

import json
import pathlib
import shutil
import string

import wordnet

HERE = pathlib.Path(__file__).resolve().parent
CURVES = (("train.jsonl", "training"), ("mtp.jsonl", "drafting head"))
COPYRIGHT = pathlib.Path("/usr/share/doc/wordnet-base/copyright")


def records(work):
    """Lines of both logs: (stage, record)."""
    found = []
    for file, stage in CURVES:
        for line in (work / file).read_text(encoding="utf-8").splitlines():
            found.append((stage, json.loads(line)))
    return found


def plot(lines, path):
    """Loss by tokens of each stage, and held-out losses by kind."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for stage in dict.fromkeys(stage for stage, _ in lines):
        points = [(r["tokens"] / 1e6, r["loss"]) for s, r in lines if s == stage and "loss" in r]
        left.plot(*zip(*points) if points else ([], []), label=stage)
    judged = [(r["tokens"] / 1e6, r["held_out"]) for _, r in lines if "held_out" in r]
    for kind in judged[0][1] if judged else ():
        right.plot([t for t, _ in judged], [losses[kind] for _, losses in judged], label=kind)
    for axes, title in ((left, "training"), (right, "held out")):
        axes.set(title=title, xlabel="million tokens", ylabel="loss per token", yscale="log")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def wordnet_licence():
    """The licence as Debian's package of WordNet states it."""
    text = COPYRIGHT.read_text(encoding="utf-8")
    body = text.split("License: WordNet3.0\n")[1].split("\n\n")[0]
    lines = [line.strip() for line in body.splitlines()]
    return ("The training data of this model was made from WordNet 3.0.\n\n"
            + "\n".join("" if line == "." else line for line in lines) + "\n")


def table(figures):
    """The figures as rows of Markdown."""
    shares = ("right", "well-formed", "tool calls", "MTP", "top-1")
    rows = ["| | |", "|---|---:|"]
    for name, value in figures.items():
        shown = f"{100 * value:.1f} %" if name.startswith(shares) else f"{value:.4f}"
        rows.append(f"| {name} | {shown} |")
    return "\n".join(rows)


def write(work, target):
    """Replaces the model folder."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(work / "quantised", target)
    lines = records(work)
    plot(lines, target / "training.png")
    (target / "training.jsonl").write_text(
        "".join(json.dumps({"stage": s, **r}) + "\n" for s, r in lines), encoding="utf-8")
    (target / "LICENSE").write_text(wordnet_licence(), encoding="utf-8")
    figures = json.loads((work / "evaluation.json").read_text())
    trained = [r for stage, r in lines if stage == "training"][-1]
    card = string.Template((HERE / "card.txt").read_text(encoding="utf-8")).substitute(
        table=table(figures), words=len(wordnet.vocabulary()),
        steps=trained["step"], million_tokens=round(trained["tokens"] / 1e6, 1),
        hours=round(trained["seconds"] / 3600, 1))
    (target / "README.md").write_text(card, encoding="utf-8")
