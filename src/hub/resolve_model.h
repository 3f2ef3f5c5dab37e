// From what a user calls a model to the folder that it is in.
#pragma once

#include <filesystem>
#include <string>

#include "hub/hub_settings.h"

namespace hearth {

/// The folder itself, when `text` is one or looks like a path; else the snapshot in the cache of a
/// Hub id ("org/name", "org/name@revision") or of an alias. Throws LoadError when that is not
/// downloaded or not complete, with what to do, and UsageError for what is none of these.
std::filesystem::path resolve_model(const std::string& text, const HubSettings& settings);

/// What people call the model in a folder: "org/name" for a snapshot in the cache, else the last
/// part of the path.
std::string model_name(const std::filesystem::path& folder);

}  // namespace hearth
