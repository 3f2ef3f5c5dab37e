#include "hub/resolve_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "hub/aliases.h"
#include "hub/hub_cache.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxNamedProblems = 5;

/// A path by its form; what is no path may still be a folder here.
bool looks_like_path(const std::string& text) {
  return text.empty() || text == "." || text == ".." || text.front() == '/' ||
         text.starts_with("./") || text.starts_with("../") || text.ends_with('/') ||
         std::count(text.begin(), text.end(), '/') > 1;
}

std::string alias_list() {
  std::string text;
  for (const ModelAlias& row : model_aliases()) {
    text += (text.empty() ? "" : ", ") + std::string(row.alias);
  }
  return text;
}

}  // namespace

fs::path resolve_model(const std::string& text, const HubSettings& settings) {
  std::error_code error;
  const bool revision = text.find('@') != text.npos;  // and with it, slashes
  if (fs::exists(text, error) || (looks_like_path(text) && !revision)) return text;
  const ModelRef ref = named_model(text);
  if (ref.repo.find('/') == ref.repo.npos) {
    throw LoadError({.file = text,
                     .where = "",
                     .expected = "a folder, a Hub id (org/name) or an alias (" + alias_list() + ")",
                     .found = "none of them",
                     .advice = "hearth ls shows what is downloaded."});
  }
  const HubCache cache(settings.cache);
  const auto commit = cache.commit_of(ref);
  if (!commit) {
    throw LoadError({.file = cache.model_folder(ref.repo),
                     .where = "",
                     .expected = "the model " + ref.text(),
                     .found = "it not downloaded",
                     .advice = "hearth pull " + ref.text() + " fetches it."});
  }
  const fs::path folder = cache.snapshot(ref.repo, *commit);
  std::vector<std::string> problems = snapshot_problems(folder, false);
  if (problems.empty()) return folder;
  const size_t count = problems.size();
  problems.resize(std::min(count, kMaxNamedProblems));
  throw LoadError({.file = folder,
                   .where = ref.text(),
                   .expected = "a complete download",
                   .found = joined(problems, ", ") + (count > kMaxNamedProblems ? ", …" : ""),
                   .advice = "hearth pull " + ref.text() + " fetches the rest."});
}

std::string model_name(const fs::path& folder) {
  // A name behind the last slash, also where the path ends with one.
  const fs::path path = (fs::absolute(folder) / "").lexically_normal().parent_path();
  const fs::path above = path.parent_path();
  const std::string model = above.parent_path().filename().string();
  if (above.filename() == "snapshots") {
    if (const auto repo = repo_of_cache_folder(model)) return *repo;
  }
  return path.filename().string();
}

}  // namespace hearth
