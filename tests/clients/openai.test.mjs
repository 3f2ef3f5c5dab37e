// OpenAI's own library: chat, streams, tools, JSON schemas, responses, completions, errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError } from "openai";
import * as facts from "./server.mjs";

const client = new OpenAI({ baseURL: `${facts.url}/v1`, apiKey: "none", maxRetries: 0 });
const ask = (content, more = {}) => ({
  model: facts.model, temperature: 0, messages: [{ role: "user", content }], ...more,
});
const tools = [{ type: "function", function: facts.weather }];

test("models", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.deepEqual(names, [facts.model]);
  assert.equal((await client.models.retrieve(facts.model)).id, facts.model);
  await assert.rejects(client.models.retrieve("nothing"), NotFoundError);
});

test("chat", async () => {
  const reply = await client.chat.completions.create(ask(facts.question));
  assert.match(reply.choices[0].message.content, facts.answer);
  assert.match(reply.choices[0].message.reasoning_content, /whisper/);
  assert.equal(reply.choices[0].finish_reason, "stop");
  assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens);
  assert.ok(reply.usage.completion_tokens_details.reasoning_tokens > 0);
});

test("a follow-up finds the turn before", async () => {
  const first = await client.chat.completions.create(ask(facts.question));
  const second = await client.chat.completions.create(ask("", { messages: [
    { role: "user", content: facts.question },
    { role: "assistant", content: first.choices[0].message.content },
    { role: "user", content: facts.followUp },
  ] }));
  assert.match(second.choices[0].message.content, facts.followUpAnswer);
  assert.ok(second.usage.prompt_tokens_details.cached_tokens > 0);
});

