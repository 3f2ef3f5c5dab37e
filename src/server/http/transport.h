// Bytes to and from a client, with TLS or without. Everything in the thread of the server.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace hearth {

/// Each callback is called once, later, also after close(); it keeps the transport alive. One read
/// and one write may be under way.
class Transport {
 public:
  using Error = boost::system::error_code;
  using Done = std::function<void(const Error&)>;
  using Socket = boost::asio::ip::tcp::socket;

  virtual ~Transport() = default;

  /// Before anything else: the handshake, if there is one.
  virtual void open(Done done) = 0;
  /// The bytes are valid during the call.
  virtual void read(std::function<void(const Error&, std::string_view bytes)> done) = 0;
  /// Some of the bytes, which stay valid until then.
  virtual void write(std::string_view bytes,
                     std::function<void(const Error&, size_t bytes)> done) = 0;
  /// Says that no more will be written.
  virtual void finish(Done done) = 0;
  /// Once the input has ended: called when the client resets the connection.
  virtual void watch_reset(std::function<void()> done) = 0;
  /// Whether a client whose input has ended may still be reading.
  virtual bool has_half_close() const = 0;
  virtual void close() = 0;
};

/// `scratch` is shared by all transports of a server: an idle connection owns no buffer.
std::unique_ptr<Transport> plain_transport(Transport::Socket socket, std::span<char> scratch);
std::unique_ptr<Transport> tls_transport(Transport::Socket socket,
                                         boost::asio::ssl::context& context);

/// TLS 1.2 or newer with a certificate chain and its key, PEM both. Throws UsageError.
boost::asio::ssl::context tls_context(const std::filesystem::path& certificate,
                                      const std::filesystem::path& private_key);

}  // namespace hearth
