// The figures of hearth bench as flat JSON objects, and those as tables for people and programs.
// docs/BENCHMARKS.md lists the keys.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/bench_run.h"

namespace hearth {

using BenchRow = nlohmann::ordered_json;  // one flat object

/// What all rows of one loaded model have in common.
struct BenchContext {
  std::string model;  // the folder's name
  std::string isa;
  int threads = 0;
  int64_t chunk_tokens = 0;
  double load_seconds = 0;
  double first_token_seconds = 0;
  BenchRow options = BenchRow::object();  // the other flags of the model
  MachineRecord machine;
};

/// Adds what was predicted for the row's test, and measured over predicted.
void add_prediction(BenchRow& row, double tokens_per_s);

/// What does not apply to a row, or was not measured, is null.
BenchRow bench_row(const BenchContext& context, const ModelTraffic& traffic, const BenchTest& test,
                   const BenchResult& result);

enum class BenchFormat : uint8_t { kMarkdown, kJson, kCsv, kJsonLines };

/// Throws UsageError for an unknown name.
BenchFormat bench_format(const std::string& name);

/// Prints rows to stdout as they come.
class BenchPrinter {
 public:
  /// With columns for shares of the time, and for predictions that the rows have.
  BenchPrinter(BenchFormat format, bool profile, bool predict)
      : format_(format), profile_(profile), predict_(predict) {}

  void print(const BenchRow& row);
  /// After the last row.
  void finish();

 private:
  void print_markdown(const BenchRow& row);

  BenchFormat format_;
  bool profile_;
  bool predict_;
  int64_t rows_ = 0;
};

/// Rows of an earlier run: JSON lines, or an array of objects. Throws UsageError.
std::vector<BenchRow> read_bench_rows(const std::string& path);

/// A table of ratios, now over before, of the rows that agree in model, test, threads and kernel
/// set; of several earlier rows the last.
std::string compare_rows(const std::vector<BenchRow>& now, const std::vector<BenchRow>& before);

}  // namespace hearth