test("a stream adds up to the answer", async () => {
  const whole = await client.chat.completions.create(ask(facts.question));
  const stream = await client.chat.completions.create(
    ask(facts.question, { stream: true, stream_options: { include_usage: true } }));
  const ids = new Set();
  let content = "", reasoning = "", finish, usage;
  for await (const chunk of stream) {
    ids.add(chunk.id);
    if (chunk.usage) usage = chunk.usage;
    const [choice] = chunk.choices;
    content += choice?.delta.content ?? "";
    reasoning += choice?.delta.reasoning_content ?? "";
    finish = choice?.finish_reason ?? finish;
  }
  assert.equal(content, whole.choices[0].message.content);
  assert.equal(reasoning, whole.choices[0].message.reasoning_content);
  assert.equal(finish, "stop");
  assert.equal(ids.size, 1);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

test("the library's own stream helper", async () => {
  const stream = client.chat.completions.stream(ask(facts.question));
  assert.match(await stream.finalContent(), facts.answer);
});

test("tools", async () => {
  const reply = await client.chat.completions.create(ask(facts.weatherQuestion, { tools }));
  const [call] = reply.choices[0].message.tool_calls;
  assert.equal(reply.choices[0].finish_reason, "tool_calls");
  assert.equal(call.function.name, "get_weather");
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Paris" });
  const last = await client.chat.completions.create(ask("", { tools, messages: [
    { role: "user", content: facts.weatherQuestion },
    reply.choices[0].message,
    { role: "tool", tool_call_id: call.id, content: '{"temperature": 21, "sky": "sunny"}' },
  ] }));
  assert.equal(last.choices[0].finish_reason, "stop");
  assert.ok(last.choices[0].message.content.length > 0);
});

test("tools, streamed", async () => {
  const stream = client.chat.completions.stream(ask(facts.weatherQuestion, { tools }));
  const { choices: [{ message }] } = await stream.finalChatCompletion();
  assert.equal(message.tool_calls[0].function.name, "get_weather");
  assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { city: "Paris" });
});

test("a required tool is called, whatever is asked", async () => {
  const reply = await client.chat.completions.create(
    ask("Hello!", { tools, tool_choice: "required", max_tokens: 200 }));
  const [call] = reply.choices[0].message.tool_calls;
  assert.equal(call.function.name, "get_weather");
  assert.equal(typeof JSON.parse(call.function.arguments).city, "string");
});

test("JSON schema", async () => {
  const reply = await client.chat.completions.create(ask("What part of speech is whisper?", {
    response_format: { type: "json_schema",
                       json_schema: { name: "word", strict: true, schema: facts.wordSchema } },
  }));
  const value = JSON.parse(reply.choices[0].message.content);
  assert.deepEqual(Object.keys(value).sort(), ["part", "word"]);
  assert.ok(facts.wordSchema.properties.part.enum.includes(value.part));
});

test("responses", async () => {
  const reply = await client.responses.create(
    { model: facts.model, temperature: 0, input: facts.question });
  assert.match(reply.output_text, facts.answer);
  assert.equal(reply.status, "completed");
  const types = [];
  let text = "";
  const stream = await client.responses.create(
    { model: facts.model, temperature: 0, input: facts.question, stream: true });
  for await (const event of stream) {
    types.push(event.type);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.equal(text, reply.output_text);
  assert.deepEqual(types.slice(0, 2), ["response.created", "response.in_progress"]);
  assert.equal(types.at(-1), "response.completed");
});

test("responses with tools", async () => {
  const reply = await client.responses.create({ model: facts.model, temperature: 0,
    input: facts.weatherQuestion, tools: [{ type: "function", ...facts.weather }] });
  const call = reply.output.find((item) => item.type === "function_call");
  assert.equal(call.name, "get_weather");
  assert.deepEqual(JSON.parse(call.arguments), { city: "Paris" });
});

test("completions", async () => {
  const reply = await client.completions.create(
    { model: facts.model, prompt: "Hello", max_tokens: 4, temperature: 0, logprobs: 2, echo: true });
  assert.ok(reply.choices[0].text.startsWith("Hello"));
  const { tokens, token_logprobs: logprobs } = reply.choices[0].logprobs;
  assert.equal(tokens.join(""), reply.choices[0].text);
  assert.equal(logprobs[0], null);
  assert.ok(logprobs.slice(1).every((value) => value <= 0));
});

test("log-probabilities", async () => {
  const reply = await client.chat.completions.create(
    ask(facts.question, { logprobs: true, top_logprobs: 3 }));
  const { content } = reply.choices[0].logprobs;
  for (const token of content) {
    assert.equal(token.top_logprobs.length, 3);
    assert.equal(token.logprob, token.top_logprobs[0].logprob); // greedy
    assert.equal(new TextDecoder().decode(new Uint8Array(token.bytes)), token.token);
  }
});

test("errors are of the right class", async () => {
  const bad = (more) => client.chat.completions.create(ask("Hello", more));
  await assert.rejects(bad({ temperature: -1 }), BadRequestError);
  await assert.rejects(bad({ messages: [] }), BadRequestError);
  await assert.rejects(bad({ messages: [{ role: "user", content: "word ".repeat(20000) }] }),
    (error) => error instanceof BadRequestError && error.code === "context_length_exceeded");
  await assert.rejects(client.embeddings.create({ model: facts.model, input: "x" }), APIError);
});

test("a stream that is left ends the request", async () => {
  const stream = await client.chat.completions.create(ask(facts.question, { stream: true }));
  for await (const chunk of stream) {
    assert.ok(chunk.id);
    break;
  }
  for (let tries = 0; tries < 50; ++tries) {
    const slots = await (await fetch(`${facts.url}/slots`)).json();
    if (slots.every((slot) => !slot.is_processing)) return;
    await new Promise((wake) => setTimeout(wake, 100));
  }
  assert.fail("a slot is still busy");
});

test("a key that is wrong", { skip: !process.env.HEARTH_KEYED_URL }, async () => {
  const keyed = (apiKey) => new OpenAI(
    { baseURL: `${process.env.HEARTH_KEYED_URL}/v1`, apiKey, maxRetries: 0 });
  await assert.rejects(keyed("wrong").models.list(), AuthenticationError);
  assert.ok((await keyed(process.env.HEARTH_KEY).models.list()).data.length > 0);
});
