"""Training text: what the Python interpreter and its standard library ship.

The language reference (pydoc's topics) and the docstrings of the standard
library are ordinary English prose mixed with a little code, are the same for
everybody who uses the same Python, and need no download.
"""

import ast
import pathlib
import re
import sysconfig

from pydoc_data import topics

# Top-level modules with long prose docstrings, in a fixed order.
MODULES = (
    "argparse", "asyncio/base_events", "asyncio/locks", "asyncio/queues", "asyncio/tasks",
    "bisect", "calendar", "codecs", "collections/__init__", "concurrent/futures/_base",
    "configparser", "contextlib", "copy", "csv", "ctypes/__init__", "datetime", "decimal",
    "difflib", "doctest", "email/message", "enum", "fractions", "functools", "gettext",
    "heapq", "http/client", "http/server", "imaplib", "inspect", "json/__init__", "locale",
    "logging/__init__", "mailbox", "mimetypes", "multiprocessing/pool", "optparse", "os",
    "pathlib", "pickle", "pprint", "random", "sched", "shutil", "smtplib", "socketserver",
    "statistics", "string", "subprocess", "tempfile", "textwrap", "threading", "tkinter/__init__",
    "trace", "turtle", "typing", "unittest/case", "unittest/mock", "urllib/request", "weakref",
    "zipfile",
)

CHAT_PAIRS = (
    ("What is a {0}?", "A {0} is explained in the language reference. In short: {1}"),
    ("Tell me about {0}.", "{1}"),
    ("Explain {0} briefly.", "Briefly: {1}"),
    ("How do I use {0}?", "Read this first. {1}"),
)


def _tidy(text):
    text = re.sub(r"[ \t]+\n", "\n", text.replace("\t", "    "))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def topics_text():
    """The language reference, one string per topic, in alphabetical order."""
    return [_tidy(topics.topics[name]) for name in sorted(topics.topics)]


def docstrings():
    """Long docstrings of the standard library, in a fixed order."""
    root = pathlib.Path(sysconfig.get_paths()["stdlib"])
    texts = []
    for module in MODULES:
        tree = ast.parse((root / f"{module}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text and len(text) > 80:
                    texts.append(_tidy(text))
    return texts


def chat_samples():
    """Short question-and-answer pairs made from the topics: (question, answer)."""
    pairs = []
    for i, name in enumerate(sorted(topics.topics)):
        prose = [p for p in _tidy(topics.topics[name]).split("\n\n") if len(p) > 60]
        if len(prose) < 2:
            continue
        question, answer = CHAT_PAIRS[i % len(CHAT_PAIRS)]
        pairs.append((question.format(name.lower()),
                      answer.format(name.lower(), " ".join(prose[1].split()))))
    return pairs


def training_texts():
    """Everything but the last twentieth of each source, which is held out."""
    prose, docs = topics_text(), docstrings()
    return prose[: len(prose) * 19 // 20] + docs[: len(docs) * 19 // 20]


def held_out_text():
    """Text the models never see: the source of the golden prompts."""
    prose, docs = topics_text(), docstrings()
    return "\n\n".join(prose[len(prose) * 19 // 20 :] + docs[len(docs) * 19 // 20 :])
