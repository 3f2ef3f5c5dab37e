// The Hub and its cache as the environment names them.
#pragma once

#include "hub/hub_settings.h"

namespace hearth {

/// From HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and their like. Throws UsageError.
HubSettings environment_hub_settings();

}  // namespace hearth
