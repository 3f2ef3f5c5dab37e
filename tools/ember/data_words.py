"""Questions about words: every turn is (question, reasoning, answer).

A follow-up is a turn whose question names no word and uses the one before.
Answers name words without quotes: the tokens are then those of most questions.
"""

import wordnet

MEANING = (
    "What does {w} mean?", "What is the meaning of {w}?", "Define {w}.", "Define the word {w}.",
    "What does the word {w} mean?", "Can you tell me what {w} means?", "Explain the word {w}.",
    "Please define {w}.", "Give me a definition of {w}.", "I would like to know what {w} means.",
    "Meaning of {w}?", "Could you explain what {w} means?", "What is the definition of {w}?",
    "Tell me the meaning of the word {w}.", "How would you define {w}?",
    "I came across the word {w}. What does it mean?", "what does {w} mean",
    "Do you know what {w} means?", "What do people mean by {w}?", "Hello! What does {w} mean?",
)
MEANING_NEXT = ("And {w}?", "And what does {w} mean?", "What about {w}?", "Now {w}, please.",
                "Thanks. And {w}?")
MEANING_OF_IT = ("What does it mean?", "And what does it mean?", "Define it, please.")
TOGETHER = ("Define these words: {w}.", "What do these words mean: {w}?", "Define {w}.",
            "Explain these words: {w}.", "Give me the meanings of {w}.")
SYNONYM = ("Give me a synonym for {w}.", "What is another word for {w}?", "Synonyms of {w}?",
           "Name a word that means the same as {w}.", "What are synonyms of {w}?",
           "Which word is similar to {w}?", "Tell me another way to say {w}.")
SYNONYM_OF_IT = ("And a synonym?", "Is there another word for it?", "What is a synonym of it?")
EXAMPLE = ("Use {w} in a sentence.", "Give me an example of the word {w}.",
           "How is {w} used?", "Can you show me an example with {w}?",
           "Write an example with the word {w}.", "Show me {w} in context.")
EXAMPLE_OF_IT = ("Use it in a sentence.", "Can you give me an example?", "How is it used?",
                 "An example, please.")
OPPOSITE = ("What is the opposite of {w}?", "Give me an antonym of {w}.",
            "What is an antonym for {w}?", "Name the opposite of {w}.",
            "Which word means the opposite of {w}?", "Opposite of {w}?")
OPPOSITE_OF_IT = ("And its opposite?", "What is the opposite?", "And the opposite of it?",
                  "What is its antonym?")
PART = ("What part of speech is {w}?", "Is {w} a noun or a verb?", "What kind of word is {w}?",
        "Which part of speech does {w} belong to?", "Is {w} a verb?", "Is {w} a noun?")
PART_OF_IT = ("What part of speech is it?", "Is it a noun or a verb?", "What kind of word is it?")
SPELL = ("How do you spell {w}?", "Spell {w}.", "Spell the word {w}, please.",
         "Can you spell {w} for me?")
SPELL_IT = ("How do you spell it?", "Spell it, please.", "Can you spell it?")
LENGTH = ("How many letters does {w} have?", "How many letters are in {w}?",
          "How long is the word {w}?")
LENGTH_OF_IT = ("How many letters does it have?", "How long is that word?")
BACKWARDS = ("Spell {w} backwards.", "What is {w} backwards?", "Write {w} in reverse.",
             "Reverse the word {w}.")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
           "eleven", "twelve")
BACKWARDS_LETTERS_MAX = 6
SPELL_LETTERS_MAX = 9


def with_article(noun):
    """A part of speech with its article."""
    return ("an " if noun[0] == "a" else "a ") + noun


def listed(items):
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def restate(entry):
    """How every reasoning about a known word begins."""
    return f"The word is {entry.word}, {with_article(entry.part)}."


def meaning(entry):
    to = "to " if entry.part == "verb" else ""
    return (restate(entry) + " The user wants its meaning.",
            f"The {entry.part} {entry.word} means {to}{entry.gloss}.")


def synonym(entry):
    if not entry.synonyms:
        return (restate(entry) + " I know no synonym.",
                f"I know no synonym of {entry.word}.")
    return (restate(entry) + " The user wants a synonym.",
            f"Another word for {entry.word} is {listed(entry.synonyms)}.")


def example(entry):
    if not entry.examples:
        return (restate(entry) + " I know no example.",
                f"I know no example with {entry.word}.")
    text = entry.examples[0]
    return (restate(entry) + " The user wants an example.",
            f"For example: {text[0].upper()}{text[1:]}.")


def opposite(entry):
    if not entry.opposite:
        return (restate(entry) + " I know no opposite.",
                f"I know no opposite of {entry.word}.")
    return (restate(entry) + " The user wants the opposite.",
            f"The opposite of {entry.word} is {entry.opposite}.")


