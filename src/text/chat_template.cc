#include "text/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "text/text_library.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kField = "chat_template";

std::string located(const std::string& name, int line, const std::string& detail) {
  return line > 0 ? fmt::format("{}:{}: {}", name, line, detail)
                  : fmt::format("{}: {}", name, detail);
}

[[noreturn]] void fail_config(const std::filesystem::path& path, const std::string& where,
                              const std::string& expected, const std::string& found) {
  throw LoadError(
      {path, where, expected, found, "Copy the file from the repository the weights came from."});
}

/// tokenizer_config.json; empty when there is none.
Json read_config(const std::filesystem::path& path) {
  const std::optional<std::string> text = text_library::read_file(path);
  if (!text) return Json::object();
  Json config = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) {
    fail_config(path, "", "a JSON object", config.is_discarded() ? "no JSON" : config.type_name());
  }
  return config;
}

/// The special tokens as variables of the template: name to text. Each is stored as its text or as
/// an object that holds it; null ones do not exist.
std::string special_tokens(const Json& config) {
  Json tokens = Json::object();
  for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    const auto token = config.find(name);
    if (token == config.end()) continue;
    if (token->is_string()) {
      tokens[name] = *token;
    } else if (token->is_object() && token->contains("content")) {
      tokens[name] = (*token)["content"];
    }
  }
  return tokens.dump();
}

/// The templates of a list of {"name": …, "template": …}, by name; `default` is among them.
std::map<std::string, std::string> named_sources(const std::filesystem::path& path,
                                                 const Json& list) {
  const auto is_named = [](const Json& entry) {
    return entry.is_object() && entry.contains("name") && entry["name"].is_string() &&
           entry.contains("template") && entry["template"].is_string();
  };
  if (!list.is_array() || !std::all_of(list.begin(), list.end(), is_named)) {
    fail_config(path, kField, "a string, or a list of objects with name and template",
                list.is_array() ? "a list of others" : list.type_name());
  }
  std::map<std::string, std::string> sources;
  for (const Json& entry : list) {
    sources[entry["name"].get<std::string>()] = entry["template"].get<std::string>();
  }
  if (!sources.contains("default")) {
    fail_config(path, kField, "a template named `default` in the list", "none");
  }
  return sources;
}

}  // namespace

TemplateError::TemplateError(const std::string& name, int line, const std::string& detail)
    : Error(ExitCode::kFailure, located(name, line, detail)),
      name_(name),
      line_(line),
      detail_(detail) {}

void ChatTemplate::Free::operator()(hearth_template* handle) const { hearth_template_free(handle); }

ChatTemplate::ChatTemplate(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "chat_template.jinja";
  const std::filesystem::path config_file = directory / "tokenizer_config.json";
  const Json config = read_config(config_file);
  const std::string tokens = special_tokens(config);
  if (const auto source = text_library::read_file(file)) {
    default_ = compile(file, "", *source, tokens);
    return;
  }
  const auto field = config.find(kField);
  if (field == config.end() || field->is_null()) {
    throw LoadError({file, "", "a chat template here or in tokenizer_config.json", "none",
                     "This may be a base model, which continues raw text; otherwise copy "
                     "chat_template.jinja from the repository the weights came from."});
  }
  if (field->is_string()) {
    default_ = compile(config_file, kField, field->get<std::string>(), tokens);
  } else {
    const auto sources = named_sources(config_file, *field);
    default_ = compile(config_file, kField, sources.at("default"), tokens);
    if (const auto tool_use = sources.find("tool_use"); tool_use != sources.end()) {
      tool_use_ = compile(config_file, "chat_template[tool_use]", tool_use->second, tokens);
    }
  }
}

ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

ChatTemplate::Compiled ChatTemplate::compile(const std::filesystem::path& path,
                                             const std::string& where, const std::string& source,
                                             const std::string& special_tokens_json) {
  std::string name = path.filename().string();
  if (!where.empty()) name += ":" + where;
  hearth_text_error error{};
  hearth_template* handle =
      hearth_template_new(name.data(), name.size(), source.data(), source.size(),
                          special_tokens_json.data(), special_tokens_json.size(), &error);
  if (handle == nullptr) {
    const std::string message = text_library::take(error.message);
    throw LoadError({path, where, "a Jinja template",
                     fmt::format("an error in its line {}: {}", error.line, message),
                     "Copy the file from the repository the weights came from."});
  }
  return {std::move(name), std::unique_ptr<hearth_template, Free>(handle)};
}

std::string ChatTemplate::render(std::string_view messages_json, std::string_view tools_json,
                                 const TemplateOptions& options) const {
  const bool with_tools = !tools_json.empty() && tools_json != "null";
  const Compiled& chosen = with_tools && tool_use_.handle ? tool_use_ : default_;
  const hearth_template_input input{
      .messages = messages_json.data(),
      .messages_size = messages_json.size(),
      .tools = tools_json.data(),
      .tools_size = tools_json.size(),
      .extra = options.extra_json.data(),
      .extra_size = options.extra_json.size(),
      .add_generation_prompt = options.add_generation_prompt,
  };
  hearth_text_bytes text{};
  hearth_text_error error{};
  if (!hearth_template_render(chosen.handle.get(), &input, &text, &error)) {
    throw TemplateError(chosen.name, static_cast<int>(error.line),
                        text_library::take(error.message));
  }
  return text_library::take(text);
}

}  // namespace hearth
