#include "app/hub_environment.h"

#include <cstdlib>

namespace hearth {

HubSettings environment_hub_settings() {
  return hub_settings([](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (!value) return {};
    return value;
  });
}

}  // namespace hearth
