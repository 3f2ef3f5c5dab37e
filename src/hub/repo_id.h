// Names on the Hub: repositories, revisions, files in them. All of them become parts of paths and
// of URLs, so that each is checked here before it is used.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hearth {

/// A model repository and what to take of it.
struct ModelRef {
  std::string repo;               ///< "org/name"; "name" alone for a few old ones
  std::string revision = "main";  ///< a branch, a tag or a commit

  /// "org/name@revision"; without "@main".
  std::string text() const;
};

/// Reads "org/name" or "org/name@revision". Throws UsageError that says what is wrong.
ModelRef parse_model_ref(std::string_view text);

/// The rules of the Hub: at most 96 characters of [A-Za-z0-9._-], one slash at most, neither "--"
/// nor "..", letters, digits or "_" at the ends of each part.
bool is_repo_id(std::string_view text);

/// A name of git that is also a harmless path: [A-Za-z0-9._+-] and single slashes, no part that
/// begins with a dot, no "..".
bool is_revision(std::string_view text);

/// 40 lower-case hexadecimal digits.
bool is_commit(std::string_view text);

/// A relative path with slashes that stays where it is put: no empty part, no "." or "..", no
/// backslash, no control character.
bool is_safe_file_path(std::string_view path);

/// "models--org--name", as every program names the folder.
std::string cache_folder_name(const std::string& repo);

/// The inverse; nothing for a folder that holds no model.
std::optional<std::string> repo_of_cache_folder(std::string_view folder_name);

}  // namespace hearth
