// The writer of a dialect whose answer is one object, which grows event by event.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "server/dialect/answer_stream.h"
#include "server/dialect/json_fields.h"

namespace hearth {

/// `Answer` has take(event, now), what a client that streams hears of an event, and object(), the
/// answer to one that does not. What is left to its dialect is how it refuses.
template <typename Answer>
class ObjectWriter : public AnswerWriter {
 public:
  ObjectWriter(Answer answer, bool stream, std::function<int64_t()> now)
      : answer_(std::move(answer)), stream_(stream), now_(std::move(now)) {}

  std::string take(size_t, const AnswerEvent& event) override {
    std::string frames = tell(event);
    return stream_ ? frames : "";
  }

  std::string finish() override { return stream_ ? "" : to_text(answer_.object()); }

  std::string fail(const ApiError& error) override { return tell({.what = AnswerFailed{error}}); }

 protected:
  bool streams() const { return stream_; }

 private:
  std::string tell(const AnswerEvent& event) {
    return answer_.take(event, static_cast<double>(now_()));
  }

  Answer answer_;
  bool stream_;
  std::function<int64_t()> now_;
};

}  // namespace hearth
