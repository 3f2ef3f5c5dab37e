// The flags of every subcommand that runs a model, and the model they ask for.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "backend/profiling_backend.h"
#include "model/model.h"

namespace CLI {
class App;
}

namespace hearth {

struct ModelFlags {
  std::string folder;
  int threads = 0;
  std::string kernel_set;
  std::string delta_form = "recurrent";
  bool exact = false;
  int64_t chunk_tokens = 512;
};

/// Adds -m, -t, --isa, --delta, --exact and --chunk.
void add_model_flags(CLI::App& command, ModelFlags& flags);

struct LoadedModel {
  std::unique_ptr<CpuBackend> backend;
  std::unique_ptr<ProfilingBackend> profile;  // in front of it, when asked for
  std::unique_ptr<Model> model;
  double load_seconds = 0;
};

enum class Profile : uint8_t { kNo, kYes };

/// Throws LoadError, UsageError, MemoryError.
LoadedModel load_model(const ModelFlags& flags, Profile profile = Profile::kNo);

/// FNV-1a-64 over the bits of the logits: equal hashes mean equal computations.
uint64_t logits_hash(std::span<const float> logits);

}  // namespace hearth
