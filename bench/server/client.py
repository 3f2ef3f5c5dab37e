"""A server under measurement, and streams that note when each of their tokens came."""

import asyncio
import contextlib
import json
import random
import re
import subprocess
import time


class Stream:
    """A request for a completion that is read as it comes. Times are of time.monotonic()."""

    def __init__(self, port, prompt, tokens):
        self.port, self.prompt, self.tokens = port, prompt, tokens
        self.status = 0
        self.started = self.answered = 0.0  # when it was sent; when the head of the answer came
        self.times = []  # when each token came
        self.cached = 0  # tokens of the prompt that the server had at hand
        self.failure = ""

    @property
    def first(self):
        """Seconds until the first token."""
        return self.times[0] - self.started

    def gaps(self, start, end):
        """Seconds between the tokens that came from `start` to `end`."""
        times = [moment for moment in self.times if start <= moment <= end]
        return [b - a for a, b in zip(times, times[1:])]

    async def run(self):
        # Log-probabilities name every token: texts of several may share an event.
        wanted = {"prompt": self.prompt, "max_tokens": self.tokens, "logprobs": 0, "seed": 1}
        wanted |= {"stream": True, "stream_options": {"include_usage": True}}
        body = json.dumps(wanted)
        head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.started = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        with contextlib.closing(writer):
            writer.write((head + body).encode())
            self.status = int((await reader.readline()).split()[1])
            self.answered = time.monotonic()
            if self.status != 200:
                self.failure = (await reader.read()).decode(errors="replace")
                return self
            async for line in reader:
                if line.startswith(b"data: {"):
                    self.take(json.loads(line[6:]))
        return self

    def take(self, event):
        if "error" in event:
            self.failure = json.dumps(event["error"])
        details = (event.get("usage") or {}).get("prompt_tokens_details") or {}
        self.cached = details.get("cached_tokens", self.cached)
        for choice in event.get("choices", []):
            named = (choice.get("logprobs") or {}).get("tokens", [])
            self.times += [time.monotonic()] * len(named)

    async def reached(self, tokens):
        """Waits until so many tokens have come."""
        while len(self.times) < tokens:
            if self.failure:
                raise SystemExit(f"a stream failed: {self.failure}")
            await asyncio.sleep(0.01)


def random_prompt(tokens, seed):
    """Token ids: prompts of different seeds have no common start."""
    source = random.Random(seed)
    return [source.randrange(1000, 100000) for _ in range(tokens)]


@contextlib.contextmanager
def server(hearth, model, flags):
    """Runs `hearth serve` and gives its port and its process."""
    command = [str(hearth), "serve", "-m", str(model), "--port", "0", *map(str, flags)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        for line in process.stderr:
            said += line
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                break
        else:
            raise SystemExit(f"{' '.join(command)}: the server did not start\n{said}")
        yield int(found.group(1)), process
    finally:
        process.terminate()
        process.wait()
