#!/usr/bin/env python3
"""What clients of `hearth serve` see: speed together, beside long prompts, after them, in a crowd.

    run.py --model CHECKPOINT [--hearth PROGRAM] [--only throughput,arrival,prefix,overload]
           [--rounds 3] [-- FLAGS OF HEARTH SERVE]

Each measurement starts a server of its own, on a free port of this machine, and prints a line of
JSON: medians over the rounds, with the smallest and the largest. The clients run on the same cores.
Prompts are random ids, for which the checkpoint's vocabulary must hold 100,000 tokens.
"""

import argparse
import asyncio
import json
import pathlib
import statistics
import time

from client import Stream, random_prompt, server

ROOT = pathlib.Path(__file__).resolve().parents[2]


def spread(values, digits=2):
    middle, low, high = statistics.median(values), min(values), max(values)
    return {"median": round(middle, digits), "from": round(low, digits), "to": round(high, digits)}


def rate(streams):
    """Tokens a second of streams together, while all of them run."""
    start = max(one.times[0] for one in streams)
    end = min(one.times[-1] for one in streams)
    return sum(len(one.gaps(start, end)) for one in streams) / (end - start)


def mean_gap(streams):
    return statistics.mean(gap for one in streams for gap in one.gaps(one.times[0], one.times[-1]))


async def together(streams):
    await asyncio.gather(*(one.run() for one in streams))
    return streams


async def measured(measure, port, options):
    """Once every page of the weights has been read."""
    await Stream(port, random_prompt(1000, "warm"), 8).run()
    return await measure(port, options)


async def throughput(port, options):
    """One stream and eight, in turn."""
    alone, eight = [], []
    for turn in range(options.rounds):
        for rates, count in (alone, 1), (eight, 8):
            prompts = [random_prompt(16, f"{turn} {count} {i}") for i in range(count)]
            streams = [Stream(port, prompt, options.tokens) for prompt in prompts]
            rates.append(rate(await together(streams)))
    return {
        "one_stream_tokens_per_s": spread(alone),
        "eight_streams_tokens_per_s": spread(eight),
        "eight_over_one": spread([b / a for a, b in zip(alone, eight)]),
    }


async def arrival_beside(port, options, running, turn):
    """Gaps between tokens of `running` streams before a long prompt comes, and while it waits."""
    streams = [
        Stream(port, random_prompt(16, f"{turn} {running} {i}"), 10000) for i in range(running)
    ]
    tasks = [asyncio.create_task(one.run()) for one in streams]
    for one in streams:
        await one.reached(1)
    begun = time.monotonic()
    for one in streams:
        await one.reached(len(one.times) + options.tokens)
    arrived = time.monotonic()
    long = Stream(port, random_prompt(options.arriving, f"{turn} {running} long"), 1)
    await long.run()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    before = [gap for one in streams for gap in one.gaps(begun, arrived)]
    beside = [gap for one in streams for gap in one.gaps(arrived, long.times[0])]
    return before, beside, long.first


async def arrival(port, options):
    """A long prompt comes while others are answered."""
    result = {}
    for running in (1, 4):
        added, longest, waits = [], [], []
        for turn in range(options.rounds):
            before, beside, wait = await arrival_beside(port, options, running, turn)
            added.append(statistics.mean(beside) / statistics.mean(before) - 1)
            longest.append(max(beside))
            waits.append(wait)
        result[f"beside_{running}"] = {
            "added_to_mean_gap": spread(added),
            "longest_gap_s": spread(longest),
            "first_token_of_the_long_prompt_s": spread(waits),
        }
    return result


async def prefix(port, options):
    """The first token after a long prompt that the server has seen, with a new end."""
    cold, warm, cached = [], [], []
    for turn in range(options.rounds):
        prompt = random_prompt(options.prefix, f"{turn} prefix")
        cold.append((await Stream(port, prompt, 1).run()).first)
        for end in range(3):
            again = await Stream(port, prompt + random_prompt(8, f"{turn} {end}"), 1).run()
            warm.append(again.first)
            cached.append(again.cached)
    return {
        "prompt_tokens": options.prefix,
        "cached_tokens": min(cached),
        "cold_first_token_s": spread(cold),
        "warm_first_token_s": spread(warm, 3),
    }


async def after(seconds, stream):
    await asyncio.sleep(seconds)
    return await stream.run()


async def overload(port, options):
    """Ten times as many requests as there is place and queue for, one every 5 ms: all at once, this
    client itself would be what they wait for."""
    added, refused, slowest, typical = [], [], [], []
    for turn in range(options.rounds):
        calm = [Stream(port, random_prompt(16, f"{turn} {i}"), options.tokens) for i in range(4)]
        await together(calm)
        crowd = [
            Stream(port, random_prompt(16, f"{turn} crowd {i}"), options.tokens) for i in range(120)
        ]
        await asyncio.gather(*(after(0.005 * i, one) for i, one in enumerate(crowd)))
        answers = [one for one in crowd if one.status == 200]
        others = [one for one in crowd if one.status != 200]
        if any(one.failure for one in answers) or any(one.status != 429 for one in others):
            raise SystemExit(f"unexpected: {[(one.status, one.failure) for one in crowd]}")
        added.append(mean_gap(answers) / mean_gap(calm) - 1)
        waits = [1000 * (one.answered - one.started) for one in others]
        refused.append(len(others))
        typical.append(statistics.median(waits))
        slowest.append(max(waits))
    return {
        "requests": 120,
        "refused": spread(refused),
        "refusal_ms": spread(typical, 1),
        "slowest_refusal_ms": spread(slowest, 1),
        "added_to_mean_gap_of_the_admitted": spread(added),
    }


# What is measured, and how the server is started for it.
MEASUREMENTS = {
    throughput: ["-c", 2048, "--parallel", 8, "--prefix-cache", 0],
    arrival: ["-c", 16384, "--parallel", 8, "--prefix-cache", 0],
    prefix: ["-c", 20480, "--parallel", 1],
    overload: ["-c", 2048, "--parallel", 4, "--queue", 8, "--prefix-cache", 0],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--hearth", type=pathlib.Path, default=ROOT / "build/release/hearth")
    parser.add_argument("--only", default=",".join(one.__name__ for one in MEASUREMENTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=96, help="of each answer")
    parser.add_argument("--arriving", type=int, default=4096, help="tokens of the long prompt")
    parser.add_argument("--prefix", type=int, default=16384, help="tokens of the kept prompt")
    parser.add_argument("flags", nargs="*", help="for hearth serve, after --")
    options = parser.parse_args()
    wanted = options.only.split(",")
    for measure, flags in MEASUREMENTS.items():
        if measure.__name__ not in wanted:
            continue
        with server(options.hearth, options.model, flags + options.flags) as (port, _):
            result = asyncio.run(measured(measure, port, options))
        print(json.dumps({"measured": measure.__name__} | result), flush=True)


if __name__ == "__main__":
    main()
