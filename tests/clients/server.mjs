// What the tests know of the server they talk to, and the questions ember can answer.
export const url = process.env.HEARTH_URL;
export const model = process.env.HEARTH_ALIAS ?? "ember";
if (!url) throw new Error("HEARTH_URL is not set; tests/clients/run starts a server and sets it");

export const question = 'What does the word "whisper" mean?';
export const answer = /speak softly/;
export const followUp = "What part of speech is it?";
export const followUpAnswer = /verb/;
export const weatherQuestion = "What is the weather in Paris?";
export const weather = {
  name: "get_weather",
  description: "Get the weather of a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string", description: "The city." } },
    required: ["city"],
  },
};
export const wordSchema = {
  type: "object",
  properties: {
    word: { type: "string", maxLength: 20 },
    part: { type: "string", enum: ["noun", "verb", "adjective", "adverb"] },
  },
  required: ["word", "part"],
  additionalProperties: false,
};
