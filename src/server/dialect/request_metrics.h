// What the server counts about its requests, for /metrics.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Registry;
struct MetricFamily;
}  // namespace prometheus

namespace hearth {

/// Threads may share one.
class RequestMetrics {
 public:
  RequestMetrics();
  ~RequestMetrics();

  /// How an answer ended: "ok", "failed" or "gone".
  void count(const std::string& path, const std::string& outcome);
  /// From the request to the first text of its answer.
  void first_text(double seconds);

  std::vector<prometheus::MetricFamily> collect() const;

 private:
  struct Families;
  std::shared_ptr<prometheus::Registry> registry_;
  std::unique_ptr<Families> families_;
};

}  // namespace hearth
