#include "server/dialect/answering_route.h"

#include <utility>

#include "server/dialect/limits.h"

namespace hearth {
namespace {

/// Of a body that is understood at once, in a millisecond or so.
constexpr size_t kSmallBody = 64 << 10;

using ExchangePtr = std::shared_ptr<Exchange>;
/// What is left to do in the exchange's thread.
using Rest = std::function<void()>;

Rest refusal(const ExchangePtr& exchange, Refusal refuse, const ApiError& error) {
  return [exchange, response = refuse(error, exchange->request().id)]() mutable {
    exchange->respond(std::move(response));
  };
}

/// `work`, with what it throws as an answer.
Rest done(const ExchangePtr& exchange, Refusal refuse, const std::function<Rest()>& work) {
  try {
    return work();
  } catch (const ApiError& error) {
    return refusal(exchange, refuse, error);
  } catch (const std::exception& error) {
    return refusal(exchange, refuse, ApiError(ApiError::Kind::kInternal, error.what()));
  }
}

void do_later(Background& background, const ExchangePtr& exchange, Refusal refuse,
              const std::function<Rest()>& work) {
  try {
    background.run([exchange, refuse, work] { exchange->post(done(exchange, refuse, work)); });
  } catch (const ApiError& error) {
    refusal(exchange, refuse, error)();
  }
}

Route post_route(const std::string& path, std::function<void(const ExchangePtr& exchange)> handle) {
  return {.method = "POST",
          .path = path,
          .handle = std::move(handle),
          .body_bytes_max = kLimits.body_bytes};
}

}  // namespace

Route answering_route(const std::string& path, const std::shared_ptr<Api>& api, PlanOf plan_of,
                      Refusal refuse) {
  return post_route(path, [api, plan_of = std::move(plan_of), refuse](const ExchangePtr& exchange) {
    const auto request = std::make_shared<const HttpRequest>(exchange->take_request());
    const auto understand = [&shared = *api, plan_of, request, exchange]() -> Rest {
      const auto plan = std::make_shared<AnswerPlan>(plan_of(shared, *request));
      return [&shared, exchange, plan] { answer(shared, exchange, std::move(*plan)); };
    };
    if (request->body.size() > kSmallBody) {
      do_later(api->background, exchange, refuse, understand);
    } else {
      done(exchange, refuse, understand)();
    }
  });
}

Route computing_route(const std::string& path, const std::shared_ptr<Api>& api, Compute compute,
                      Refusal refuse) {
  return post_route(path, [api, compute = std::move(compute), refuse](const ExchangePtr& exchange) {
    const auto request = std::make_shared<const HttpRequest>(exchange->take_request());
    const auto work = [&shared = *api, compute, request, exchange]() -> Rest {
      return [exchange, response = compute(shared, *request)]() mutable {
        exchange->respond(std::move(response));
      };
    };
    do_later(api->background, exchange, refuse, work);
  });
}

}  // namespace hearth
