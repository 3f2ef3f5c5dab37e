// kernel_check: every kernel of every set that this processor can run, with adversarial random
// input, against exact results; or how fast they are (--bench).
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "tests/kernels/bench.h"
#include "tests/kernels/broken_kernels.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_cases.h"

namespace hearth::kernel_check {
namespace {

struct Options {
  std::string set;
  std::string kernel;
  std::string expect;
  bool bench = false;
  bool list = false;
  bool emulated = false;
  bool self_test = false;
};

void print_list(const std::vector<KernelSet>& sets) {
  for (const KernelSet& set : sets) {
    fmt::print("{}: tiles of {} tokens\n", set.name, set.tile_tokens);
  }
  for (const KernelCases& cases : all_kernels()) fmt::print("  {}\n", cases.kernel);
}

/// The name of the first set that has the same kernel, when that is not this set.
const char* inherited_from(const KernelCases& cases, const std::vector<KernelSet>& sets,
                           size_t index) {
  for (size_t i = 0; i < index; ++i) {
    if (cases.pointer(sets[i]) == cases.pointer(sets[index])) return sets[i].name;
  }
  return nullptr;
}

bool check_set(const Options& options, const std::vector<KernelSet>& sets, size_t index) {
  bool all = true;
  for (const KernelCases& cases : all_kernels()) {
    if (!options.kernel.empty() && options.kernel != cases.kernel) continue;
    if (const char* origin = inherited_from(cases, sets, index)) {
      fmt::print("same {} {} (that of {})\n", sets[index].name, cases.kernel, origin);
      continue;
    }
    Check check(options.emulated);
    all = run_cases(cases, sets[index], check) && all;
  }
  return all;
}

int run(const Options& options) {
  const std::vector<KernelSet> sets = available_kernel_sets();
  if (options.list) {
    print_list(sets);
    return 0;
  }
  catch_faults();
  if (options.emulated) leave_slack(64);
  bool all = true;
  if (!options.expect.empty() && options.expect != sets.back().name) {
    fmt::print("FAIL the best set of this processor is {}, expected {}\n", sets.back().name,
               options.expect);
    all = false;
  }
  if (options.self_test) return run_self_test() && all ? 0 : 1;
  bool found = false;
  for (size_t i = 0; i < sets.size(); ++i) {
    if (!options.set.empty() && options.set != sets[i].name) continue;
    found = true;
    if (options.bench) run_bench(sets[i], options.kernel);
    else all = check_set(options, sets, i) && all;
  }
  if (!found) {
    fmt::print("FAIL this processor cannot run a set {}; --list shows which it can\n", options.set);
    all = false;
  }
  return all ? 0 : 1;
}

}  // namespace
}  // namespace hearth::kernel_check

int main(int argc, char** argv) {
  using namespace hearth::kernel_check;
  Options options;
  CLI::App app("Checks the kernels of every instruction set that this processor has.");
  app.add_option("--set", options.set, "only this set");
  app.add_option("--kernel", options.kernel, "only this kernel");
  app.add_option("--expect", options.expect, "fail unless this is the best set");
  app.add_flag("--bench", options.bench, "measure instead");
  app.add_flag("--list", options.list, "name the sets and kernels");
  app.add_flag("--emulated", options.emulated, "fewer cases, and what qemu needs");
  app.add_flag("--self-test", options.self_test, "check that broken kernels are noticed");
  CLI11_PARSE(app, argc, argv);
  if (!options.kernel.empty() && !find_kernel(options.kernel)) {
    fmt::print("FAIL there is no kernel {}; --list names them\n", options.kernel);
    return 1;
  }
  return run(options);
}
