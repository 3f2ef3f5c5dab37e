#include "app/load_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace hearth {
namespace {

constexpr int kBarWidth = 30;

double gigabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e9; }

/// As --kv has it; "f32" is that of --exact.
const char* kv_type_name(KvType type) {
  return type == KvType::kF32 ? "f32" : type == KvType::kBf16 ? "bf16" : "int8";
}

}  // namespace

std::string_view residency_name(Residency residency) {
  return residency == Residency::kResident ? "resident" : "mapped";
}

std::string ledger_text(const MemoryLedger& ledger) {
  std::string text;
  const auto row = [&](const std::string& what, uint64_t bytes, const std::string& note = "") {
    text += fmt::format("  {:<36}{:>10.1f} MB{}\n", what, static_cast<double>(bytes) / 1e6, note);
  };
  const RunNeeds& needs = ledger.needs;
  row(ledger.residency == Residency::kResident ? "weights, resident" : "weights, mapped",
      ledger.weight_bytes);
  if (ledger.requantised_bytes > 0) row("re-quantised copies", ledger.requantised_bytes);
  const std::string kept = needs.snapshots > 0 ? fmt::format(", {} kept", needs.snapshots) : "";
  row(fmt::format("state of {} sequence{}{}", needs.sequences, needs.sequences == 1 ? "" : "s",
                  kept),
      ledger.state_bytes());
  row(fmt::format("keys and values{}, {} tokens", ledger.kv_type == KvType::kInt8 ? " in int8" : "",
                  needs.context_tokens),
      ledger.kv_bytes,
      fmt::format(", {:.1f} per 1000", static_cast<double>(ledger.kv_bytes_per_1k_tokens) / 1e6));
  row("scratch", ledger.scratch_bytes);
  row(ledger.residency == Residency::kResident ? "needed" : "needed beside the mapping",
      ledger.anonymous_bytes(),
      fmt::format(" of {:.1f} available", static_cast<double>(ledger.available_bytes) / 1e6));
  if (ledger.residency == Residency::kMapped && !ledger.fits_whole()) {
    text += "  Weights and this do not fit together: parts are read from disk again and again.\n";
  }
  return text;
}

nlohmann::ordered_json ledger_json(const MemoryLedger& ledger) {
  return {{"residency", std::string(residency_name(ledger.residency))},
          {"weight_bytes", ledger.weight_bytes},
          {"requantised_bytes", ledger.requantised_bytes},
          {"sequences", ledger.needs.sequences},
          {"state_bytes_per_sequence", ledger.state_bytes_per_sequence},
          {"context_tokens", ledger.needs.context_tokens},
          {"kv_type", kv_type_name(ledger.kv_type)},
          {"kv_bytes_per_1k_tokens", ledger.kv_bytes_per_1k_tokens},
          {"kv_bytes", ledger.kv_bytes},
          {"scratch_bytes", ledger.scratch_bytes},
          {"needed_bytes", ledger.anonymous_bytes()},
          {"available_bytes", ledger.available_bytes}};
}

std::string progress_line(uint64_t done, uint64_t total, double seconds) {
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  const double rate = seconds > 0 ? gigabytes(done) / seconds : 0.0;
  const int filled = static_cast<int>(share * kBarWidth);
  const std::string left =
      rate > 0 ? fmt::format("{:.0f} s left", gigabytes(total - std::min(done, total)) / rate) : "";
  return fmt::format("[{:#<{}}{:-<{}}] {:5.1f} of {:.1f} GB, {:.2f} GB/s, {}", "", filled, "",
                     kBarWidth - filled, gigabytes(done), gigabytes(total), rate, left);
}

std::string read_text(const ReadReport& report) {
  return fmt::format("read {:.1f} GB in {:.1f} s, {:.2f} GB/s ({})", gigabytes(report.bytes),
                     report.seconds, gigabytes(report.bytes) / std::max(report.seconds, 1e-9),
                     read_method_name(report.method));
}

void ProgressBar::show(uint64_t done, uint64_t total) const {
  if (!terminal_) return;
  fmt::print(stderr, "\r{}\x1b[K", progress_line(done, total, clock_.seconds()));
  std::fflush(stderr);
}

void ProgressBar::finish(const ReadReport& report) const {
  fmt::print(stderr, "{}{}\n", terminal_ ? "\r\x1b[K" : "", read_text(report));
}

}  // namespace hearth
