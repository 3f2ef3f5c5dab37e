#include "app/shipped_model.h"

#include <fmt/format.h>

#include <system_error>

#include "base/error.h"
#include "os/process_info.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

// From the folder of the program: bin/ of an installation, build/PRESET/ of a source tree.
constexpr const char* kFolders[] = {"../share/hearth/models/ember", "../../models/ember"};

}  // namespace

fs::path shipped_model() {
  const fs::path program = program_folder();
  for (const char* folder : kFolders) {
    const fs::path candidate = (program / folder).lexically_normal();
    std::error_code error;
    if (fs::exists(candidate / "config.json", error)) return candidate;
  }
  throw UsageError(
      fmt::format("-m is missing, and the model that comes with hearth is neither in {} nor in {}. "
                  "Name a model: hearth chat -m DIR",
                  (program / kFolders[0]).lexically_normal().string(),
                  (program / kFolders[1]).lexically_normal().string()));
}

}  // namespace hearth
