// Anthropic's own library: messages, streams with thinking, tools, token counts, errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import * as facts from "./server.mjs";

const client = new Anthropic({ baseURL: facts.url, apiKey: "none", maxRetries: 0 });
const ask = (content, more = {}) => ({
  model: facts.model, max_tokens: 300, temperature: 0, messages: [{ role: "user", content }],
  ...more,
});
const textOf = (message) =>
  message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

test("messages", async () => {
  const reply = await client.messages.create(ask(facts.question));
  assert.match(textOf(reply), facts.answer);
  assert.equal(reply.stop_reason, "end_turn");
  assert.ok(reply.usage.output_tokens > 0);
});

test("a stream adds up to the message", async () => {
  const thinking = { type: "enabled", budget_tokens: 1024 };
  const options = ask(facts.question, { thinking, max_tokens: 2048 });
  delete options.temperature;
  const events = [];
  const stream = client.messages.stream({ ...options, temperature: 0 });
  stream.on("streamEvent", (event) => events.push(event.type));
  const reply = await stream.finalMessage();
  assert.match(textOf(reply), facts.answer);
  assert.equal(reply.content[0].type, "thinking");
  assert.match(reply.content[0].thinking, /whisper/);
  assert.equal(events[0], "message_start");
  assert.deepEqual(events.slice(-2), ["message_delta", "message_stop"]);
});

test("tools", async () => {
  const tools = [{ name: facts.weather.name, description: facts.weather.description,
                   input_schema: facts.weather.parameters }];
  const reply = await client.messages.stream(ask(facts.weatherQuestion, { tools })).finalMessage();
  const call = reply.content.find((block) => block.type === "tool_use");
  assert.equal(reply.stop_reason, "tool_use");
  assert.equal(call.name, "get_weather");
  assert.deepEqual(call.input, { city: "Paris" });
  const last = await client.messages.create(ask("", { tools, messages: [
    { role: "user", content: facts.weatherQuestion },
    { role: "assistant", content: reply.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: call.id,
                                content: '{"temperature": 21, "sky": "sunny"}' }] },
  ] }));
  assert.equal(last.stop_reason, "end_turn");
  assert.ok(textOf(last).length > 0);
});

test("tokens are counted as the message counts them", async () => {
  const { messages, model } = ask(facts.question);
  const count = await client.messages.countTokens({ model, messages });
  const { usage } = await client.messages.create(ask(facts.question));
  assert.equal(count.input_tokens, usage.input_tokens + (usage.cache_read_input_tokens ?? 0)
    + (usage.cache_creation_input_tokens ?? 0));
});

test("errors are of the right class", async () => {
  await assert.rejects(client.messages.create(ask("Hello", { messages: [] })),
    Anthropic.BadRequestError);
  await assert.rejects(client.messages.create(ask("word ".repeat(20000))), (error) =>
    error instanceof Anthropic.BadRequestError
    && /prompt is too long: \d+ tokens > \d+ maximum/.test(error.message));
});
