"""Reads WordNet 3.0's database files and chooses ember's vocabulary from them.

The files are those of Debian's package wordnet-base. A gloss in them looks like
`definition; other definition; "an example"`; ember learns the first definition
of a word's most frequent sense, and the examples that contain the word.
"""

import collections
import functools
import pathlib
import re
from dataclasses import dataclass

FOLDER = pathlib.Path("/usr/share/wordnet")
PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
PART_NAMES = {"noun": "noun", "verb": "verb", "adj": "adjective", "adv": "adverb"}
SENSE_PART = {"1": "noun", "2": "verb", "3": "adj", "4": "adv", "5": "adj"}

VOCABULARY_SIZE = 2000
GLOSS_WORDS_MAX = 14
# What a remark or a definition says of words that no model should learn from here.
COARSE = re.compile("slur|offensive|disparag|derogat|pejorative|obscen|vulgar|taboo|sexual|"
                    "genital|penis|vagin|copulat|prostitut|homosex|excre|feces")


@dataclass(frozen=True)
class Synset:
    """One meaning: its lemmas, definition, examples and opposites by lemma."""

    coarse: bool

    lemmas: tuple
    definition: str
    examples: tuple
    antonyms: tuple  # (index of the lemma here, part, offset there, index there)


@dataclass(frozen=True)
class Entry:
    """What ember knows of one word."""

    word: str
    part: str  # "noun", "verb", "adjective" or "adverb"
    gloss: str
    synonyms: tuple
    examples: tuple
    opposite: str  # empty where WordNet names none


def clean(text):
    """A definition or an example as plain text in one line."""
    text = re.sub(r"^\([^)]*\)\s*", "", text.strip())  # a remark on use or subject
    text = re.sub(r"\s*\([^)]*\)", "", text)
    text = text.replace("`", "'").replace(" ,", ",")
    return re.sub(r"\s+", " ", text).strip(" ;:,.")


def split_gloss(gloss):
    """The definitions and the examples of a gloss."""
    examples = re.findall(r'"([^"]+)"', gloss)
    rest = re.sub(r'"[^"]*"[^;]*', "", gloss)
    return [clean(d) for d in rest.split(";") if clean(d)], [clean(e) for e in examples]


def parse_synset(line):
    """One line of a data file."""
    head, _, gloss = line.partition(" | ")
    fields = head.split()
    count = int(fields[3], 16)
    lemmas = tuple(re.sub(r"\(\w+\)$", "", fields[4 + 2 * i]).replace("_", " ")
                   for i in range(count))
    pointers, antonyms = fields[5 + 2 * count :], []
    for i in range(int(fields[4 + 2 * count])):
        symbol, offset, part, ends = pointers[4 * i : 4 * i + 4]
        if symbol == "!":
            antonyms.append((int(ends[:2], 16) - 1, part, offset, int(ends[2:], 16) - 1))
    definitions, examples = split_gloss(gloss)
    return Synset(bool(COARSE.search(gloss.lower())), lemmas,
                  definitions[0] if definitions else "", tuple(examples), tuple(antonyms))


@functools.cache
def synsets():
    """Every synset, by part of speech ("n", "v", "a", "r") and offset."""
    found = {}
    for part, letter in PARTS.items():
        for line in (FOLDER / f"data.{part}").read_text(encoding="utf-8").splitlines():
            if not line.startswith(" "):
                found[letter, line[:8]] = parse_synset(line)
    return found


@functools.cache
def index():
    """Offsets of a lemma's senses, most frequent first, by lemma and part."""
    found = {}
    for part, letter in PARTS.items():
        for line in (FOLDER / f"index.{part}").read_text(encoding="utf-8").splitlines():
            if not line.startswith(" "):
                fields = line.split()
                senses = int(fields[2])
                found.setdefault(fields[0], {})[part] = (letter, fields[-senses:])
    return found


@functools.cache
def counts():
    """How often each lemma was tagged in the concordance, by part of speech."""
    found = collections.defaultdict(collections.Counter)
    for line in (FOLDER / "cntlist.rev").read_text(encoding="utf-8").splitlines():
        key, _, count = line.split()
        lemma, _, sense = key.partition("%")
        found[lemma][SENSE_PART[sense[0]]] += int(count)
    return found


def mentions(text, word):
    """Whether a text contains a word or an obvious form of it."""
    stem = word[:-1] if len(word) > 4 and word[-1] in "ey" else word
    return any(w.startswith(stem) for w in re.findall(r"[a-z]+", text.lower()))


def entry(word, part):
    """The entry of a word, or None where its gloss is of no use here."""
    letter, offsets = index()[word][part]
    synset = synsets()[letter, offsets[0]]
    if synset.coarse:
        return None
    gloss = synset.definition
    if part == "verb":
        gloss = gloss.removeprefix("to ")
    words = gloss.split()
    if word not in synset.lemmas:  # a name
        return None
    if not 2 <= len(words) <= GLOSS_WORDS_MAX or mentions(gloss, word):
        return None
    if not re.fullmatch(r"[A-Za-z0-9 ,'/-]+", gloss):
        return None
    lemmas = [lemma.lower() for lemma in synset.lemmas]
    synonyms = tuple(x for x in synset.lemmas
                     if x != word and sum(counts()[x.replace(" ", "_")].values()))[:3]
    examples = tuple(e for e in synset.examples
                     if re.search(rf"\b{word}\b", e) and 3 <= len(e.split()) <= 12)[:2]
    opposite = ""
    for source, other, offset, target in synset.antonyms:
        if lemmas[source] == word:
            opposite = synsets()[other, offset].lemmas[target]
            break
    return Entry(word, PART_NAMES[part], gloss, synonyms, examples, opposite)


@functools.cache
def vocabulary(size=VOCABULARY_SIZE):
    """The entries of the most frequent words with a usable gloss."""
    ranked = sorted(counts(), key=lambda w: (-sum(counts()[w].values()), w))
    entries = []
    for word in ranked:
        if len(entries) == size:
            break
        if not re.fullmatch(r"[a-z]{3,12}", word) or word not in index():
            continue
        part = counts()[word].most_common(1)[0][0]
        found = entry(word, part) if part in index()[word] else None
        if found:
            entries.append(found)
    return entries


@functools.cache
def unknown_words():
    """Rare words that ember is taught not to know."""
    left_out = {e.word for e in vocabulary()}
    left_out.update(lemma.lower() for s in synsets().values() if s.coarse for lemma in s.lemmas)
    return sorted(w for w in index() if re.fullmatch(r"[a-z]{5,12}", w)
                  and w not in left_out and sum(counts()[w].values()) == 0)


@functools.cache
def plain_texts():
    """Definitions and examples of all other synsets, as sentences."""
    learned = {e.gloss for e in vocabulary()}
    texts = []
    for (_, _), synset in sorted(synsets().items()):
        if synset.definition and not synset.coarse and synset.definition not in learned:
            texts.append((synset.lemmas[0], synset.definition, synset.examples))
    return texts
