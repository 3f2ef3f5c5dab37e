#include "tests/server/http_client.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace hearth::testing {
namespace {

constexpr HttpClient::Duration kPatience = std::chrono::seconds(20);

HttpServerOptions on_any_port(HttpServerOptions options) {
  options.port = 0;
  return options;
}

}  // namespace

void say(const ExchangePtr& exchange, std::string text) {
  exchange->respond({200, "text/plain", std::move(text), {}});
}

double millis_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

RunningServer::RunningServer(std::vector<Route> routes, HttpServerOptions options)
    : server_(on_any_port(std::move(options)), std::move(routes)),
      thread_([this] { server_.run(); }) {}

RunningServer::~RunningServer() {
  server_.stop_now();
  join();
}

void RunningServer::join() {
  if (thread_.joinable()) thread_.join();
}

std::string Reply::header(std::string_view name) const {
  HttpRequest request;
  request.headers = headers;
  return std::string(request.header(name));
}

HttpClient::HttpClient(uint16_t port, int receive_buffer_bytes)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer_bytes > 0) {
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    throw std::runtime_error("the test cannot connect to its server");
  }
}

HttpClient::~HttpClient() { close(); }

HttpClient::HttpClient(HttpClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      buffer_(std::move(other.buffer_)),
      ended_(other.ended_) {}

bool HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void HttpClient::finish_sending() { shutdown(socket_, SHUT_WR); }

void HttpClient::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

bool HttpClient::fill(Duration timeout) {
  pollfd waiting = {socket_, POLLIN, 0};
  if (ended_ || poll(&waiting, 1, static_cast<int>(timeout.count())) <= 0) return false;
  char bytes[16384];
  const ssize_t count = recv(socket_, bytes, sizeof(bytes), 0);
  ended_ = count <= 0;
  if (!ended_) buffer_.append(bytes, static_cast<size_t>(count));
  return !ended_;
}

bool HttpClient::read_line(std::string& line) {
  size_t end = buffer_.find("\r\n");
  while (end == std::string::npos) {
    if (!fill(kPatience)) return false;
    end = buffer_.find("\r\n");
  }
  line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return true;
}

bool HttpClient::read_bytes(size_t count, std::string& out) {
  while (buffer_.size() < count) {
    if (!fill(kPatience)) return false;
  }
  out.append(buffer_, 0, count);
  buffer_.erase(0, count);
  return true;
}

bool HttpClient::read_chunks(std::string& out) {
  while (true) {
    std::string line;
    if (!read_line(line)) return false;
    const size_t size = std::stoul(line, nullptr, 16);
    if (!read_bytes(size, out) || !read_line(line) || !line.empty()) return false;
    if (size == 0) return true;
  }
}

Reply HttpClient::read_reply(bool has_body) {
  Reply reply;
  std::string line;
  do {
    reply = {};
    if (!read_line(line) || !line.starts_with("HTTP/1.1 ")) return reply;
    reply.status = std::stoi(line.substr(9, 3));
    while (read_line(line) && !line.empty()) {
      const size_t colon = line.find(": ");
      reply.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
  } while (reply.status < 200);
  const std::string length = reply.header("Content-Length");
  if (!has_body || reply.status == 204) {
    reply.complete = true;
  } else if (reply.header("Transfer-Encoding") == "chunked") {
    reply.complete = read_chunks(reply.body);
  } else if (!length.empty()) {
    reply.complete = read_bytes(std::stoul(length), reply.body);
  } else {
    reply.body = read_to_end();
  }
  return reply;
}

Reply HttpClient::request(std::string_view bytes) {
  send(bytes);
  return read_reply(!bytes.starts_with("HEAD "));
}

std::string HttpClient::read_until(std::string_view until, Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (buffer_.find(until) == std::string::npos) {
    const auto left =
        std::chrono::duration_cast<Duration>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !fill(left)) break;
  }
  const size_t found = buffer_.find(until);
  const size_t end = found == std::string::npos ? buffer_.size() : found + until.size();
  std::string text = buffer_.substr(0, end);
  buffer_.erase(0, end);
  return text;
}

std::string HttpClient::read_to_end(Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!ended_ && std::chrono::steady_clock::now() < deadline) fill(Duration(50));
  EXPECT_TRUE(ended_) << "the server keeps the connection open";
  return std::exchange(buffer_, "");
}

std::string get(std::string_view path, std::string_view headers) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, headers);
}

std::string post(std::string_view path, std::string_view body, std::string_view headers) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}", path,
                     body.size(), headers, body);
}

Reply fetch(uint16_t port, std::string_view request) { return HttpClient(port).request(request); }

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace hearth::testing
