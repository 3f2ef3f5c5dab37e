// TLS, and what is written down about exchanges.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "server/http/http_server.h"
#include "server/http/server_log.h"
#include "tests/server/http_client.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using namespace testing;  // NOLINT: the client

std::vector<Route> tls_routes() {
  return {
      {"POST", "/size",
       [](const ExchangePtr& e) { say(e, std::to_string(e->request().body.size())); }},
      {"GET", "/much",
       [](const ExchangePtr& e) {
         e->begin_stream({200, "text/plain", "", {}});
         for (int i = 0; i < 64; ++i)
           e->write(std::string(32 << 10, static_cast<char>('a' + i % 26)));
         e->end();
       }},
      {"GET", "/throws", [](const ExchangePtr&) { throw std::runtime_error("line\nbreak"); }},
  };
}

template <typename T, void (*free)(T*)>
struct Free {
  void operator()(T* pointer) const { free(pointer); }
};
template <typename T, void (*free)(T*)>
using Owned = std::unique_ptr<T, Free<T, free>>;

struct Identity {
  std::filesystem::path certificate;
  std::filesystem::path key;
};

/// A key and a certificate for localhost that it signed itself.
Identity make_identity(const std::filesystem::path& folder, const std::string& name,
                       EVP_PKEY* own_key = EVP_EC_gen("P-256")) {
  const Owned<EVP_PKEY, EVP_PKEY_free> key(own_key);
  const Owned<X509, X509_free> certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  EXPECT_GT(X509_sign(certificate.get(), key.get(), EVP_sha256()), 0);
  const Identity identity = {folder / (name + ".pem"), folder / (name + ".key")};
  FILE* file = std::fopen(identity.certificate.c_str(), "w");
  EXPECT_EQ(PEM_write_X509(file, certificate.get()), 1);
  std::fclose(file);
  file = std::fopen(identity.key.c_str(), "w");
  EXPECT_EQ(PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
  std::fclose(file);
  return identity;
}

/// A connection that trusts one certificate only.
class TlsClient {
 public:
  TlsClient(uint16_t port, const std::filesystem::path& trusted)
      : client_(port), context_(SSL_CTX_new(TLS_client_method())) {
    EXPECT_EQ(SSL_CTX_load_verify_file(context_.get(), trusted.c_str()), 1);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set1_host(ssl_.get(), "localhost");
    SSL_set_fd(ssl_.get(), client_.descriptor());
    connected_ = SSL_connect(ssl_.get()) == 1;
  }

  bool connected() const { return connected_; }
  void send(const std::string& bytes) {
    EXPECT_EQ(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())),
              static_cast<int>(bytes.size()));
  }
  /// Until the server says goodbye.
  std::string read_to_end() {
    std::string text;
    char bytes[4096];
    int count = 0;
    while ((count = SSL_read(ssl_.get(), bytes, sizeof(bytes))) > 0) text.append(bytes, count);
    EXPECT_EQ(SSL_get_error(ssl_.get(), count), SSL_ERROR_ZERO_RETURN);
    return text;
  }

 private:
  HttpClient client_;
  Owned<SSL_CTX, SSL_CTX_free> context_;
  Owned<SSL, SSL_free> ssl_;
  bool connected_ = false;
};

HttpServerOptions with(const Identity& identity) {
  HttpServerOptions options;
  options.certificate = identity.certificate;
  options.private_key = identity.key;
  return options;
}

