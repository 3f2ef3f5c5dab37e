#include "server/http/transport.h"

#include <fmt/core.h>

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "base/error.h"

namespace hearth {
namespace {

namespace asio = boost::asio;
using Socket = Transport::Socket;

class PlainTransport : public Transport {
 public:
  PlainTransport(Socket socket, std::span<char> scratch)
      : socket_(std::move(socket)), scratch_(scratch) {}

  void open(Done done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}); });
  }

  void read(std::function<void(const Error&, std::string_view)> done) override {
    socket_.async_wait(Socket::wait_read, [this, done = std::move(done)](Error error) mutable {
      size_t bytes = 0;
      if (!error) bytes = socket_.read_some(asio::buffer(scratch_.data(), scratch_.size()), error);
      if (error == asio::error::would_block) return read(std::move(done));
      done(error, {scratch_.data(), bytes});
    });
  }

  void write(std::string_view bytes, std::function<void(const Error&, size_t)> done) override {
    socket_.async_write_some(asio::buffer(bytes.data(), bytes.size()), std::move(done));
  }

  void finish(Done done) override {
    Error error;
    socket_.shutdown(Socket::shutdown_send, error);
    asio::post(socket_.get_executor(), [done = std::move(done), error] { done(error); });
  }

  void watch_reset(std::function<void()> done) override {
    socket_.async_wait(Socket::wait_error, [done = std::move(done)](const Error&) { done(); });
  }

  bool has_half_close() const override { return true; }

  void close() override {
    Error ignored;
    socket_.close(ignored);
  }

 private:
  Socket socket_;
  std::span<char> scratch_;
};

class TlsTransport : public Transport {
 public:
  TlsTransport(Socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {}

  void open(Done done) override {
    stream_.async_handshake(asio::ssl::stream_base::server, std::move(done));
  }

  void read(std::function<void(const Error&, std::string_view)> done) override {
    stream_.async_read_some(asio::buffer(input_),
                            [this, done = std::move(done)](Error error, size_t bytes) {
                              // Most clients go without the goodbye of TLS; lengths and chunks
                              // say whether something is missing.
                              if (error == asio::ssl::error::stream_truncated) {
                                error = asio::error::eof;
                              }
                              done(error, {input_.data(), bytes});
                            });
  }

  void write(std::string_view bytes, std::function<void(const Error&, size_t)> done) override {
    stream_.async_write_some(asio::buffer(bytes.data(), bytes.size()), std::move(done));
  }

  void finish(Done done) override { stream_.async_shutdown(std::move(done)); }

  void watch_reset(std::function<void()> done) override {
    asio::post(stream_.get_executor(), std::move(done));
  }

  bool has_half_close() const override { return false; }

  void close() override {
    Error ignored;
    stream_.next_layer().close(ignored);
  }

 private:
  asio::ssl::stream<Socket> stream_;
  std::array<char, 4096> input_;
};

[[noreturn]] void throw_unusable(const std::string& what, const std::filesystem::path& file,
                                 const Transport::Error& error) {
  throw UsageError(fmt::format("the {} {} cannot be used: {}. Give a PEM file.", what,
                               file.string(), error.message()));
}

}  // namespace

std::unique_ptr<Transport> plain_transport(Socket socket, std::span<char> scratch) {
  return std::make_unique<PlainTransport>(std::move(socket), scratch);
}

std::unique_ptr<Transport> tls_transport(Socket socket, asio::ssl::context& context) {
  return std::make_unique<TlsTransport>(std::move(socket), context);
}

asio::ssl::context tls_context(const std::filesystem::path& certificate,
                               const std::filesystem::path& private_key) {
  asio::ssl::context context(asio::ssl::context::tls_server);
  SSL_CTX* native = context.native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);  // idle connections keep no 34 KiB
  Transport::Error error;
  context.use_certificate_chain_file(certificate.string(), error);
  if (error) throw_unusable("certificate", certificate, error);
  context.use_private_key_file(private_key.string(), asio::ssl::context::pem, error);
  if (error) throw_unusable("private key", private_key, error);
  if (SSL_CTX_check_private_key(native) != 1) {
    throw UsageError(fmt::format("the private key {} does not belong to the certificate {}.",
                                 private_key.string(), certificate.string()));
  }
  return context;
}

}  // namespace hearth
