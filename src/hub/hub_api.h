// What hearth asks of the Hub: which files a revision has, and where and what each of them is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hub/http.h"
#include "hub/hub_settings.h"
#include "hub/repo_id.h"
#include "hub/retry.h"

namespace hearth {

struct HubFile {
  std::string path;                   // in the repository; safe
  std::optional<uint64_t> size = {};  // bytes
  std::string digest = {};            // names its blob; empty: the listing does not say
};

struct HubListing {
  std::string commit;
  std::vector<HubFile> files;
};

/// How a file is fetched.
struct HubSource {
  HubFile file;               // with its digest
  std::string url = {};       // of the Hub
  std::string location = {};  // where the Hub sends one; its own url when it keeps the file itself
};

/// Throws NetworkError with advice, for an answer that is neither 2xx nor a redirect. `what` is
/// what was asked for.
[[noreturn]] void throw_refusal(const TransferResponse& response, const std::string& what,
                                const ModelRef& ref, const HubSettings& settings);

/// The answers to questions about one revision of a repository.
class HubApi {
 public:
  HubApi(const HubSettings& settings, const ModelRef& ref, const RetryPolicy& policy,
         const StopCheck& stop);

  /// Throws NetworkError; also when the Hub names a file that could leave its folder.
  HubListing list();

  /// Asks for the headers of a file, as far as the Hub's own host answers. Throws NetworkError:
  /// when the answer is about another commit, or disagrees with the listing, or has no checksum.
  HubSource find(const std::string& commit, const HubFile& file);

 private:
  TransferResponse ask(const TransferRequest& request, const std::string& what, std::string* body);

  const HubSettings& settings_;
  ModelRef ref_;
  RetryPolicy policy_;
  StopCheck stop_;
  HttpClient client_;
};

/// The checksum that the headers of a file name; empty: none.
std::string digest_of(const TransferResponse& response);

/// The settings of clients of this Hub.
HttpSettings http_settings(const HubSettings& settings, const StopCheck& stop);

}  // namespace hearth