TEST(HttpTls, AnswersOverTlsAndNothingElse) {
  const TempFolder folder;
  const Identity identity = make_identity(folder.path(), "good");
  const RunningServer server(tls_routes(), with(identity));
  TlsClient client(server.port(), identity.certificate);
  ASSERT_TRUE(client.connected());
  const std::string close = "Connection: close\r\n";
  client.send(post("/size", std::string(300'000, 'x')) + get("/much", close));
  const std::string text = client.read_to_end();
  EXPECT_NE(text.find("\r\n\r\n300000HTTP/1.1 200"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\n0\r\n\r\n"));
  EXPECT_GT(text.size(), 2u << 20);

  HttpClient plain(server.port());
  plain.send(get("/much"));
  EXPECT_EQ(plain.read_to_end().find("HTTP/1.1"), std::string::npos);
}

TEST(HttpTls, SeesClientsLeave) {
  const TempFolder folder;
  const Identity identity = make_identity(folder.path(), "good");
  std::atomic<int> waiting = 0;
  std::atomic<int> gone = 0;
  const RunningServer server({{"GET", "/wait",
                               [&](const ExchangePtr& e) {
                                 e->on_gone([&] { ++gone; });
                                 ++waiting;
                               }}},
                             with(identity));
  {
    TlsClient client(server.port(), identity.certificate);
    client.send(get("/wait") + get("/wait"));
    ASSERT_TRUE(eventually([&] { return waiting == 1; }));
    EXPECT_EQ(gone, 0) << "bytes sent ahead are no goodbye";
  }
  EXPECT_TRUE(eventually([&] { return gone == 1; }));
}

TEST(HttpTls, SaysWhatIsWrongWithItsFiles) {
  const TempFolder folder;
  const Identity good = make_identity(folder.path(), "good");
  const Identity other = make_identity(folder.path(), "other");
  const Identity rsa = make_identity(folder.path(), "rsa", EVP_RSA_gen(2048));
  const std::filesystem::path text = folder.path() / "text";
  std::ofstream(text) << "not a certificate";
  const auto message = [](const Identity& identity) -> std::string {
    try {
      const HttpServer server(with(identity), {});
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message({text, good.key}).find(text.string()), std::string::npos);
  EXPECT_NE(message({good.certificate, text}).find(text.string()), std::string::npos);
  EXPECT_NE(message({good.certificate, folder.path() / "none"}), "");
  EXPECT_NE(message({good.certificate, other.key}).find("mismatch"), std::string::npos);
  EXPECT_NE(message({good.certificate, rsa.key}).find("does not belong"), std::string::npos);
  EXPECT_NE(message({good.certificate, ""}).find("missing"), std::string::npos);
}

TEST(ServerLog, WritesALineForEachAnswerAndEachError) {
  const TempFolder folder;
  HttpServerOptions options;
  options.log = std::make_shared<ServerLog>(
      ServerLogOptions{ServerLogOptions::Access::kJson, folder.path() / "log"});
  {
    const RunningServer server(tls_routes(), options);
    fetch(server.port(), post("/size?secret=1", "12345", "x-request-id: one\r\n"));
    fetch(server.port(), get("/throws", "x-request-id: two\r\n"));
    fetch(server.port(), get("/%0anowhere", "x-request-id: three\r\n"));
  }
  options.log.reset();
  std::istringstream lines(read_file(folder.path() / "log"));
  std::vector<nlohmann::json> all;
  for (std::string line; std::getline(lines, line);) all.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].at("id"), "one");
  EXPECT_EQ(all[0].at("path"), "/size");
  EXPECT_EQ(all[0].at("client"), "127.0.0.1");
  EXPECT_EQ(all[0].at("status"), 200);
  EXPECT_EQ(all[0].at("complete"), true);
  EXPECT_EQ(all[0].at("bytes_in"), 5);
  EXPECT_GT(all[0].at("bytes_out").get<int>(), 100);
  EXPECT_GT(all[0].at("seconds").get<double>(), 0);
  EXPECT_EQ(all[1].at("id"), "two");
  EXPECT_EQ(all[1].at("error"), "line\nbreak");
  EXPECT_EQ(all[2].at("status"), 500);
  EXPECT_EQ(all[3].at("status"), 404);
}

TEST(ServerLog, WritesPlainLinesThatNoPathCanForge) {
  const TempFolder folder;
  const std::filesystem::path file = folder.path() / "log";
  {
    HttpServerOptions options;
    options.log =
        std::make_shared<ServerLog>(ServerLogOptions{ServerLogOptions::Access::kPlain, file});
    const RunningServer server(tls_routes(), options);
    fetch(server.port(), get("/%0d%0anowhere%1b[2J", "x-request-id: one\r\n"));
  }
  const std::string text = read_file(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_NE(text.find(" GET /%0D%0Anowhere%1B[2J 404 "), std::string::npos) << text;
  EXPECT_NE(text.find("[one]"), std::string::npos) << text;
  EXPECT_THROW(ServerLog({ServerLogOptions::Access::kPlain, folder.path()}), UsageError);
}

}  // namespace
}  // namespace hearth
