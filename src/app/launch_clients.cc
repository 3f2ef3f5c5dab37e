#include "app/launch_clients.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

/// Of a client's patience: a long prompt takes a processor longer than a vendor's machines.
constexpr int64_t kPatienceMs = 3'600'000;
constexpr int64_t kMaxOutputTokens = 32'000;

/// Clients want some key, though the server asks for none.
std::string key_of(const LaunchServer& server) {
  return server.api_key.empty() ? "hearth" : server.api_key;
}

/// A part of the context, so that there is room for the conversation.
int64_t output_tokens(const LaunchServer& server) {
  return std::min(kMaxOutputTokens, server.context_tokens / 4);
}

/// ANTHROPIC_API_KEY is emptied: with both, some versions of Claude Code ask which one to use. The
/// attribution header would change the beginning of each prompt.
LaunchCommand claude(const LaunchServer& server) {
  LaunchCommand command = {.variables = {{"ANTHROPIC_BASE_URL", server.url},
                                         {"ANTHROPIC_AUTH_TOKEN", key_of(server)},
                                         {"ANTHROPIC_API_KEY", ""}},
                           .program = "claude"};
  for (const char* name : {"ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL",
                           "ANTHROPIC_DEFAULT_SONNET_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL",
                           "ANTHROPIC_SMALL_FAST_MODEL", "CLAUDE_CODE_SUBAGENT_MODEL"}) {
    command.variables.emplace_back(name, server.model);
  }
  if (server.context_tokens > 0) {
    const std::string context = std::to_string(server.context_tokens);
    command.variables.emplace_back("CLAUDE_CODE_MAX_CONTEXT_TOKENS", context);
    command.variables.emplace_back("CLAUDE_CODE_AUTO_COMPACT_WINDOW", context);
    command.variables.emplace_back("CLAUDE_CODE_MAX_OUTPUT_TOKENS",
                                   std::to_string(output_tokens(server)));
  }
  const std::string patience = std::to_string(kPatienceMs);
  command.variables.emplace_back("API_TIMEOUT_MS", patience);
  command.variables.emplace_back("CLAUDE_STREAM_IDLE_TIMEOUT_MS", patience);
  command.variables.emplace_back("CLAUDE_CODE_ATTRIBUTION_HEADER", "0");
  command.variables.emplace_back("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
  return command;
}

/// A string in TOML; JSON's are.
std::string toml(const std::string& text) { return Json(text).dump(); }

LaunchCommand codex(const LaunchServer& server) {
  std::string provider =
      fmt::format(R"({{name="hearth",base_url={},wire_api="responses",stream_idle_timeout_ms={}}})",
                  toml(server.url + "/v1"), kPatienceMs);
  LaunchCommand command = {.program = "codex"};
  if (!server.api_key.empty()) {
    command.variables.emplace_back("HEARTH_API_KEY", server.api_key);
    provider.insert(provider.size() - 1, R"(,env_key="HEARTH_API_KEY")");
  }
  const auto set = [&](const std::string& key, const std::string& value) {
    command.arguments.push_back("-c");
    command.arguments.push_back(fmt::format("{}={}", key, value));
  };
  set("model_providers.hearth", provider);
  set("model_provider", toml("hearth"));
  set("model", toml(server.model));
  if (server.context_tokens > 0) {
    set("model_context_window", std::to_string(server.context_tokens));
  }
  set("show_raw_agent_reasoning", "true");
  return command;
}

LaunchCommand opencode(const LaunchServer& server) {
  Json model = {{"name", server.model}, {"tool_call", true}};
  if (server.context_tokens > 0) {
    model["limit"] = {{"context", server.context_tokens}, {"output", output_tokens(server)}};
  }
  const Json config = {{"$schema", "https://opencode.ai/config.json"},
                       {"provider",
                        {{"hearth",
                          {{"npm", "@ai-sdk/openai-compatible"},
                           {"name", "hearth"},
                           {"options",
                            {{"baseURL", server.url + "/v1"},
                             {"apiKey", key_of(server)},
                             {"timeout", kPatienceMs},
                             {"headerTimeout", kPatienceMs},
                             {"chunkTimeout", kPatienceMs}}},
                           {"models", {{server.model, std::move(model)}}}}}}},
                       {"model", "hearth/" + server.model},
                       {"small_model", "hearth/" + server.model}};
  return {.variables = {{"OPENCODE_CONFIG_CONTENT", config.dump()}}, .program = "opencode"};
}

LaunchCommand qwen(const LaunchServer& server) {
  return {.variables = {{"OPENAI_BASE_URL", server.url + "/v1"},
                        {"OPENAI_API_KEY", key_of(server)},
                        {"OPENAI_MODEL", server.model}},
          .program = "qwen",
          .arguments = {"--auth-type", "openai", "--model", server.model}};
}

constexpr std::array kClients = {
    LaunchClient{"claude", "Claude Code", "npm install -g @anthropic-ai/claude-code", claude},
    LaunchClient{"codex", "Codex", "npm install -g @openai/codex", codex},
    LaunchClient{"opencode", "opencode", "npm install -g opencode-ai", opencode},
    LaunchClient{"qwen", "Qwen Code", "npm install -g @qwen-code/qwen-code", qwen},
};

/// As it is where that is safe, else in single quotes.
std::string shell_word(const std::string& text) {
  constexpr std::string_view kSafe =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,=";
  if (!text.empty() && text.find_first_not_of(kSafe) == text.npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

}  // namespace

std::span<const LaunchClient> launch_clients() { return kClients; }

std::string shell_text(const LaunchCommand& command) {
  std::string text;
  for (const auto& [name, value] : command.variables) {
    text += fmt::format("{}={} \\\n", name, shell_word(value));
  }
  text += shell_word(command.program);
  for (const std::string& argument : command.arguments) {
    text += (argument.starts_with('-') ? " \\\n  " : " ") + shell_word(argument);
  }
  return text + "\n";
}

}  // namespace hearth
