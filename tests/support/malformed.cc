#include "tests/support/malformed.h"

#include <iterator>
#include <utility>

namespace hearth::testing {

void MalformedCase::write(const std::filesystem::path& folder) const {
  ModelSource model = tiny_model(shards);
  if (change) change(model);
  model.write(folder);
  if (damage) damage(folder);
}

std::vector<MalformedCase> malformed_models() {
  std::vector<MalformedCase> all;
  for (auto list : {malformed_headers, malformed_folders, malformed_configs, malformed_quantization,
                    malformed_tensors}) {
    std::vector<MalformedCase> cases = list();
    std::move(cases.begin(), cases.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace hearth::testing
