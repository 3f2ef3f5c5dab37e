"""Compares runs of lm-eval against a server with `hearth eval` and `hearth generate`.

compare.py --program HEARTH --model FOLDER RUNS: a folder with a folder for each run, as `run`
leaves them. Exit code 1 when a log-likelihood, a greedy flag, an answer or a score differs.

A server answers from batches and kept prefixes, `hearth eval` from one pass over the whole text.
The logits have to be the same bits either way. TOLERANCE is for what is computed of them in
doubles, a log-softmax here and there, whose order may differ: far above a few 1e-15 for each of
some hundred tokens, far below what one bit of a float logit makes (1e-7).
"""

import argparse
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy
import transformers
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

TOLERANCE = 1e-9  # absolute for sums of log-probabilities, relative for scores made of them
DEFAULT_MAX_LENGTH = 2048  # lm-eval's


class Hearth:
    """The program, asked on its command line. Answers are kept: runs ask the same again."""

    def __init__(self, program, model):
        self.program = program
        self.model = model
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        self.evaluated = {}
        self.generated = {}

    def run(self, command, *arguments):
        command = [self.program, command, "-m", self.model, "--no-config", "--json", *arguments]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    def encode(self, text):
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def likelihood(self, context, continuation):
        """The log-probability of tokens behind others, and whether each was the likeliest."""
        ids = tuple(context + continuation)
        if ids not in self.evaluated:
            with tempfile.TemporaryDirectory() as folder:
                file, logits = f"{folder}/ids.txt", f"{folder}/logits.npy"
                pathlib.Path(file).write_text(" ".join(map(str, ids)), encoding="ascii")
                result = self.run("eval", "--ids", file, "--logits", logits)
                rows = numpy.load(logits)[:-1]
            likeliest = rows[range(len(rows)), ids[1:]] == rows.max(axis=1)
            self.evaluated[ids] = result["log_probabilities"], likeliest
        log_probabilities, likeliest = self.evaluated[ids]
        first = len(context) - 1
        return sum(log_probabilities[first:]), bool(likeliest[first:].all())

    def pair(self, context, continuation):
        """As lm-eval splits a text: the tokens of the whole, behind those of the context."""
        whole, begin = self.encode(context + continuation), len(self.encode(context))
        return self.likelihood(whole[:begin], whole[begin:])

    def rolling(self, text, max_length):
        """A whole text in lm-eval's windows, the first behind a token of its choice."""
        prefix = self.tokenizer.bos_token_id
        if prefix is None:
            prefix = self.tokenizer.eos_token_id
        # A token less for the one that the server adds, another for the one in front.
        windows = get_rolling_token_windows(self.encode(text), prefix, max_length - 2, 1)
        sums = [self.likelihood(*make_disjoint_window(window))[0] for window in windows]
        return sum(sums), len(sums)

    def generate(self, prompt, settings):
        key = prompt, json.dumps(settings)
        if key not in self.generated:
            stops = [part for text in settings["until"] for part in ("--stop", text)]
            self.generated[key] = self.run(
                "generate", "--raw", "--temperature", str(settings["temperature"]),
                "-n", str(settings["max_gen_toks"]), *stops, "-p", prompt)["text"]
        return self.generated[key]


class Comparison:
    """What was compared so far."""

    def __init__(self):
        self.wrong = []
        self.differences = []
        self.flags = []
        self.windows = []
        self.answers = 0

    def likelihood(self, where, theirs, ours):
        self.differences.append(abs(theirs - ours))
        if not self.differences[-1] <= TOLERANCE:
            self.wrong.append(f"{where}: log-likelihood {theirs!r}, hearth eval says {ours!r}")

    def flag(self, where, theirs, ours):
        self.flags.append(ours)
        if theirs != str(ours):
            self.wrong.append(f"{where}: greedy {theirs}, hearth eval says {ours}")

    def answer(self, where, theirs, ours):
        self.answers += 1
        if theirs != ours:
            self.wrong.append(f"{where}: {theirs!r}, hearth generate says {ours!r}")

    def score(self, where, theirs, ours):
        same = math.isclose(theirs, ours, rel_tol=TOLERANCE)
        print(f"{where:42} {theirs:20.10f} {ours:20.10f}{'' if same else '  differs'}")
        if not same:
            self.wrong.append(f"{where}: score {theirs!r}, hearth says {ours!r}")

    def finish(self):
        """Says how it went; whether all is equal, and what has to occur has occurred."""
        equal = self.differences.count(0)
        print(f"{len(self.differences)} log-likelihoods, {equal} equal to the last bit; "
              f"largest difference {max(self.differences):.3g}, {TOLERANCE:g} is allowed")
        print(f"{len(self.flags)} greedy flags, {sum(self.flags)} set; {self.answers} answers; "
              f"at most {max(self.windows)} windows in a text")
        if len(set(self.flags)) < 2 or max(self.windows) < 2:
            self.wrong.append("no continuation is the likeliest, or all are, or no text has two "
                              "windows: the data does not test enough")
        for line in self.wrong:
            print(line, file=sys.stderr)
        return not self.wrong


