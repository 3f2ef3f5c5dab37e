#include "text/grammar.h"

#include <nlohmann/json.hpp>

#include "text/text_library.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

/// Fuel bounds the time of most compilations; this bounds it for the rest.
constexpr size_t kMostBytes = 256 << 10;
/// Values within values of a schema: what writes them down again recurses.
constexpr int kMostLevels = 200;

[[noreturn]] void fail(const hearth_text_error& error) {
  throw GrammarError(text_library::take(error.message));
}

template <typename Handle>
Handle* checked(Handle* handle, const hearth_text_error& error) {
  if (handle == nullptr) fail(error);
  return handle;
}

Json schema_of(const std::string& source) {
  const auto shallow = [](int depth, Json::parse_event_t, Json&) {
    if (depth <= kMostLevels) return true;
    throw GrammarError("the schema is nested more than " + std::to_string(kMostLevels) +
                       " levels deep");
  };
  try {
    return Json::parse(source, shallow);
  } catch (const nlohmann::json::exception& error) {
    throw GrammarError(std::string("the schema is not JSON: ") + error.what());
  }
}

/// A schema goes as JSON, so that only JSON gets in.
Json item(const Grammar& grammar) {
  Json json;
  if (!grammar.name.empty()) json["name"] = grammar.name;
  switch (grammar.kind) {
    case Grammar::Kind::kJsonSchema: json["json_schema"] = schema_of(grammar.source); break;
    case Grammar::Kind::kRegex: json["regex"] = grammar.source; break;
    case Grammar::Kind::kLark: json["lark"] = grammar.source; break;
  }
  return json;
}

}  // namespace

void TokenMatcher::Free::operator()(hearth_matcher* handle) const { hearth_matcher_free(handle); }

void TokenMatcher::mask(std::span<uint32_t> words) {
  hearth_text_error error{};
  if (!hearth_matcher_mask(handle_.get(), words.data(), words.size(), &error)) fail(error);
}

void TokenMatcher::accept(int32_t token) {
  hearth_text_error error{};
  if (!hearth_matcher_accept(handle_.get(), token, &error)) fail(error);
}

bool TokenMatcher::complete() const { return hearth_matcher_done(handle_.get()); }

TokenMatcher TokenMatcher::fork() const {
  hearth_text_error error{};
  return TokenMatcher(checked(hearth_matcher_fork(handle_.get(), &error), error));
}

void GrammarCompiler::Free::operator()(hearth_vocabulary* handle) const {
  hearth_vocabulary_free(handle);
}

GrammarCompiler::GrammarCompiler(const Tokenizer& tokenizer, std::span<const int32_t> end_tokens) {
  hearth_text_error error{};
  handle_.reset(checked(
      hearth_vocabulary_new(tokenizer.handle_.get(), end_tokens.data(), end_tokens.size(), &error),
      error));
}

TokenMatcher GrammarCompiler::compile(const std::vector<Grammar>& grammars) const {
  size_t bytes = 0;
  Json items = Json::array();
  for (const Grammar& grammar : grammars) {
    bytes += grammar.source.size();
    if (bytes > kMostBytes) {
      throw GrammarError("the grammar has more than " + std::to_string(kMostBytes) + " bytes");
    }
    items.push_back(item(grammar));
  }
  const std::string json = items.dump(-1, ' ', false, Json::error_handler_t::replace);
  hearth_text_error error{};
  hearth_matcher* matcher = hearth_matcher_new(handle_.get(), json.data(), json.size(), &error);
  return TokenMatcher(checked(matcher, error));
}

}  // namespace hearth
