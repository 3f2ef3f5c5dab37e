#include "tests/kernels/check.h"

#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace hearth::kernel_check {
namespace {

/// Failures of one kernel that are printed; the rest are counted.
constexpr int64_t kPrintedFailures = 5;

/// Errors are recorded relative to norms above this.
constexpr double kSmallestNorm = 1e-30;

/// "SET KERNEL: CASE", kept for the fault handler, which may not allocate.
char where[256] = "before the first case";

void print_text(const char* text) {
  if (write(STDOUT_FILENO, text, strlen(text)) < 0) _exit(1);
}

const char* signal_meaning(int signal) {
  switch (signal) {
    case SIGILL: return "used an instruction that this processor does not have";
    case SIGFPE: return "divided by zero";
    default: return "touched memory that it must not touch";
  }
}

void on_fault(int signal) {
  print_text("FAIL ");
  print_text(where);
  print_text(": ");
  print_text(signal_meaning(signal));
  print_text("\n");
  _exit(1);
}

}  // namespace

void Check::start_kernel(const char* set, const char* kernel) {
  set_ = set;
  kernel_ = kernel;
  cases_ = 0;
  failures_ = 0;
  largest_error_ = 0;
}

void Check::start_case(const std::string& name) {
  case_ = name;
  ++cases_;
  std::snprintf(where, sizeof where, "%s %s: %s", set_.c_str(), kernel_.c_str(), name.c_str());
}

void Check::fail(const std::string& what) {
  if (++failures_ <= kPrintedFailures) {
    fmt::print("FAIL {} {}: {}: {}\n", set_, kernel_, case_, what);
  }
}

void Check::near(const char* what, int64_t row, int64_t column, float actual, double expected,
                 double tolerance, double norm) {
  const double error = std::fabs(static_cast<double>(actual) - expected);
  if (error <= tolerance) {  // false for NaN, too
    // Subnormal results have few bits: relative to them, no error is worth reporting.
    if (norm > kSmallestNorm) largest_error_ = std::max(largest_error_, error / norm);
    return;
  }
  fail(fmt::format("{} [{}, {}] is {:.9g}, expected {:.9g} within {:.2g}", what, row, column,
                   actual, expected, tolerance));
}

void Check::same(const char* what, int64_t row, int64_t column, float actual, float expected) {
  if (std::bit_cast<uint32_t>(actual) == std::bit_cast<uint32_t>(expected)) return;
  fail(fmt::format("{} [{}, {}] is {:.9g}, before {:.9g}", what, row, column, actual, expected));
}

bool Check::finish_kernel() {
  if (failures_ == 0) {
    fmt::print("ok   {} {} ({} cases, max error {:.1e})\n", set_, kernel_, cases_, largest_error_);
  } else {
    fmt::print("FAIL {} {} ({} cases, {} failures)\n", set_, kernel_, cases_, failures_);
  }
  std::fflush(stdout);
  return failures_ == 0;
}

void catch_faults() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // what was printed before a fault stays
  struct sigaction action {};
  action.sa_handler = on_fault;
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) sigaction(signal, &action, nullptr);
}

float unwritten() { return std::bit_cast<float>(kUnwrittenBits); }

bool is_unwritten(float value) { return std::bit_cast<uint32_t>(value) == kUnwrittenBits; }

}  // namespace hearth::kernel_check