def endings(hearth, compare, where, samples, _):
    """acc and acc_norm."""
    right, right_norm = [], []
    for sample in samples:
        ours = []
        for i, arguments in enumerate(sample["arguments"].values()):
            place = f"{where} {sample['doc_id']}.{i}"
            [[total, greedy]] = sample["resps"][i]
            ours.append(hearth.pair(arguments["arg_0"], arguments["arg_1"]))
            compare.likelihood(place, float(total), ours[-1][0])
            compare.flag(place, greedy, ours[-1][1])
        totals = numpy.array([total for total, _ in ours])
        lengths = numpy.array([len(ending) for ending in sample["doc"]["endings"]])
        right.append(totals.argmax() == sample["doc"]["right"])
        right_norm.append((totals / lengths).argmax() == sample["doc"]["right"])
    return {"acc,none": numpy.mean(right), "acc_norm,none": numpy.mean(right_norm)}


def passages(hearth, compare, where, samples, max_length):
    """Perplexities by words and bytes."""
    total, words, size = 0, 0, 0
    for sample in samples:
        text = sample["doc"]["passage"]
        [[theirs]] = sample["resps"]
        ours, windows = hearth.rolling(text, max_length)
        compare.windows.append(windows)
        compare.likelihood(f"{where} {sample['doc_id']}", float(theirs), ours)
        total += ours
        words += len(re.split(r"\s+", text))
        size += len(text.encode())
    return {"word_perplexity,none": math.exp(-total / words),
            "byte_perplexity,none": math.exp(-total / size),
            "bits_per_byte,none": -total / size / math.log(2)}


def written(hearth, compare, where, samples, ours_of):
    """exact_match of what ours_of finds in an answer with a text of the document."""
    right = []
    for sample in samples:
        [arguments] = sample["arguments"].values()
        [[theirs]] = sample["resps"]
        ours = hearth.generate(arguments["arg_0"], arguments["arg_1"])
        compare.answer(f"{where} {sample['doc_id']}", theirs, ours)
        right.append(ours_of(ours) == sample["target"])
    return numpy.mean(right)


def answers(hearth, compare, where, samples, _):
    def behind_reasoning(text):
        found = re.search(r"</think>\s*(.*)", text)
        return found and found[1]

    return {"exact_match,answer": written(hearth, compare, where, samples, behind_reasoning)}


def reasoning(hearth, compare, where, samples, _):
    return {"exact_match,none": written(hearth, compare, where, samples, str)}


TASKS = {"hearth_endings": endings, "hearth_passages": passages, "hearth_answers": answers,
         "hearth_reasoning": reasoning}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("runs", type=pathlib.Path)
    options = parser.parse_args()
    hearth, compare = Hearth(options.program, options.model), Comparison()
    print(f"{'':42} {'lm-eval':>20} {'hearth':>20}")
    for run in sorted(options.runs.iterdir()):
        [results_file] = run.rglob("results_*.json")
        results = json.loads(results_file.read_text(encoding="utf-8"))
        max_length = results["config"]["model_args"].get("max_length", DEFAULT_MAX_LENGTH)
        for task, scores_of in TASKS.items():
            [samples_file] = run.rglob(f"samples_{task}_*.jsonl")
            lines = samples_file.read_text(encoding="utf-8").split("\n")
            samples = [json.loads(line) for line in lines if line]
            where = f"{run.name} {task}"
            ours = scores_of(hearth, compare, where, samples, max_length)
            for metric, score in ours.items():
                compare.score(f"{where} {metric}", results["results"][task][metric], float(score))
    return 0 if compare.finish() else 1


if __name__ == "__main__":
    sys.exit(main())
