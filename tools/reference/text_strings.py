"""The strings of the tokenizer test, the same as tests/text/string_source.cc makes.

Three kinds, each in blocks of 256: every code point alone, every code point in company, and
mixtures of all that a tokenizer can trip over. Keep the two files alike, line by line.
"""

BLOCK = 256
MASK = (1 << 64) - 1

CODE_POINTS = 0x110000 - 0x800  # without surrogates
EMBEDDED_GROUP = 16
MIXED_STRINGS = 384 * BLOCK

SPACES = [" ", "  ", "\n", "\t", "\r", "\r\n", "\u00a0", "\u3000", "\u2028", "\u000b", "\u001c",
          "\u200b"]
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'\u017f", "\u2019s", "'x"]
TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>",
          "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>",
          "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
          "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
          "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>",
          "<think>", "</think>", "<|im_end", "im_end|>", "<|im_end |>", "<think", "<|", "<<think>>"]
SCRIPTS = [(0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F),
           (0x980, 0x9FF), (0xB80, 0xBFF), (0xE00, 0xE7F), (0x10A0, 0x10FF), (0x1200, 0x137F),
           (0x3040, 0x309F), (0x30A0, 0x30FF), (0xAC00, 0xD7A3), (0x1E00, 0x1EFF), (0xFB00, 0xFDFF),
           (0xF900, 0xFAFF), (0x1D400, 0x1D7FF), (0x20000, 0x2A6DF)]
NUMBERS = [(0xB2, 0xB3), (0x660, 0x669), (0x966, 0x96F), (0x2070, 0x2089), (0x2150, 0x2188),
           (0x2460, 0x249B), (0x3021, 0x3029), (0xFF10, 0xFF19), (0x1D7CE, 0x1D7FF)]
EMOJI = ["\U0001f600", "\U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
         "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "1\ufe0f\u20e3",
         "\U0001f9d1\U0001f3ff\u200d\U0001f680", "\u263a", "\U0001fae0"]
WORDS = [" the", " function", "return", " Hello", "world", " \u00dcn\u00efc\u00f6d\u00e9",
         " na\u0131ve", "I'm", " don't", "GPU", " x86_64", "\u1e9e", "stra\u00dfe", " \u0130stanbul"]
SNIPPETS = ["for (int i = 0; i < n; ++i) {\n", "def f(x):\n    return x\n", '{"a": [1, 2.5e-3]}',
            "https://example.org/a?b=c&d=%20", "// TODO: \u00e9t\u00e9\r\n", "\\begin{align}", "x ** 2 != y",
            "\t\t}\n\n\n", "a_b__c-d--e", "1,234.56", "$100", "50%", "...", "\u2026", "!?!?", "#!/bin/sh\n"]
REPEATED = ["a", " ", "=", "-", "\u54c8", "0", "\n", "!", "\u0301", "\U0001f602", "ab", "\t"]


class Random:
    """splitmix64."""

    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, count):
        return self.next() % count

    def pick(self, items):
        return items[self.below(len(items))]

    def from_range(self, bounds):
        return chr(bounds[0] + self.below(bounds[1] - bounds[0] + 1))


def code_point(index):
    return chr(index if index < 0xD800 else index + 0x800)


def alone(index):
    return code_point(index)


def embedded(index):
    """A group of neighbours, each between other things."""
    fillers = ["a", " ", "1", "\n", "'", "e\u0301", "  ", "\u4e2d"]
    text = ""
    for offset in range(EMBEDDED_GROUP):
        text += code_point(index * EMBEDDED_GROUP + offset) + fillers[(index + offset) % len(fillers)]
    return text


def piece(random):
    kind = random.below(16)
    count = 1 + random.below(6)
    if kind == 0:
        letters = ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"][random.below(2)]
        return "".join(letters[random.below(26)] for _ in range(count))
    if kind == 1:
        return "".join("0123456789"[random.below(10)] for _ in range(count))
    if kind == 2:
        return "".join(random.pick(SPACES) for _ in range(count))
    if kind == 3:
        punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
        return "".join(punctuation[random.below(32)] for _ in range(count))
    if kind == 4:
        return random.pick(CONTRACTIONS)
    if kind == 5:
        return random.pick(TOKENS)
    if kind == 6:
        return "".join(random.from_range((0x4E00, 0x9FFF)) for _ in range(count))
    if kind == 7:
        script = random.pick(SCRIPTS)
        return "".join(random.from_range(script) for _ in range(count))
    if kind == 8:
        base = "aeiouyACENOSZ"[random.below(13)]
        return base + "".join(random.from_range((0x300, 0x36F)) for _ in range(count))
    if kind == 9:
        text = random.from_range((0x1100, 0x1112))
        text += random.from_range((0x1161, 0x1175))
        return text + random.from_range((0x11A7, 0x11C2))
    if kind == 10:
        return "".join(random.pick(EMOJI) for _ in range(count))
    if kind == 11:
        return "".join(code_point(random.below(CODE_POINTS)) for _ in range(count))
    if kind == 12:
        number = random.pick(NUMBERS)
        return "".join(random.from_range(number) for _ in range(count))
    if kind == 13:
        return "".join(random.pick(WORDS) for _ in range(count))
    if kind == 14:
        return random.pick(SNIPPETS)
    return random.pick(REPEATED) * (1 + random.below(40))


def mixed(index):
    random = Random(0x7E37 + index * 0x1000003)
    count = 1 + random.below(12)
    return "".join(piece(random) for _ in range(count))


# Recorded with their ids, not digests.
EXPLICIT = [
    "", "Hello world", " Hello world", "Hello  world", "\n\nHello", "a\nb\r\nc", "1234567890", "3.14",
    "don't won't I'LL they've", "na\u00efve caf\u00e9", "nai\u0308ve cafe\u0301", "\u2126 \u212b \ufb01", " ", "\t",
    "\n", "   \n  x", "x   ", "\u00a0\u3000", "\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u3053\u3093\u306b\u3061\u306f",
    "\u1112\u1161\u11ab\u1100\u1173\u11af", "\ud55c\uae00", "\u0645\u0631\u062d\u0628\u0627", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u017f's'\u017f", "<|im_start|>user\nHi<|im_end|>\n", "<think>\n\n</think>\n\n", "<tool_call>\n{}\n</tool_call>",
    "a<|im_end|>b", "<|im_end|><|im_end|>", " <|im_end|> ", "<|im_end", "e<|im_end|>\u0301", "\u0000", "\ufffd",
    "\ufeffBOM", "\u200b", "if (x) {\n\t\treturn;\n}\n\n\n", "https://example.org", "x" * 100, " " * 100,
]

# Name, generator, number of strings.
KINDS = [
    ("alone", alone, CODE_POINTS),
    ("embedded", embedded, CODE_POINTS // EMBEDDED_GROUP),
    ("mixed", mixed, MIXED_STRINGS),
]
