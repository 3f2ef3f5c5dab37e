// GET /metrics: counters and gauges in Prometheus' text format.
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>

#include "server/routes/routes.h"

namespace hearth {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(const char* name, const char* help, MetricType type, double value) {
  prometheus::ClientMetric metric;
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return {name, help, type, {metric}};
}

MetricFamily counter(const char* name, const char* help, double value) {
  return family(name, help, MetricType::Counter, value);
}

MetricFamily gauge(const char* name, const char* help, auto value) {
  return family(name, help, MetricType::Gauge, static_cast<double>(value));
}

MetricFamily build_info(const std::string& version, const std::string& model) {
  MetricFamily info = gauge("hearth_build_info", "Always 1; the labels say what runs.", 1);
  info.metric.front().label = {{"version", version}, {"model", model}};
  return info;
}

std::vector<MetricFamily> families(const ServiceStatus& status) {
  const auto busy = std::count_if(status.slots.begin(), status.slots.end(),
                                  [](const ServiceStatus::Slot& slot) { return slot.busy; });
  const auto count = [](int64_t value) { return static_cast<double>(value); };
  return {
      counter("hearth_requests_total", "Requests that have ended.", count(status.requests)),
      counter("hearth_prompt_tokens_total", "Tokens of prompts, cached ones among them.",
              count(status.prompt_tokens)),
      counter("hearth_cached_tokens_total", "Tokens of prompts whose state was at hand.",
              count(status.cached_tokens)),
      counter("hearth_generated_tokens_total", "Tokens of answers.",
              count(status.generated_tokens)),
      counter("hearth_prefill_seconds_total", "Time that requests spent on their prompts.",
              status.prefill_seconds),
      counter("hearth_decode_seconds_total", "Time that requests spent on their answers.",
              status.decode_seconds),
      gauge("hearth_requests_running", "Requests in a slot.", busy),
      gauge("hearth_requests_waiting", "Requests in the queue.", status.waiting),
      gauge("hearth_slots", "Requests that can run at once.", status.slots.size()),
      gauge("hearth_context_tokens", "Most tokens of a prompt and its answer.",
            status.context_tokens),
      gauge("hearth_kv_pages", "Pages of the KV cache.", status.kv_pages),
      gauge("hearth_kv_pages_free", "Those of them that are free.", status.kv_pages_free),
      gauge("hearth_kept_prefixes", "States that a later prompt may go on from.",
            status.kept_prefixes),
  };
}

}  // namespace

Route metrics_route(const std::shared_ptr<Api>& api) {
  return {.method = "GET",
          .path = "/metrics",
          .handle = [api](const std::shared_ptr<Exchange>& exchange) {
            std::vector<MetricFamily> all = families(api->service.status());
            all.push_back(build_info(api->settings.version, api->service.model_name()));
            std::ranges::move(api->metrics->collect(), std::back_inserter(all));
            HttpResponse response;
            response.content_type = "text/plain; version=0.0.4; charset=utf-8";
            response.body = prometheus::TextSerializer().Serialize(all);
            exchange->respond(std::move(response));
          }};
}

}  // namespace hearth
