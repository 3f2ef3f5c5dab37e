// Where the Hub and its cache are, from the environment that Hugging Face's programs share.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace hearth {

struct HubSettings {
  std::filesystem::path cache;                      ///< holds models--org--name/
  std::string endpoint = "https://huggingface.co";  ///< without a slash at the end
  std::string token;                                ///< empty: none
  bool offline = false;
};

/// Reads a variable of the environment.
using ReadVariable = std::function<std::optional<std::string>(const char* name)>;

/// HF_HUB_CACHE, or HUGGINGFACE_HUB_CACHE, or $HF_HOME/hub, or $XDG_CACHE_HOME/huggingface/hub, or
/// ~/.cache/huggingface/hub; HF_ENDPOINT; HF_TOKEN, or the file HF_TOKEN_PATH, or $HF_HOME/token;
/// HF_HUB_OFFLINE. Throws UsageError for an endpoint that is no http or https URL.
HubSettings hub_settings(const ReadVariable& variable);

}  // namespace hearth
