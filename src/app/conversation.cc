#include "app/conversation.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iterator>

#include "app/text_file.h"
#include "base/error.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "hearth-chat";
constexpr int kVersion = 1;

Json message_json(const ChatMessage& message) {
  Json json = {{"role", message.role}, {"content", message.content}};
  if (!message.reasoning.empty()) json["reasoning_content"] = message.reasoning;
  return json;
}

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw UsageError(fmt::format("{}: {}. It is no conversation that /save wrote.", path, what));
}

std::string text_at(const Json& object, const char* key, const std::string& path,
                    const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) {
    refuse(path, fmt::format("{} has no text `{}`", where, key));
  }
  return *found;
}

ChatMessage message_at(const Json& messages, size_t index, const std::string& path) {
  const Json& json = messages[index];
  const std::string where = fmt::format("message {}", index + 1);
  if (!json.is_object()) refuse(path, where + " is no object");
  ChatMessage message{text_at(json, "role", path, where), text_at(json, "content", path, where)};
  const char* expected = index % 2 == 0 ? "user" : "assistant";
  if (message.role != expected) {
    refuse(path, fmt::format("{} is of role `{}`, not `{}`", where, message.role, expected));
  }
  if (json.contains("reasoning_content")) {
    message.reasoning = text_at(json, "reasoning_content", path, where);
  }
  return message;
}

}  // namespace

Json Conversation::template_messages() const {
  Json json = Json::array();
  if (!system.empty()) json.push_back({{"role", "system"}, {"content", system}});
  for (const ChatMessage& message : messages) json.push_back(message_json(message));
  return json;
}

bool Conversation::undo() {
  if (messages.empty()) return false;
  messages.pop_back();
  if (!messages.empty() && messages.back().role == "user") messages.pop_back();
  return true;
}

std::string Conversation::take_last_question() {
  if (messages.empty()) return "";
  const std::string question = messages[messages.size() - 2].content;
  undo();
  return question;
}

void Conversation::save(const std::string& path, const std::string& model) const {
  Json json = {{"format", kFormat}, {"version", kVersion}, {"model", model}, {"system", system}};
  json["messages"] = Json::array();
  for (const ChatMessage& message : messages) json["messages"].push_back(message_json(message));
  write_file(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

Conversation Conversation::load(const std::string& path) {
  const Json json = Json::parse(read_text_file(path), nullptr, false);
  if (!json.is_object() || json.value("format", Json()) != kFormat) {
    refuse(path, fmt::format("`format` is not \"{}\"", kFormat));
  }
  if (json.value("version", Json()) != kVersion) {
    refuse(path, fmt::format("`version` is not {}", kVersion));
  }
  Conversation conversation;
  conversation.system = text_at(json, "system", path, "it");
  const auto messages = json.find("messages");
  if (messages == json.end() || !messages->is_array() || messages->size() % 2 != 0) {
    refuse(path, "`messages` is no list of questions with their answers");
  }
  for (size_t i = 0; i < messages->size(); ++i) {
    conversation.messages.push_back(message_at(*messages, i, path));
  }
  return conversation;
}

std::string Conversation::markdown(const std::string& model) const {
  std::string text = fmt::format("# Conversation with {}\n", model);
  if (!system.empty()) text += fmt::format("\n> {}\n", system);
  for (const ChatMessage& message : messages) {
    text += message.role == "user" ? "\n## You\n" : "\n## Model\n";
    if (!message.reasoning.empty()) {
      text += fmt::format("\n<details>\n<summary>Reasoning</summary>\n\n{}\n\n</details>\n",
                          message.reasoning);
    }
    text += fmt::format("\n{}\n", message.content);
  }
  return text;
}

void write_file(const std::string& path, const std::string& text) {
  const std::string part = path + ".part";
  std::FILE* file = std::fopen(part.c_str(), "wb");
  bool good = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file) good = (std::fclose(file) == 0) && good;
  std::error_code error(errno, std::generic_category());
  if (good) std::filesystem::rename(part, path, error);
  if (!good || error) {
    std::remove(part.c_str());
    throw Error(ExitCode::kFailure,
                fmt::format("{}: cannot be written: {}.", path, error.message()));
  }
}

}  // namespace hearth
