// The findings of `hearth doctor` as one page that needs nothing else: no script, nothing fetched.
#pragma once

#include <string>
#include <vector>

#include "app/doctor_checks.h"

namespace hearth {

std::string doctor_html(const DoctorReport& report, const std::vector<CheckLine>& checks);

}  // namespace hearth
