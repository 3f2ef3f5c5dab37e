// The model that is there before any other: a folder that comes with hearth.
#pragma once

#include <filesystem>

namespace hearth {

/// The folder `models/ember`, of the installation this program belongs to, or of the source tree it
/// was built in. Throws UsageError when neither has it.
std::filesystem::path shipped_model();

}  // namespace hearth
