#include "text/tokenizer.h"

#include "base/error.h"
#include "text/text_library.h"

namespace hearth {
namespace {

hearth_tokenizer* open(const std::filesystem::path& path) {
  const std::optional<std::string> json = text_library::read_file(path);
  if (!json) {
    throw LoadError({path, "", "the tokenizer of the checkpoint", "no such file",
                     "Copy tokenizer.json from the repository the weights came from."});
  }
  hearth_text_error error{};
  hearth_tokenizer* handle = hearth_tokenizer_new(json->data(), json->size(), &error);
  if (handle == nullptr) {
    throw LoadError({path, "", "a byte-level tokenizer as Hugging Face's tokenizers writes it",
                     text_library::take(error.message),
                     "Download the file again; it may be damaged or of a newer version."});
  }
  return handle;
}

[[noreturn]] void fail(const hearth_text_error& error) {
  throw Error(ExitCode::kFailure, "tokenizer: " + text_library::take(error.message));
}

}  // namespace

void Tokenizer::Free::operator()(hearth_tokenizer* handle) const { hearth_tokenizer_free(handle); }

Tokenizer::Tokenizer(const std::filesystem::path& directory)
    : handle_(open(directory / "tokenizer.json")) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool parse_special) const {
  hearth_text_ids ids{};
  hearth_text_error error{};
  if (!hearth_tokenizer_encode(handle_.get(), text.data(), text.size(), parse_special, &ids,
                               &error)) {
    fail(error);
  }
  return text_library::take(ids);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  hearth_text_bytes text{};
  hearth_text_error error{};
  if (!hearth_tokenizer_decode(handle_.get(), ids.data(), ids.size(), skip_special, &text,
                               &error)) {
    fail(error);
  }
  return text_library::take(text);
}

int64_t Tokenizer::vocab_size() const { return hearth_tokenizer_vocab_size(handle_.get()); }

std::optional<int32_t> Tokenizer::token_id(std::string_view token) const {
  const int32_t id = hearth_tokenizer_token_id(handle_.get(), token.data(), token.size());
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

bool Tokenizer::is_special(int32_t id) const {
  return hearth_tokenizer_is_special(handle_.get(), id);
}

std::string Tokenizer::token_text(int32_t id) const {
  hearth_text_bytes bytes{};
  hearth_text_error error{};
  if (!hearth_tokenizer_token_bytes(handle_.get(), id, &bytes, &error)) fail(error);
  return text_library::take(bytes);
}

}  // namespace hearth
