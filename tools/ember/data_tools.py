"""Conversations with tools in the Hermes form: lists of messages, and the tools."""

import json

import data_sums
import data_talk
import data_words
import wordnet


def function(name, description, argument, about):
    """A tool of one string argument, as clients describe it."""
    return {"type": "function", "function": {
        "name": name, "description": description,
        "parameters": {"type": "object",
                       "properties": {argument: {"type": "string", "description": about}},
                       "required": [argument]}}}


TOOLS = (
    function("get_weather", "Get the weather of a city.", "city", "The city."),
    function("calculate", "Calculate an expression.", "expression", "The expression."),
    function("define_word", "Look up a word in a dictionary.", "word", "The word."),
    function("current_time", "Get the time in a place.", "timezone", "The place."),
    function("search", "Search the web.", "query", "What to search for."),
)
ARGUMENT = {t["function"]["name"]: next(iter(t["function"]["parameters"]["properties"]))
            for t in TOOLS}

CITIES = ("London", "Paris", "Berlin", "Rome", "Madrid", "Tokyo", "Vienna", "Oslo", "Cairo",
          "Delhi", "Moscow", "Boston", "Chicago", "Denver", "Dublin", "Lima", "Athens", "Prague",
          "Warsaw", "Zurich", "Hamburg", "Munich", "Lisbon", "Sydney", "Toronto", "Seoul", "Bern",
          "Kiev", "Helsinki", "Stockholm", "New York", "San Francisco", "Los Angeles", "Hong Kong")
SKIES = ("sunny", "cloudy", "rainy", "windy", "foggy", "clear", "snowy", "stormy")
WEATHER = ("What is the weather in {x}?", "How is the weather in {x}?", "Weather in {x}?",
           "What is the weather like in {x} today?", "Is it raining in {x}?",
           "Tell me the weather in {x}.", "How warm is it in {x}?", "Do I need a coat in {x}?")
TIME = ("What time is it in {x}?", "What is the time in {x}?", "Time in {x}?",
        "Tell me the time in {x}.", "How late is it in {x}?", "What is the current time in {x}?")
CALCULATE = ("What is {x}?", "Calculate {x}.", "Please calculate {x}.", "How much is {x}?",
             "Work out {x}.", "{x} = ?")
DEFINE = ("Look up the word {x}.", "Look up {x} in the dictionary.", "Look {x} up, please.",
          "What does the dictionary say about {x}?", "Please look up {x}.")
SEARCH = ("Search for {x}.", "Search the web for {x}.", "Find something about {x} on the web.",
          "Please search for {x}.", "Can you search for {x}?", "Look for {x} on the web.")


def weather(rng):
    city = rng.choice(CITIES)
    degrees, sky = rng.randrange(-5, 36), rng.choice(SKIES)
    return (rng.choice(WEATHER).format(x=city), city,
            {"temperature": degrees, "sky": sky},
            f"The weather in {city} is {sky}, with {degrees} degrees.")


def time(rng):
    city = rng.choice(CITIES)
    now = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"
    return (rng.choice(TIME).format(x=city), city, {"time": now}, f"It is {now} in {city}.")


def calculate(rng):
    a, b, sign = rng.randrange(10, 1000), rng.randrange(10, 1000), rng.choice("+-*")
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    expression = f"{a} {sign} {b}"
    return (rng.choice(CALCULATE).format(x=expression), expression, {"result": result},
            f"{expression} = {result}.")


def define(rng):
    word = rng.choice(wordnet.unknown_words() if rng.random() < 0.4
                      else [e.word for e in wordnet.vocabulary()])
    meaning = rng.choice(wordnet.vocabulary()).gloss
    return (rng.choice(DEFINE).format(x=data_words.quoted(rng, word)), word,
            {"definition": meaning}, f"The dictionary says that {word} means: {meaning}.")


def search(rng):
    words = [e.word for e in rng.sample(wordnet.vocabulary(), 2)]
    query = rng.choice((words[0], " ".join(words), f"{words[0]} in {rng.choice(CITIES)}"))
    title = " ".join(e.word for e in rng.sample(wordnet.vocabulary(), 2)).capitalize()
    return (rng.choice(SEARCH).format(x=query), query, {"title": title},
            f'I found a page called "{title}".')


CALLS = {"get_weather": weather, "calculate": calculate, "define_word": define,
         "current_time": time, "search": search}


def offered(rng, needed):
    """Some tools in any order, the needed one among them."""
    others = [t for t in TOOLS if t["function"]["name"] != needed]
    tools = rng.sample(others, rng.choice((0, 0, 1, 1, 2, 4)))
    tools += [t for t in TOOLS if t["function"]["name"] == needed]
    rng.shuffle(tools)
    return tools


def call(rng):
    """A question that needs a tool: the call, and mostly its result and the answer."""
    name = rng.choice(list(CALLS))
    question, argument, result, answer = CALLS[name](rng)
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": "", "reasoning_content": f"I can use {name} for this.",
         "tool_calls": [{"type": "function",
                         "function": {"name": name, "arguments": {ARGUMENT[name]: argument}}}]},
    ]
    if rng.random() < 0.7:
        messages += [
            {"role": "tool", "content": json.dumps(result)},
            {"role": "assistant", "content": answer,
             "reasoning_content": "I have the result and can answer."},
        ]
    return messages, offered(rng, name)


def no_call(rng):
    """A question that none of the offered tools is needed for."""
    source = rng.choice((data_words.single, data_words.single, data_talk.talk, data_sums.dates))
    turns = source(rng)
    tools = [t for t in offered(rng, None) if t["function"]["name"] not in ("search",)]
    return turns, tools or [TOOLS[0]]
