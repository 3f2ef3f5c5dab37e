#!/usr/bin/env python3
"""A server under mixed traffic for as long as one likes: its memory, descriptors and threads stay.

    run.py [--minutes 60] [--hearth PROGRAM] [--model FOLDER] [--pause 0.2] [-- FLAGS OF SERVE]

Six clients send what clients send, and what they should not: answers of every dialect, streaming
and not, tools, schemas, broken bodies, streams that nobody reads to the end. Prints a line of JSON
every minute, and one at the end. Exit code 1 and a line on stderr when an answer is not the one it
was at first, a status is unexpected, something grows, or a place stays taken.
"""

import argparse
import collections
import http.client
import json
import pathlib
import random
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "server"))

from client import server  # noqa: E402

WORDS = ["whisper", "river", "brave", "quickly", "stone", "climb", "gentle", "window"]
SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string", "maxLength": 12}, "noun": {"type": "boolean"}},
    "required": ["word", "noun"],
    "additionalProperties": False,
}
WEATHER = {
    "name": "get_weather",
    "description": "Get the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def user(text):
    return [{"role": "user", "content": text}]


def question(chance):
    return f'What does the word "{chance.choice(WORDS)}" mean?'


def chat(chance):
    body = {"messages": user(question(chance)), "max_tokens": 40, "temperature": 1}
    return "/v1/chat/completions", body | {"stream": chance.random() < 0.5}


def conversation(chance):
    turns = user(question(chance)) + [{"role": "assistant", "content": "It is a word."}]
    turns += user("What part of speech is it?")
    return "/v1/chat/completions", {"messages": turns, "max_tokens": 20, "n": 2}


def tools(chance):
    functions = [{"type": "function", "function": WEATHER}]
    body = {"messages": user("What is the weather in Paris?"), "tools": functions}
    return "/v1/chat/completions", body | {"stream": chance.random() < 0.5, "max_tokens": 60}


def structured(chance):
    form = {"type": "json_schema", "json_schema": {"name": "word", "schema": SCHEMA}}
    body = {"messages": user(question(chance)), "response_format": form, "max_tokens": 60}
    return "/v1/chat/completions", body


def messages(chance):
    body = {"messages": user(question(chance)), "max_tokens": 30, "model": "ember"}
    return "/v1/messages", body | {"stream": chance.random() < 0.5}


def responses(chance):
    body = {"input": question(chance), "max_output_tokens": 30}
    return "/v1/responses", body | {"stream": chance.random() < 0.5}


def completions(chance):
    body = {"prompt": [question(chance)] * 2, "max_tokens": 1, "logprobs": 2, "echo": True}
    return "/v1/completions", body


def long_prompt(chance):
    text = " ".join(chance.choice(WORDS) for _ in range(chance.randrange(500, 3000)))
    return "/v1/chat/completions", {"messages": user(text), "max_tokens": 4}


def tokenise(chance):
    return "/tokenize", {"content": question(chance)}


def refused(chance):
    """Requests that are wrong, and what they are answered."""
    return chance.choice(
        [
            ("/v1/chat/completions", {"messages": []}),
            ("/v1/chat/completions", {"messages": "hello"}),
            ("/v1/completions", {"prompt": "a", "max_tokens": -5}),
            ("/v1/messages", {"messages": user("hello"), "system": 7}),
            ("/v1/responses", {"input": 3}),
            ("/v1/embeddings", {"input": "a"}),
        ]
    )


KINDS = [chat, chat, conversation, tools, structured, messages, responses, completions]
KINDS += [long_prompt, tokenise]
PAGES = ["/health", "/metrics", "/slots", "/v1/models", "/props", "/openapi.json"]


class Failure(Exception):
    pass


class Client(threading.Thread):
    """Sends one request after the other until it is told to stop."""

    def __init__(self, port, seed, pause, stop):
        super().__init__()
        self.port, self.chance, self.pause, self.stop = port, random.Random(seed), pause, stop
        self.sent = collections.Counter()
        self.failure = None
        self.known = None  # the answer to the question with one answer

    def run(self):
        try:
            while not self.stop.is_set():
                self.step()
                time.sleep(self.chance.random() * 2 * self.pause)
        except Exception as error:  # noqa: BLE001  (reported by the main thread)
            self.failure = error
            self.stop.set()

    def step(self):
        dice = self.chance.random()
        if dice < 0.05:
            self.expect(400, "refused", *refused(self.chance))
        elif dice < 0.10:
            self.expect(200, "page", self.chance.choice(PAGES))
        elif dice < 0.30:
            self.leave()
        elif dice < 0.40:
            self.same()
        else:
            kind = self.chance.choice(KINDS)
            self.expect(200, kind.__name__, *kind(self.chance))

    def connect(self, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        if body is None:
            connection.request("GET", path)
        else:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
        return connection

    def expect(self, status, name, path, body=None):
        connection = self.connect(path, body)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != status or b'"error":{"message"' in text and status == 200:
            raise Failure(f"{name}: {path} {json.dumps(body)}: {answer.status} {text[:500]}")
        self.sent[name] += 1
        return text

    def leave(self):
        """Goes away before the answer is whole: in the queue, the prompt or the answer."""
        path, body = self.chance.choice(KINDS)(self.chance)
        connection = self.connect(path, body | {"stream": True} if "tokenize" not in path else body)
        time.sleep(self.chance.random() * 0.3)
        connection.sock.close()
        self.sent["left"] += 1

    def same(self):
        """A greedy answer, which must not depend on what else the server does."""
        body = {"messages": user(question(random.Random(1))), "temperature": 0, "max_tokens": 40}
        answer = json.loads(self.expect(200, "same", "/v1/chat/completions", body))
        said = answer["choices"][0]["message"]["content"]
        self.known = self.known or said
        if said != self.known:
            raise Failure(f"a greedy answer changed from {self.known!r} to {said!r}")


def resources(process):
    """Anonymous memory in MiB, open descriptors and threads of a process."""
    folder = pathlib.Path(f"/proc/{process.pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return {
        "anonymous_mib": round(int(status["RssAnon"].split()[0]) / 1024, 1),
        "descriptors": len(list((folder / "fd").iterdir())),
        "threads": int(status["Threads"]),
    }


def busy_places(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/slots")
    slots = json.loads(connection.getresponse().read())
    connection.close()
    return sum(slot["is_processing"] for slot in slots)


def watch(process, clients, minutes, stop):
    """A sample a minute until the time is over or a client failed."""
    samples = []
    began = time.monotonic()
    while not stop.wait(60 if minutes >= 4 else 5):
        sample = resources(process)
        sample["requests"] = sum(sum(client.sent.values()) for client in clients)
        samples.append(sample)
        print(json.dumps(sample), flush=True)
        if time.monotonic() - began >= 60 * minutes:
            break
    stop.set()
    return samples


def settled(port, process, idle):
    """What the server holds a little after its last client has gone."""
    for _ in range(100):
        held = resources(process)
        if busy_places(port) == 0 and held["descriptors"] <= idle["descriptors"]:
            break
        time.sleep(0.1)
    return held | {"busy_places": busy_places(port)}


def judge(samples, idle, last, failures):
    """What is wrong, as sentences."""
    wrong = [str(failure) for failure in failures]
    if last["busy_places"]:
        wrong.append(f"{last['busy_places']} places are still taken")
    if last["descriptors"] > idle["descriptors"]:
        wrong.append(f"descriptors: {idle['descriptors']} before, {last['descriptors']} after")
    quarter = len(samples) // 4
    if quarter == 0:
        return wrong + ["the time was too short for four samples"]
    for name, slack in ("anonymous_mib", 4), ("threads", 0):
        early = statistics.median(one[name] for one in samples[quarter : 2 * quarter])
        late = statistics.median(one[name] for one in samples[-quarter:])
        if late > early + slack:
            wrong.append(f"{name} grew from {early} to {late}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--hearth", type=pathlib.Path, default=ROOT / "build/release/hearth")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "models/ember")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between requests, mean")
    parser.add_argument("flags", nargs="*", help="for hearth serve, after --")
    options = parser.parse_args()
    flags = ["-c", 8192, "--prefix-cache", 64, *options.flags]
    with server(options.hearth, options.model, flags) as (port, process):
        stop = threading.Event()
        idle = resources(process)
        clients = [Client(port, seed, options.pause, stop) for seed in range(6)]
        for client in clients:
            client.start()
        samples = watch(process, clients, options.minutes, stop)
        for client in clients:
            client.join()
        if process.poll() is not None:
            sys.exit(f"the server ended with status {process.returncode}")
        last = settled(port, process, idle)
        process.terminate()
        status = process.wait(30)
    sent = sum((client.sent for client in clients), collections.Counter())
    print(json.dumps({"idle": idle, "last": last, "sent": sent}))
    failures = [client.failure for client in clients if client.failure]
    wrong = judge(samples, idle, last, failures)
    if status != 0:
        wrong.append(f"the server ended with status {status}")
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
