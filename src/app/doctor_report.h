// The findings of `hearth doctor` as text and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "app/doctor_checks.h"

namespace hearth {

/// One line a check, its fix below it; then a table of the predictions.
std::string doctor_text(const DoctorReport& report, const std::vector<CheckLine>& checks);

/// Flat, with units last; `bandwidth`, `checks` and `predictions` are arrays of flat objects. What
/// was not measured is null.
nlohmann::ordered_json doctor_json(const DoctorReport& report,
                                   const std::vector<CheckLine>& checks);

/// "fits", "fits when others free memory", "from disk", "does not fit".
std::string_view fit_name(Fit fit);

}  // namespace hearth
