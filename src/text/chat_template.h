// A conversation to the prompt its model was trained on, by the checkpoint's own template.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct hearth_template;

namespace hearth {

/// A template that failed: on what it was given, by its own raise_exception, or because it spent
/// more time, depth or output than an untrusted program gets. The message reads
/// `NAME:LINE: DETAIL`.
class TemplateError : public Error {
 public:
  TemplateError(const std::string& name, int line, const std::string& detail);

  const std::string& name() const { return name_; }      ///< the template's file
  int line() const { return line_; }                     ///< from 1; 0: unknown
  const std::string& detail() const { return detail_; }  ///< what the template raised, alone

 private:
  std::string name_;
  int line_;
  std::string detail_;
};

struct TemplateOptions {
  bool add_generation_prompt = true;  ///< end with the opening of the assistant's turn
  /// More variables for the template (`enable_thinking`), as a JSON object; may be empty.
  std::string extra_json;
};

/// Renders as `transformers` does: same variables, filters, functions and white space. Const after
/// construction: threads may share one.
class ChatTemplate {
 public:
  /// Reads chat_template.jinja in `directory`, or else chat_template in tokenizer_config.json, a
  /// string or a list of named ones; the special tokens come from that file too. Throws LoadError
  /// when there is no template or it does not parse.
  explicit ChatTemplate(const std::filesystem::path& directory);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  /// `messages_json` is an array of objects, `tools_json` one too, or empty for no tools. Keys keep
  /// their order. A list of templates that names one `tool_use` renders tools with that. Throws
  /// TemplateError.
  std::string render(std::string_view messages_json, std::string_view tools_json,
                     const TemplateOptions& options) const;

 private:
  struct Free {
    void operator()(hearth_template* handle) const;
  };
  struct Compiled {
    std::string name;
    std::unique_ptr<hearth_template, Free> handle;
  };
  static Compiled compile(const std::filesystem::path& path, const std::string& where,
                          const std::string& source, const std::string& special_tokens_json);

  Compiled default_;
  Compiled tool_use_;  // without handle: tools are the default's too
};

}  // namespace hearth
