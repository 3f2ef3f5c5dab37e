// One server-sent event.
#pragma once

#include <string>
#include <string_view>

#include "server/dialect/json_fields.h"

namespace hearth {

/// "event: NAME\ndata: JSON\n\n".
inline std::string sse_frame(std::string_view name, const Json& data) {
  std::string frame = "event: ";
  frame += name;
  frame += "\ndata: ";
  frame += to_text(data);
  frame += "\n\n";
  return frame;
}

}  // namespace hearth
