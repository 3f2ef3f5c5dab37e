#include "model/model_files.h"

#include "model/families/family.h"

namespace hearth {

ModelFiles::ModelFiles(const std::filesystem::path& directory, Backend& backend)
    : config_(load_model_config(directory)),
      quantization_(load_quantization_config(directory)),
      checkpoint_(directory),
      family_(&find_family(checkpoint_, config_)),
      weights_(family_->load(checkpoint_, config_, quantization_, backend)) {}

std::vector<FileRange> ModelFiles::ranges() const { return checkpoint_.file_ranges(family_->uses); }

std::vector<std::span<const std::byte>> ModelFiles::mapped_ranges() const {
  return checkpoint_.mapped_ranges(family_->uses);
}

ReadReport ModelFiles::make_resident(const ResidentOptions& options, Backend& backend) {
  const ReadReport report = checkpoint_.make_resident(family_->uses, options);
  weights_ = family_->load(checkpoint_, config_, quantization_, backend);
  return report;
}

}  // namespace hearth
