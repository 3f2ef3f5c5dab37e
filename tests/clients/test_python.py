"""The Python libraries of OpenAI and Anthropic against a running server: see `run`."""

import json
import os

import anthropic
import openai
import pytest

URL = os.environ["HEARTH_URL"]
MODEL = os.environ.get("HEARTH_ALIAS", "ember")
QUESTION = 'What does the word "whisper" mean?'
ANSWER = "speak softly"
WEATHER = {
    "name": "get_weather",
    "description": "Get the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "The city."}},
        "required": ["city"],
    },
}


@pytest.fixture(name="client")
def openai_client():
    return openai.OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0)


@pytest.fixture(name="claude")
def anthropic_client():
    return anthropic.Anthropic(base_url=URL, api_key="none", max_retries=0)


def asked(content, **more):
    return {"model": MODEL, "temperature": 0,
            "messages": [{"role": "user", "content": content}], **more}


def told(content, **more):
    """The same for messages, whose library knows no temperature."""
    return {"model": MODEL, "max_tokens": 300, "extra_body": {"temperature": 0},
            "messages": [{"role": "user", "content": content}], **more}


def test_models(client):
    assert [m.id for m in client.models.list()] == [MODEL]


def test_a_stream_adds_up_to_the_answer(client):
    whole = client.chat.completions.create(**asked(QUESTION)).choices[0].message
    assert ANSWER in whole.content
    pieces = [chunk.choices[0].delta.content or ""
              for chunk in client.chat.completions.create(**asked(QUESTION, stream=True))
              if chunk.choices]
    assert "".join(pieces) == whole.content


def test_the_same_seed_gives_the_same_answer(client):
    def draw(seed):
        reply = client.chat.completions.create(**{**asked(QUESTION, seed=seed), "temperature": 1.5})
        return reply.choices[0].message.reasoning_content, reply.choices[0].message.content

    assert draw(7) == draw(7)


def test_several_choices(client):
    reply = client.chat.completions.create(**asked(QUESTION, n=3))
    assert [c.index for c in reply.choices] == [0, 1, 2]
    assert all(ANSWER in c.message.content for c in reply.choices)


def test_stop_strings_are_not_shown(client):
    reply = client.chat.completions.create(**asked(QUESTION, stop=["softly"]))
    assert reply.choices[0].finish_reason == "stop"
    assert reply.choices[0].message.content.endswith("speak ")


def test_a_tool(client):
    tools = [{"type": "function", "function": WEATHER}]
    reply = client.chat.completions.create(**asked("What is the weather in Paris?", tools=tools))
    (call,) = reply.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}


def test_responses(client):
    with client.responses.stream(model=MODEL, input=QUESTION, temperature=0) as stream:
        kinds = [event.type for event in stream]
        reply = stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert ANSWER in reply.output_text


def test_messages(claude):
    with claude.messages.stream(**told(QUESTION)) as stream:
        text = "".join(stream.text_stream)
    assert ANSWER in text


def test_messages_with_a_tool(claude):
    tools = [{"name": WEATHER["name"], "description": WEATHER["description"],
              "input_schema": WEATHER["parameters"]}]
    reply = claude.messages.create(**told("What is the weather in Paris?", tools=tools))
    (call,) = [block for block in reply.content if block.type == "tool_use"]
    assert call.input == {"city": "Paris"}


def test_errors(client, claude):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**asked("Hello", temperature=-1))
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        claude.messages.create(**told("word " * 20000))
