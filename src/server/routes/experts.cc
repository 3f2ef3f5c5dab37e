// GET /v1/experts: how often each expert was chosen since the server started.
#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

/// Of all choices, the share of those experts that were chosen most, a tenth of all. A tenth where
/// all are chosen alike; near one where few experts do the work.
double busiest_tenth_share(std::vector<uint64_t> uses, uint64_t all) {
  if (all == 0) return 0;
  const auto end = uses.begin() + static_cast<std::ptrdiff_t>((uses.size() + 9) / 10);
  std::partial_sort(uses.begin(), end, uses.end(), std::greater());
  return static_cast<double>(std::accumulate(uses.begin(), end, uint64_t{0})) /
         static_cast<double>(all);
}

Json layer_json(const ExpertUses& uses, int64_t layer) {
  std::vector<uint64_t> counts;
  for (int64_t expert = 0; expert < uses.experts(); ++expert) {
    counts.push_back(uses.count(layer, expert));
  }
  const uint64_t all = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  return {{"layer", layer},
          {"choices", all},
          {"unused_experts", std::count(counts.begin(), counts.end(), 0u)},
          {"busiest_tenth_share", busiest_tenth_share(counts, all)},
          {"uses", counts}};
}

}  // namespace

Route experts_route(const std::shared_ptr<Api>& api) {
  return {.method = "GET",
          .path = "/v1/experts",
          .handle = [api](const std::shared_ptr<Exchange>& exchange) {
            const ExpertUses& uses = api->service.expert_uses();
            Json layers = Json::array();
            for (int64_t layer = 0; layer < uses.layers(); ++layer) {
              layers.push_back(layer_json(uses, layer));
            }
            exchange->respond(json_response({{"experts", uses.experts()}, {"layers", layers}}));
          }};
}

}  // namespace hearth
