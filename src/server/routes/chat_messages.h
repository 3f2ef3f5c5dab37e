// The messages of Chat Completions as a chat template wants them.
#pragma once

#include "server/dialect/json_fields.h"

namespace hearth {

/// Of a ChatInput. Messages of the system and of the developer become one, the first; parts of text
/// become one text. Throws ApiError, also for images and sounds.
Json chat_messages(const JsonFields& body);

}  // namespace hearth
