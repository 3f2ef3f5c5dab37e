#include "hub/repo_id.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace hearth {
namespace {

constexpr size_t kMaxRepoBytes = 96;        // the Hub's own limit
constexpr size_t kMaxComponentBytes = 255;  // of Linux
constexpr size_t kMaxPathBytes = 1024;
constexpr std::string_view kModels = "models--";

/// Independent of the locale, unlike isalnum.
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_repo_part(std::string_view part) {
  const auto allowed = [](char c) { return is_word(c) || c == '-' || c == '.'; };
  return !part.empty() && is_word(part.front()) && is_word(part.back()) &&
         std::all_of(part.begin(), part.end(), allowed);
}

/// Whether `accept` holds for each part between slashes; no text is one empty part.
template <typename Accept>
bool all_parts(std::string_view text, const Accept& accept) {
  for (;;) {
    const size_t slash = text.find('/');
    if (!accept(text.substr(0, slash))) return false;
    if (slash == text.npos) return true;
    text.remove_prefix(slash + 1);
  }
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

std::string ModelRef::text() const { return revision == "main" ? repo : repo + "@" + revision; }

bool is_repo_id(std::string_view text) {
  return text.size() <= kMaxRepoBytes && std::count(text.begin(), text.end(), '/') <= 1 &&
         all_parts(text, is_repo_part) && !contains(text, "--") && !contains(text, "..") &&
         !text.ends_with(".git");
}

bool is_revision(std::string_view text) {
  const auto is_part = [](std::string_view part) {
    const auto allowed = [](char c) { return is_word(c) || contains(".+-", {&c, 1}); };
    return !part.empty() && part.size() <= kMaxComponentBytes && part.front() != '.' &&
           part.front() != '-' && std::all_of(part.begin(), part.end(), allowed) &&
           !part.ends_with(".lock");
  };
  return text.size() <= kMaxComponentBytes && all_parts(text, is_part) && !contains(text, "..");
}

bool is_commit(std::string_view text) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 40 && std::all_of(text.begin(), text.end(), is_hex);
}

bool is_safe_file_path(std::string_view path) {
  const auto is_part = [](std::string_view part) {
    const auto harmless = [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '\\';
    };
    return !part.empty() && part.size() <= kMaxComponentBytes && part != "." && part != ".." &&
           std::all_of(part.begin(), part.end(), harmless);
  };
  return path.size() <= kMaxPathBytes && all_parts(path, is_part);
}

ModelRef parse_model_ref(std::string_view text) {
  const size_t at = text.find('@');
  ModelRef ref{.repo = std::string(text.substr(0, at))};
  if (!is_repo_id(ref.repo)) {
    throw UsageError(fmt::format(
        "{} is no model of the Hub: expected \"org/name\", with letters, digits and single \".\", "
        "\"-\", \"_\" between them.",
        printable(ref.repo)));
  }
  if (at == text.npos) return ref;
  ref.revision = std::string(text.substr(at + 1));
  if (!is_revision(ref.revision)) {
    throw UsageError(
        fmt::format("{} is no revision: expected a branch, a tag or a commit after "
                    "the \"@\".",
                    printable(ref.revision)));
  }
  return ref;
}

std::string cache_folder_name(const std::string& repo) {
  const size_t slash = repo.find('/');
  if (slash == repo.npos) return fmt::format("{}{}", kModels, repo);
  return fmt::format("{}{}--{}", kModels, repo.substr(0, slash), repo.substr(slash + 1));
}

std::optional<std::string> repo_of_cache_folder(std::string_view folder_name) {
  if (!folder_name.starts_with(kModels)) return {};
  std::string repo(folder_name.substr(kModels.size()));
  const size_t dashes = repo.find("--");
  if (dashes != repo.npos) repo = repo.substr(0, dashes) + '/' + repo.substr(dashes + 2);
  if (!is_repo_id(repo)) return {};
  return repo;
}

}  // namespace hearth
