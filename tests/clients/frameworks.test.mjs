// Libraries that others build on: the AI SDK's compatible provider, and LangChain.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, Output, streamText, tool } from "ai";
import { z } from "zod";
import * as facts from "./server.mjs";

const provider = createOpenAICompatible(
  { name: "hearth", baseURL: `${facts.url}/v1`, supportsStructuredOutputs: true });
const settings = { model: provider(facts.model), temperature: 0, maxRetries: 0 };
const chat = () => new ChatOpenAI({ model: facts.model, temperature: 0, apiKey: "none", maxRetries: 0,
                                    configuration: { baseURL: `${facts.url}/v1` } });

test("AI SDK: text and reasoning", async () => {
  const reply = await generateText({ ...settings, prompt: facts.question });
  assert.match(reply.text, facts.answer);
  assert.match(reply.reasoningText, /whisper/);
});

test("AI SDK: a stream", async () => {
  const stream = streamText({ ...settings, prompt: facts.question });
  let text = "";
  for await (const piece of stream.textStream) text += piece;
  assert.match(text, facts.answer);
  assert.equal(await stream.finishReason, "stop");
});

test("AI SDK: a tool that runs", async () => {
  let city;
  const tools = { get_weather: tool({
    description: facts.weather.description,
    inputSchema: z.object({ city: z.string().describe("The city.") }),
    execute: async (input) => {
      city = input.city;
      return { temperature: 21, sky: "sunny" };
    },
  }) };
  const stream = streamText({ ...settings, prompt: facts.weatherQuestion, tools });
  for await (const part of stream.fullStream) assert.notEqual(part.type, "error", String(part.error));
  assert.equal(city, "Paris");
});

test("AI SDK: an object", async () => {
  const { output } = await generateText({ ...settings, prompt: "What part of speech is whisper?",
    output: Output.object({ schema: z.object({
      word: z.string().max(20), part: z.enum(["noun", "verb", "adjective", "adverb"]) }) }) });
  assert.equal(typeof output.word, "string");
});

test("LangChain: chat and stream", async () => {
  const reply = await chat().invoke(facts.question);
  assert.match(reply.content, facts.answer);
  let text = "";
  for await (const chunk of await chat().stream(facts.question)) text += chunk.content;
  assert.equal(text, reply.content);
});

test("LangChain: tools", async () => {
  const weather = langchainTool(async () => "sunny", { name: "get_weather",
    description: facts.weather.description,
    schema: z.object({ city: z.string().describe("The city.") }) });
  const reply = await chat().bindTools([weather]).invoke(facts.weatherQuestion);
  assert.equal(reply.tool_calls[0].name, "get_weather");
  assert.deepEqual(reply.tool_calls[0].args, { city: "Paris" });
});
