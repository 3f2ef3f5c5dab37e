// What the findings of `hearth doctor` mean: one line each, with what to do about it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/doctor_run.h"

namespace hearth {

enum class CheckStatus : uint8_t { kPass, kWarn, kFail };

std::string_view status_name(CheckStatus status);  // "pass", "warn", "fail"

struct CheckLine {
  CheckStatus status = CheckStatus::kPass;
  std::string topic;  // "memory"
  std::string text;
  std::string fix;        // a full sentence; empty where nothing is to be done
  bool blocking = false;  // with kFail: hearth cannot run here at all
};

std::vector<CheckLine> machine_checks(const DoctorReport& report);
std::vector<CheckLine> model_checks(const DoctorReport& report);

/// All of them, the machine's first.
std::vector<CheckLine> doctor_checks(const DoctorReport& report);

}  // namespace hearth
