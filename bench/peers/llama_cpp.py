#!/usr/bin/env python3
"""Measures llama.cpp as llama-bench does, through its shared library.

    llama_cpp.py LIBRARY_FOLDER MODEL.gguf THREADS TEST... --repetitions R

A TEST is ppN (a prompt of N random tokens) or tgN (N random tokens, one at a time, each with its
logits). Prints one JSON object: tokens per second of each repetition by test, and the load time.
llama.cpp chooses the best processor variant among the libraries of the folder by itself.
"""

import argparse
import ctypes
import json
import pathlib
import random
import time

# Parameter structs grow from version to version. They are passed through opaquely, from the
# library's own defaults, in a block that is larger than any of them; only the first words of the
# context's parameters are set, after a look at their documented defaults.
PARAMETER_WORDS = 128
CONTEXT_DEFAULTS = [512, 2048, 512]  # n_ctx, n_batch, n_ubatch
BATCH_TOKENS = 2048
# Enough to have every buffer touched: the weights are, by the repacking at load.
WARM_UP_TOKENS = 128
WARM_UP_PASSES = 4


class Parameters(ctypes.Structure):
    _fields_ = [("words", ctypes.c_uint32 * PARAMETER_WORDS)]


class Batch(ctypes.Structure):
    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.c_void_p),
        ("n_seq_id", ctypes.c_void_p),
        ("seq_id", ctypes.c_void_p),
        ("logits", ctypes.c_void_p),
    ]


LOG_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


def only(folder, pattern):
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"{folder}: expected one {pattern}, found {len(found)}")
    return str(found[0])


class Llama:
    def __init__(self, folder, model, threads, context_tokens):
        self.log = []
        self.keep = LOG_CALLBACK(lambda level, text, _: self.log.append(text.decode()))
        ggml = ctypes.CDLL(only(folder, "libggml.v*.so"), mode=ctypes.RTLD_GLOBAL)
        self.lib = lib = ctypes.CDLL(only(folder, "libllama.v*.so"))
        lib.llama_log_set(self.keep, None)
        ggml.ggml_backend_load_all_from_path(str(folder).encode())
        lib.llama_model_default_params.restype = Parameters
        lib.llama_context_default_params.restype = Parameters
        lib.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Parameters]
        lib.llama_model_load_from_file.restype = ctypes.c_void_p
        lib.llama_init_from_model.argtypes = [ctypes.c_void_p, Parameters]
        lib.llama_init_from_model.restype = ctypes.c_void_p
        lib.llama_set_n_threads.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32]
        lib.llama_get_memory.argtypes = [ctypes.c_void_p]
        lib.llama_get_memory.restype = ctypes.c_void_p
        lib.llama_memory_clear.argtypes = [ctypes.c_void_p, ctypes.c_bool]
        lib.llama_batch_get_one.argtypes = [ctypes.POINTER(ctypes.c_int32), ctypes.c_int32]
        lib.llama_batch_get_one.restype = Batch
        lib.llama_decode.argtypes = [ctypes.c_void_p, Batch]
        lib.llama_synchronize.argtypes = [ctypes.c_void_p]
        lib.llama_backend_init()

        start = time.perf_counter()
        self.model = lib.llama_model_load_from_file(
            str(model).encode(), lib.llama_model_default_params()
        )
        if not self.model:
            raise SystemExit("".join(self.log[-20:]))
        self.load_s = time.perf_counter() - start
        parameters = lib.llama_context_default_params()
        if list(parameters.words[:3]) != CONTEXT_DEFAULTS:
            raise SystemExit(f"unexpected context parameters: {list(parameters.words[:8])}")
        parameters.words[0] = context_tokens
        self.context = lib.llama_init_from_model(self.model, parameters)
        if not self.context:
            raise SystemExit("".join(self.log[-20:]))
        lib.llama_set_n_threads(self.context, threads, threads)

    def clear(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def feed(self, tokens):
        values = (ctypes.c_int32 * len(tokens))(*tokens)
        batch = self.lib.llama_batch_get_one(values, len(tokens))
        if self.lib.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama_decode failed:\n" + "".join(self.log[-20:]))

    def seconds(self, tokens, step):
        self.clear()
        start = time.perf_counter()
        for first in range(0, len(tokens), step):
            self.feed(tokens[first : first + step])
        self.lib.llama_synchronize(self.context)
        return time.perf_counter() - start


def peak_memory_bytes():
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("threads", type=int)
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--vocab", type=int, default=151936)
    options = parser.parse_args()
    lengths = {test: int(test[2:]) for test in options.tests}
    llama = Llama(options.folder, options.model, options.threads, max(lengths.values()) + 64)
    rates = {}
    generator = random.Random(1)
    for test, length in lengths.items():
        step = 1 if test.startswith("tg") else BATCH_TOKENS
        tokens = [generator.randrange(options.vocab) for _ in range(length)]
        llama.seconds(tokens[: WARM_UP_PASSES * min(step, WARM_UP_TOKENS)], step)
        rates[test] = [length / llama.seconds(tokens, step) for _ in range(options.repetitions)]
    print(
        json.dumps(
            {
                "load_s": llama.load_s,
                "peak_memory_bytes": peak_memory_bytes(),
                "tokens_per_s": rates,
                "processor_libraries": sorted(
                    line.strip() for line in llama.log if "libggml-cpu" in line
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
