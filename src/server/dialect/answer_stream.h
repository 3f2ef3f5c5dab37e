// From the service's thread to the client: brings the events of an exchange's requests into the
// exchange's thread, has them written down in a dialect, and sends what comes of it, as a stream or
// whole. Requests rest while the client does not read, and end when it goes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "answer/answer_service.h"
#include "server/dialect/api.h"
#include "server/http/exchange.h"

namespace hearth {

/// Writes answers down in one dialect. Knows no threads and no sockets: events in, text out.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;

  /// Takes an event of a request, counted from 0; never AnswerFailed. Returns what to send for it,
  /// maybe nothing; only of answers that are streamed.
  virtual std::string take(size_t request, const AnswerEvent& event) = 0;

  /// After the AnswerDone of all requests: the end of the stream, or the whole body.
  virtual std::string finish() = 0;

  /// Instead of an answer of which nothing has been sent.
  virtual HttpResponse refuse(const ApiError& error) = 0;

  /// The end of a stream that cannot go on.
  virtual std::string fail(const ApiError& error) = 0;
};

/// What becomes of an exchange whose request is understood.
struct AnswerPlan {
  std::vector<AnswerRequest> requests;  // at least one
  bool stream = false;                  // text/event-stream, from the first AnswerAccepted on
  std::unique_ptr<AnswerWriter> writer;
};

/// Submits the requests, no more of them at once than there are slots, and answers the exchange;
/// the first that fails ends the others. Returns at once. In the thread of the exchange.
void answer(const Api& api, const std::shared_ptr<Exchange>& exchange, AnswerPlan plan);

}  // namespace hearth
