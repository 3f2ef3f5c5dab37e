#include "hub/hub_api.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "checkpoint/printable.h"
#include "hub/digest.h"

namespace hearth {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxListingBytes = 64u << 20;
constexpr size_t kMaxFiles = 100'000;
constexpr int kMaxHubRedirects = 5;

/// Percent-encodes what is not unreserved; slashes stay.
std::string url_path(const std::string& path) {
  constexpr std::string_view kPlain = "-._~/";
  std::string text;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       kPlain.find(c) != kPlain.npos;
    if (plain) {
      text += c;
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

/// A revision is one part of a URL: its slashes are encoded.
std::string url_revision(const std::string& revision) {
  std::string text;
  for (const char c : url_path(revision)) text += c == '/' ? "%2F" : std::string(1, c);
  return text;
}

bool is_passing_status(long status) {
  return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

/// W/"abc" → abc
std::string plain_etag(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return etag;
}

/// A text of an object; empty when absent or something else.
std::string text_of(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

std::optional<uint64_t> size_of(const Json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_number_unsigned()) return {};
  return it->get<uint64_t>();
}

HubFile listed_file(const Json& row, const std::string& repo) {
  HubFile file{.path = row.is_object() ? text_of(row, "rfilename") : ""};
  if (!is_safe_file_path(file.path)) {
    throw NetworkError(
        fmt::format("The listing of {} names a file {}, which could leave its "
                    "folder; nothing of it is downloaded.",
                    repo, printable(file.path)));
  }
  file.size = size_of(row, "size");
  file.digest = text_of(row, "blobId");
  if (const auto lfs = row.find("lfs"); lfs != row.end() && lfs->is_object()) {
    file.digest = text_of(*lfs, "sha256");
    if (const auto size = size_of(*lfs, "size")) file.size = size;
  }
  if (!digest_kind(file.digest)) file.digest.clear();
  return file;
}

}  // namespace

void throw_refusal(const TransferResponse& response, const std::string& what, const ModelRef& ref,
                   const HubSettings& settings) {
  const long status = response.status;
  const bool from_hub = origin_of(response.url) == origin_of(settings.endpoint);
  const std::string code = response.header("x-error-code");
  const std::string said = response.header("x-error-message");
  std::string advice;
  if (!from_hub) {
    advice = "That is where the Hub keeps the file.";
  } else if (code == "GatedRepo" || (status == 403 && code.empty())) {
    advice = fmt::format("Accept the terms at {}/{}, and use a token that may read it (HF_TOKEN).",
                         settings.endpoint, ref.repo);
  } else if (code == "RevisionNotFound") {
    advice =
        fmt::format("{} has no revision {}: check what follows the \"@\".", ref.repo, ref.revision);
  } else if (status == 401 && !settings.token.empty()) {
    advice = "The token was not accepted, or the name is wrong: check HF_TOKEN and the name.";
  } else if (status == 401) {
    advice = "Check the name. A private or gated model needs a token: set HF_TOKEN.";
  } else if (status == 404 && code != "EntryNotFound") {
    advice = "Check the name: there is no such model, or it is private and HF_TOKEN is not set.";
  } else if (status == 429) {
    advice = "Too many requests: wait, or set HF_TOKEN for a higher limit.";
  } else if (status >= 500) {
    advice = "The server is in trouble: try again later.";
  }
  throw NetworkError(fmt::format("{}: {} answered {}{}. {}", what, origin_of(response.url), status,
                                 said.empty() ? "" : " " + printable(said), advice),
                     is_passing_status(status), response.retry_after_seconds);
}

std::string digest_of(const TransferResponse& response) {
  std::string digest = plain_etag(response.header("x-linked-etag"));
  if (digest.empty()) digest = plain_etag(response.header("etag"));
  return digest_kind(digest) ? digest : "";
}

HttpSettings http_settings(const HubSettings& settings, const StopCheck& stop) {
  return {.endpoint = settings.endpoint, .token = settings.token, .stop = stop};
}

HubApi::HubApi(const HubSettings& settings, const ModelRef& ref, const RetryPolicy& policy,
               const StopCheck& stop)
    : settings_(settings),
      ref_(ref),
      policy_(policy),
      stop_(stop),
      client_(http_settings(settings, stop)) {}

/// Follows redirects as long as they stay with the Hub's own host: it moves renamed repositories
/// and small files about. What one answer lacks of the headers, those before it may have said.
TransferResponse HubApi::ask(const TransferRequest& first, const std::string& what,
                             std::string* body) {
  const BodySink sink = {.begin = [&](const TransferResponse&) { body->clear(); },
                         .write =
                             [&](std::span<const std::byte> bytes) {
                               if (body->size() + bytes.size() > kMaxListingBytes) {
                                 throw NetworkError(what + ": the answer is longer than 64 MiB.");
                               }
                               body->append(reinterpret_cast<const char*>(bytes.data()),
                                            bytes.size());
                             }};
  return Retry(policy_, stop_).run([&] {
    TransferRequest request = first;
    std::map<std::string, std::string> earlier;
    for (int hop = 0; hop <= kMaxHubRedirects; ++hop) {
      TransferResponse response = client_.exchange(request, sink);
      response.headers.insert(earlier.begin(), earlier.end());
      if (!response.is_redirect()) {
        if (response.status != 200) throw_refusal(response, what, ref_, settings_);
        return response;
      }
      const std::string target = HttpClient::redirect_target(response);
      if (origin_of(target) != origin_of(settings_.endpoint)) return response;
      // These two speak of the redirect itself.
      earlier = std::exchange(response.headers, {});
      earlier.erase("location");
      earlier.erase("content-length");
      request.url = target;
    }
    throw NetworkError(what + ": too many redirects.");
  });
}

HubListing HubApi::list() {
  const std::string what = "The files of " + ref_.text();
  std::string body;
  const TransferResponse response =
      ask({.url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", settings_.endpoint,
                              ref_.repo, url_revision(ref_.revision))},
          what, &body);
  if (response.is_redirect()) {
    throw NetworkError(
        fmt::format("{}: {} sends one to another host; refused.", what, settings_.endpoint));
  }
  const Json json = Json::parse(body, nullptr, false);
  const Json::const_iterator files = json.is_object() ? json.find("siblings") : json.end();
  HubListing listing;
  if (json.is_object()) listing.commit = text_of(json, "sha");
  if (!is_commit(listing.commit) || files == json.end() || !files->is_array() ||
      files->size() > kMaxFiles) {
    throw NetworkError(
        fmt::format("{}: {} gave no listing that hearth understands. Is HF_ENDPOINT "
                    "a Hub?",
                    what, settings_.endpoint));
  }
  for (const Json& row : *files) listing.files.push_back(listed_file(row, ref_.repo));
  return listing;
}

HubSource HubApi::find(const std::string& commit, const HubFile& file) {
  HubSource source{.file = file};
  source.url = fmt::format("{}/{}/resolve/{}/{}", settings_.endpoint, ref_.repo, commit,
                           url_path(file.path));
  std::string body;
  const TransferResponse response = ask({.url = source.url, .head = true}, file.path, &body);
  if (const std::string found = response.header("x-repo-commit");
      !found.empty() && found != commit) {
    throw NetworkError(
        fmt::format("{}: the repository changed during the download, from {} to {}. "
                    "Run the command again.",
                    file.path, commit, printable(found)));
  }
  if (const std::string digest = digest_of(response); !digest.empty()) {
    if (!source.file.digest.empty() && source.file.digest != digest) {
      throw NetworkError(
          fmt::format("{}: the listing has the checksum {}, the file itself {}. Run "
                      "the command again.",
                      file.path, source.file.digest, digest));
    }
    source.file.digest = digest;
  }
  if (source.file.digest.empty()) {
    throw NetworkError(
        fmt::format("{}: {} names no checksum for it; what cannot be checked is not "
                    "downloaded.",
                    file.path, settings_.endpoint));
  }
  const auto size = response.is_redirect() || response.number("x-linked-size")
                        ? response.number("x-linked-size")
                        : response.number("content-length");
  if (!source.file.size) source.file.size = size;
  if (size && *source.file.size != *size) {
    throw NetworkError(
        fmt::format("{}: the listing has {} bytes, the file itself {}. Run the "
                    "command again.",
                    file.path, *source.file.size, *size));
  }
  source.location = response.is_redirect() ? HttpClient::redirect_target(response) : response.url;
  return source;
}

}  // namespace hearth
