#include "server/dialect/request_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace hearth {

struct RequestMetrics::Families {
  prometheus::Family<prometheus::Counter>* answers;
  prometheus::Histogram* first_text;
};

RequestMetrics::RequestMetrics()
    : registry_(std::make_shared<prometheus::Registry>()), families_(std::make_unique<Families>()) {
  families_->answers = &prometheus::BuildCounter()
                            .Name("hearth_answers_total")
                            .Help("Answers by route and by how they ended.")
                            .Register(*registry_);
  const prometheus::Histogram::BucketBoundaries seconds = {0.05, 0.1, 0.2, 0.5, 1,  2,
                                                           5,    10,  20,  50,  100};
  families_->first_text = &prometheus::BuildHistogram()
                               .Name("hearth_time_to_first_text_seconds")
                               .Help("From a request to the first text of its answer.")
                               .Register(*registry_)
                               .Add({}, seconds);
}

RequestMetrics::~RequestMetrics() = default;

void RequestMetrics::count(const std::string& path, const std::string& outcome) {
  families_->answers->Add({{"route", path}, {"outcome", outcome}}).Increment();
}

void RequestMetrics::first_text(double seconds) { families_->first_text->Observe(seconds); }

std::vector<prometheus::MetricFamily> RequestMetrics::collect() const {
  return registry_->Collect();
}

}  // namespace hearth
