// What the cases of a kernel report to.
#pragma once

#include <cstdint>
#include <string>

namespace hearth::kernel_check {

/// Unit roundoff of float: one rounding changes a value by at most this share of it.
inline constexpr double kRoundoff = 0x1p-24;

class Check {
 public:
  /// quick: fewer cases, for emulated processors.
  explicit Check(bool quick) : quick_(quick) {}

  bool quick() const { return quick_; }

  void start_kernel(const char* set, const char* kernel);
  /// Names the case at hand, in failures and when a kernel crashes.
  void start_case(const std::string& name);
  void fail(const std::string& what);
  /// |actual − expected| must not exceed tolerance. The error is recorded relative to norm.
  void near(const char* what, int64_t row, int64_t column, float actual, double expected,
            double tolerance, double norm);
  /// Both must have the same bits.
  void same(const char* what, int64_t row, int64_t column, float actual, float expected);
  void require(bool condition, const char* what) {
    if (!condition) fail(what);
  }
  /// Prints the kernel's line; returns whether all its cases passed.
  bool finish_kernel();

 private:
  bool quick_;
  std::string set_;
  std::string kernel_;
  std::string case_;
  int64_t cases_ = 0;
  int64_t failures_ = 0;
  double largest_error_ = 0;  // relative to the norms
};

/// From here on, a fault (a page that must not be touched, an instruction that the processor does
/// not have) ends the program with exit code 1 and the name of the case.
void catch_faults();

/// The value of output that no kernel wrote, a NaN of its own.
inline constexpr uint32_t kUnwrittenBits = 0x7FA5A5A5u;
float unwritten();
bool is_unwritten(float value);

}  // namespace hearth::kernel_check