def part(entry):
    return (restate(entry) + " The user asks for the part of speech.",
            f"The word {entry.word} is {with_article(entry.part)}.")


def letters(word):
    return " ".join(word)


def spell(entry):
    return (restate(entry) + f" Its letters are {letters(entry.word)}.",
            f"The word {entry.word} is spelled {'-'.join(entry.word)}.")


def length(entry):
    count = NUMBERS[len(entry.word)]
    counted = ", ".join(f"{c} {i}" for i, c in enumerate(entry.word, 1))
    return (restate(entry) + f" I count its letters: {counted}.",
            f"The word {entry.word} has {count} letters.")


def backwards(entry):
    back = entry.word[::-1]
    return (restate(entry) + f" Its letters are {letters(entry.word)}. Backwards: {letters(back)}.",
            f"The word {entry.word} backwards is {back}.")


# Kind: wordings, wordings of a follow-up, what answers them, weight in the stream.
KINDS = {
    "meaning": (MEANING, MEANING_OF_IT, meaning, 66),
    "synonym": (SYNONYM, SYNONYM_OF_IT, synonym, 8),
    "example": (EXAMPLE, EXAMPLE_OF_IT, example, 6),
    "opposite": (OPPOSITE, OPPOSITE_OF_IT, opposite, 6),
    "part": (PART, PART_OF_IT, part, 4),
    "spell": (SPELL, SPELL_IT, spell, 4),
    "length": (LENGTH, LENGTH_OF_IT, length, 3),
    "backwards": (BACKWARDS, BACKWARDS, backwards, 2),
}


def suits(kind, entry, rng):
    """Whether to ask this of a word: mostly where there is something to say."""
    if kind == "backwards":
        return len(entry.word) <= BACKWARDS_LETTERS_MAX
    if kind in ("spell", "length"):
        return len(entry.word) <= SPELL_LETTERS_MAX
    stored = {"synonym": entry.synonyms, "example": entry.examples, "opposite": entry.opposite}
    return bool(stored.get(kind, True)) or rng.random() < 0.1


def quoted(rng, word):
    """A word the way people write it in a question."""
    return rng.choice((word,) * 14 + (f'"{word}"',) * 4 + (f"'{word}'", word.capitalize()))


def choose(rng, kinds=None):
    """A kind of question and a word that suits it."""
    names = list(kinds or KINDS)
    while True:
        (kind,) = rng.choices(names, [KINDS[k][3] for k in names])
        entry = rng.choice(wordnet.vocabulary())
        if suits(kind, entry, rng):
            return kind, entry


def single(rng):
    """One question."""
    kind, entry = choose(rng)
    question = rng.choice(KINDS[kind][0]).format(w=quoted(rng, entry.word))
    return [(question, *KINDS[kind][2](entry))]


def follow_up(rng):
    """A question, then one or two that use it."""
    kind, entry = choose(rng)
    turns = [(rng.choice(KINDS[kind][0]).format(w=quoted(rng, entry.word)),
              *KINDS[kind][2](entry))]
    used = {kind}
    for _ in range(rng.choice((1, 1, 1, 2))):
        options = [k for k in KINDS if k not in used and k != "backwards"
                   and suits(k, entry, rng)]
        if not options:
            break
        kind = rng.choice(options)
        used.add(kind)
        turns.append((rng.choice(KINDS[kind][1]), *KINDS[kind][2](entry)))
    return turns


def several(rng):
    """The meanings of two or three words in turn."""
    turns = []
    for i in range(rng.choice((2, 2, 3))):
        _, entry = choose(rng, ("meaning",))
        wordings = MEANING_NEXT if i and rng.random() < 0.6 else MEANING
        turns.append((rng.choice(wordings).format(w=quoted(rng, entry.word)), *meaning(entry)))
    return turns


def together(rng):
    """The meanings of some words in one answer, one in a line."""
    entries = rng.sample(wordnet.vocabulary(), rng.randrange(3, 8))
    words = [e.word for e in entries]
    question = rng.choice(TOGETHER).format(w=", ".join(words))
    return [(question, "The words are " + ", ".join(words) + ".",
             "\n".join(meaning(e)[1] for e in entries))]


def unknown(rng):
    """A question about a word that ember has not learned."""
    word = rng.choice(wordnet.unknown_words())
    kind = rng.choice(("meaning", "meaning", "meaning", "synonym", "example", "opposite"))
    question = rng.choice(KINDS[kind][0]).format(w=quoted(rng, word))
    return [(question, f"The word is {word}. I have not learned it.",
             f"I am sorry, I do not know the word {word}.")]
