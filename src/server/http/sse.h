// Server-sent events, as a stream of type kSseType carries them:
// https://html.spec.whatwg.org/multipage/server-sent-events.html
//
// The server itself sends a comment where such a stream is silent for long, always between events.
#pragma once

#include <string>
#include <string_view>

namespace hearth {

inline constexpr std::string_view kSseType = "text/event-stream";

/// "data: …", one line for each line of the data, and the empty line that ends an event.
std::string sse_data(std::string_view data);

/// The same with a name, which has no line break.
std::string sse_event(std::string_view name, std::string_view data);

/// A line that clients ignore.
std::string sse_comment(std::string_view text);

}  // namespace hearth
