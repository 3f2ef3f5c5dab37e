// The flags of every subcommand that runs a model, and the model they ask for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "backend/profiling_backend.h"
#include "model/memory_ledger.h"
#include "model/model.h"
#include "os/file_reader.h"
#include "os/page_populator.h"

namespace CLI {
class App;
}

namespace hearth {

struct ModelFlags {
  std::string folder;
  bool shipped_by_default = false;  // without -m: the model that comes with hearth
  int threads = 0;
  std::string kernel_set;
  std::string delta_form = "recurrent";
  bool exact = false;
  std::string kv = "bf16";
  std::string head = "bf16";
  std::string dense = "checkpoint";
  std::string residency = "mapped";
  bool lock = false;
  int64_t chunk_tokens = kDefaultChunk;
  bool quiet = false;  // --quiet of the program: says nothing on stderr
};

/// Adds -m and how the model is loaded and computed: --delta, --exact, --kv, --head, --dense,
/// --residency and --lock.
void add_model_flags(CLI::App& command, ModelFlags& flags);

/// Makes -m optional: without it, the model that comes with hearth.
void default_to_shipped_model(CLI::App& command, ModelFlags& flags);

/// Adds how it is run: -t, --isa and --chunk.
void add_run_flags(CLI::App& command, ModelFlags& flags);

/// To be called first by a subcommand: takes --quiet over, and finds the folder that -m names by an
/// id of the Hub or an alias, or the one that comes with hearth. Throws UsageError when
/// it is not there.
void settle_model_flags(ModelFlags& flags, const CLI::App& command);

struct LoadedModel {
  std::unique_ptr<CpuBackend> backend;
  std::unique_ptr<ProfilingBackend> profile;  // in front of it, when asked for
  std::unique_ptr<Model> model;
  double load_seconds = 0;
  MemoryLedger ledger;
  std::optional<ReadReport> read;  // when the weights are resident
  PagePopulator populator;

  /// To be called once the first token is there, and not before: has the mapped weights' pages
  /// mapped in the background, unless they do not fit into memory anyway.
  void after_first_token();
};

/// What will be run on a model of this config.
using PlanRun = std::function<RunNeeds(const ModelConfig& config)>;

struct LoadSettings {
  bool quiet = false;    // says nothing on stderr
  bool profile = false;  // puts a ProfilingBackend in front
};

/// Opens the folder, asks what will be run, says on stderr what memory that takes, and loads.
/// Throws LoadError, UsageError, MemoryError.
LoadedModel load_model(const ModelFlags& flags, const PlanRun& plan, const LoadSettings& settings);

/// The tokens of a context on a model of this config: as many as `asked` by --context; where that
/// leaves it open (0) the `usual` number, within the model's positions. Throws UsageError when more
/// were asked for than it has.
int64_t context_of(const ModelConfig& config, int64_t asked, int64_t usual);

/// The flags' model options.
ModelOptions model_options(const ModelFlags& flags);

/// Ledger and, for resident weights, how they were read.
nlohmann::ordered_json memory_json(const LoadedModel& loaded);

/// "mapped", or "resident, read 8.2 GB in …".
std::string residency_text(const LoadedModel& loaded);

/// Which weights are not the checkpoint's own bits, and how far off they are on average, and
/// whether the KV cache is in int8, e.g. "head w8 (0.6 % RMS error), kv int8"; "as in the
/// checkpoint" when nothing is of that kind.
std::string precision_text(const Model& model);

/// FNV-1a-64 over the bits of the logits: equal hashes mean equal computations.
uint64_t logits_hash(std::span<const float> logits);

}  // namespace hearth
