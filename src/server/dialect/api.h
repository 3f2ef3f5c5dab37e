// What the routes of a server share.
#pragma once

#include <memory>
#include <utility>

#include "answer/answer_service.h"
#include "server/dialect/api_settings.h"
#include "server/dialect/background.h"
#include "server/dialect/request_metrics.h"

namespace hearth {

/// Owned by the routes together, and by nothing else: whoever runs in the background would have to
/// wait for itself if it held the last reference.
struct Api {
  Api(AnswerService& answers, ApiSettings chosen) : service(answers), settings(std::move(chosen)) {}

  AnswerService& service;  // outlives the routes and their exchanges
  const ApiSettings settings;
  /// Also of answers that end after the server has.
  const std::shared_ptr<RequestMetrics> metrics = std::make_shared<RequestMetrics>();
  Background background;  // the last: its tasks use all of the above
};

}  // namespace hearth
