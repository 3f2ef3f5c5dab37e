#include "hub/hub_settings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>
#include <string_view>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

/// As Hugging Face's libraries read it: 1, ON, YES, TRUE in any case.
bool is_true(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  constexpr std::array<std::string_view, 4> kTrue = {"1", "ON", "YES", "TRUE"};
  return std::find(kTrue.begin(), kTrue.end(), value) != kTrue.end();
}

std::string without_white_space(const std::string& text) {
  const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
  const auto begin = std::find_if_not(text.begin(), text.end(), is_space);
  const auto end = std::find_if_not(text.rbegin(), std::make_reverse_iterator(begin), is_space);
  return {begin, end.base()};
}

/// A variable that is set to something.
std::optional<std::string> filled(const ReadVariable& variable, const char* name) {
  std::optional<std::string> value = variable(name);
  if (value && value->empty()) return {};
  return value;
}

fs::path with_home(const std::string& path, const fs::path& home) {
  if (path == "~") return home;
  return path.starts_with("~/") ? home / path.substr(2) : fs::path(path);
}

std::string read_token(const ReadVariable& variable, const fs::path& token_file) {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const auto token = filled(variable, name)) return without_white_space(*token);
  }
  std::ifstream file(token_file, std::ios::binary);
  return file ? without_white_space({std::istreambuf_iterator<char>(file), {}}) : "";
}

}  // namespace

HubSettings hub_settings(const ReadVariable& variable) {
  HubSettings settings;
  const fs::path home = variable("HOME").value_or("");
  fs::path hf_home = home / ".cache" / "huggingface";
  if (const auto xdg = filled(variable, "XDG_CACHE_HOME")) {
    hf_home = with_home(*xdg, home) / "huggingface";
  }
  if (const auto value = filled(variable, "HF_HOME")) hf_home = with_home(*value, home);
  settings.cache = hf_home / "hub";
  for (const char* name : {"HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"}) {
    if (const auto value = filled(variable, name)) settings.cache = with_home(*value, home);
  }
  if (const auto endpoint = filled(variable, "HF_ENDPOINT")) settings.endpoint = *endpoint;
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  if (!settings.endpoint.starts_with("https://") && !settings.endpoint.starts_with("http://")) {
    throw UsageError("HF_ENDPOINT is " + printable(settings.endpoint) +
                     ": expected a URL that begins with https:// or http://.");
  }
  const auto token_file = filled(variable, "HF_TOKEN_PATH");
  settings.token =
      read_token(variable, token_file ? with_home(*token_file, home) : hf_home / "token");
  // The token becomes a line of a request; a line end in it would begin another.
  const auto is_control = [](unsigned char c) { return c < 0x21 || c == 0x7f; };
  if (std::any_of(settings.token.begin(), settings.token.end(), is_control)) {
    throw UsageError(
        "The token of the Hub has a space or control character in it: set HF_TOKEN "
        "again.");
  }
  settings.offline = is_true(variable("HF_HUB_OFFLINE").value_or("")) ||
                     is_true(variable("TRANSFORMERS_OFFLINE").value_or(""));
  return settings;
}

}  // namespace hearth
