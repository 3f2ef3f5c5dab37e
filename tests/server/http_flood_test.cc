// Many clients at once, and thousands of requests that nobody should send. Short forms run with
// the other tests, long ones have the label `long`.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "server/http/http_server.h"
#include "server/http/sse.h"
#include "tests/server/http_client.h"

namespace hearth {
namespace {

using namespace testing;  // NOLINT: the client

std::vector<Route> flood_routes() {
  return {
      {"GET", "/health", [](const ExchangePtr& e) { say(e, "well"); }, true},
      {"POST", "/size",
       [](const ExchangePtr& e) { say(e, std::to_string(e->request().body.size())); }, false,
       10'000},
      {"GET", "/events",
       [](const ExchangePtr& e) {
         e->begin_stream({200, std::string(kSseType), sse_data("begin"), {}});
       }},
  };
}

/// Requests that are nearly right.
class BadRequests {
 public:
  explicit BadRequests(uint64_t seed) : random_(seed) {}

  std::string next() {
    std::string request = pick(kGood);
    const int changes = 1 + static_cast<int>(random_() % 4);
    for (int i = 0; i < changes; ++i) change(request);
    return request;
  }

 private:
  std::string pick(const std::vector<std::string>& list) { return list[random_() % list.size()]; }
  size_t place(const std::string& text) { return random_() % (text.size() + 1); }

  void change(std::string& request) {
    const size_t at = place(request);
    switch (random_() % 7) {
      case 0: request.insert(at, pick(kOdd)); break;
      case 1: request.resize(at); break;
      case 2: request.erase(at, random_() % 8); break;
      case 3: request.insert(at, std::string(random_() % 64, static_cast<char>(random_()))); break;
      case 4:
        request.insert(std::min(request.find("\r\n") + 2, request.size()), pick(kHeaders));
        break;
      case 5: request += request.substr(at); break;
      default:
        if (at < request.size()) request[at] = static_cast<char>(random_());
    }
  }

  const std::vector<std::string> kGood = {
      get("/health"),
      get("/events"),
      post("/size", "12345"),
      "POST /size HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n0\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "HEAD /health HTTP/1.0\r\n\r\n"};
  const std::vector<std::string> kOdd = {"\r\n",
                                         "\n",
                                         "\r",
                                         " ",
                                         "\t",
                                         ":",
                                         std::string(1, '\0'),
                                         "\xff\xfe",
                                         "%",
                                         "%00",
                                         "%2e%2e/",
                                         "../",
                                         "?",
                                         "#",
                                         "HTTP/1.1",
                                         "HTTP/9.9",
                                         "ffffffffffffffff",
                                         "-1",
                                         ";",
                                         "\r\n\r\n",
                                         "é"};
  const std::vector<std::string> kHeaders = {"Content-Length: 5\r\n",
                                             "Content-Length: 18446744073709551616\r\n",
                                             "Content-Length: 10001\r\n",
                                             "Transfer-Encoding: chunked\r\n",
                                             "Transfer-Encoding: gzip\r\n",
                                             "Host: evil.example\r\n",
                                             "Expect: 100-continue\r\n",
                                             "Expect: 200-ok\r\n",
                                             "Connection: close, keep-alive, upgrade\r\n",
                                             "Upgrade: h2c\r\n",
                                             "Origin: null\r\n",
                                             "Authorization: Bearer\r\n",
                                             "x-request-id: \x01\r\n",
                                             ": empty\r\n",
                                             " folded\r\n",
                                             "X-Long: " + std::string(17'000, 'x') + "\r\n"};
  std::mt19937_64 random_;
};

void send_bad_requests(int count, uint64_t seed) {
  const RunningServer server(flood_routes());
  BadRequests requests(seed);
  int refused = 0;
  for (int i = 0; i < count; ++i) {
    const std::string request = requests.next();
    HttpClient client(server.port());
    client.send(request);
    if (i % 2 == 0) client.finish_sending();
    const std::string answer = client.read_until("\r\n\r\n", milliseconds(i % 2 == 0 ? 2000 : 5));
    ASSERT_FALSE(answer.starts_with("HTTP/1.1 5")) << "request " << i << ": " << request;
    refused += answer.starts_with("HTTP/1.1 4");
  }
  fmt::print("{} of {} requests got an answer of the 400s\n", refused, count);
  EXPECT_GT(refused, count / 5);
  EXPECT_EQ(fetch(server.port(), get("/health")).body, "well");
}

TEST(HttpFlood, ShortBadRequestsNeverGetAnAnswerOfThe500s) { send_bad_requests(400, 1); }
TEST(HttpFlood, LongBadRequestsNeverGetAnAnswerOfThe500s) { send_bad_requests(4000, 2); }

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0;
  file >> pages >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

/// In a process of its own, for a process has so many descriptors: reads a port, opens streams
/// there and keeps them until its input ends. Says when it has them all.
[[noreturn]] void hold_streams(int count, int from_parent, int to_parent) {
  std::vector<HttpClient> clients;
  char done = 'y';
  try {
    uint16_t port = 0;
    if (read(from_parent, &port, sizeof(port)) != sizeof(port)) _exit(1);
    for (int i = 0; i < count; ++i) {
      clients.emplace_back(port).send(get("/events"));
      if (clients.back().read_until("begin\n\n").empty()) done = 'n';
    }
  } catch (const std::exception&) {
    done = 'n';
  }
  char byte = 0;
  if (write(to_parent, &done, 1) == 1 && read(from_parent, &byte, 1) >= 0) _exit(0);
  _exit(1);
}

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

void measure_beside_streams(int count) {
  int to_child[2];
  int from_child[2];
  ASSERT_EQ(pipe(to_child), 0);
  ASSERT_EQ(pipe(from_child), 0);
  const pid_t child = fork();  // before there is a second thread
  if (child == 0) {
    ::close(to_child[1]);
    ::close(from_child[0]);
    hold_streams(count, to_child[0], from_child[1]);
  }
  ::close(to_child[0]);
  ::close(from_child[1]);
  std::atomic<int> gone = 0;
  std::atomic<int> begun = 0;
  std::vector<Route> all = flood_routes();
  all[2].handle = [&](const ExchangePtr& e) {
    e->begin_stream({200, std::string(kSseType), sse_data("begin"), {}});
    e->on_gone([&] { ++gone; });
    ++begun;
  };
  HttpServerOptions options;
  options.times.comment = std::chrono::seconds(5);
  const RunningServer server(all, options);
  const int64_t before = resident_bytes();
  const auto begin = Clock::now();
  const uint16_t port = server.port();
  EXPECT_EQ(write(to_child[1], &port, sizeof(port)), static_cast<ssize_t>(sizeof(port)));
  char done = 'n';
  EXPECT_EQ(read(from_child[0], &done, 1), 1);
  EXPECT_EQ(done, 'y') << "the client could not open all streams";
  EXPECT_EQ(begun, count);
  const double opened = millis_since(begin);
  const int64_t bytes = resident_bytes() - before;
  std::vector<double> health;
  for (int i = 0; i < 300; ++i) {
    const auto asked = Clock::now();
    EXPECT_EQ(fetch(server.port(), get("/health")).status, 200);
    health.push_back(millis_since(asked));
    std::this_thread::sleep_for(milliseconds(2));
  }
  ::close(to_child[1]);
  const auto closed = Clock::now();
  EXPECT_TRUE(testing::eventually([&] { return gone == count; })) << gone << " of " << count;
  fmt::print(
      "{} idle streams: opened in {:.0f} ms, {} bytes each; /health p50 {:.2f} ms, p99 {:.2f} ms; "
      "all seen to leave after {:.0f} ms\n",
      count, opened, bytes / count, percentile(health, 0.5), percentile(health, 0.99),
      millis_since(closed));
  EXPECT_LT(percentile(health, 0.99), 50);
  ::close(from_child[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(HttpFlood, ShortIdleStreamsHarmNobody) { measure_beside_streams(1000); }
TEST(HttpFlood, LongIdleStreamsHarmNobody) { measure_beside_streams(10'000); }

/// Opens connections that send the beginning of a request and a byte now and then. Returns when
/// each was cut, in milliseconds since it began; what was not cut is missing.
std::vector<double> trickle(uint16_t port, int count, const std::string& start, int limit_millis) {
  std::vector<HttpClient> clients;
  std::vector<Clock::time_point> begun;
  std::vector<pollfd> open;
  for (int i = 0; i < count; ++i) {
    clients.emplace_back(port).send(start);
    begun.push_back(Clock::now());
    open.push_back({clients.back().descriptor(), POLLIN, 0});
  }
  std::vector<double> cut;
  auto sent = Clock::now();
  const auto deadline = Clock::now() + milliseconds(limit_millis);
  while (cut.size() < clients.size() && Clock::now() < deadline) {
    const bool sends = millis_since(sent) > 200;
    if (sends) sent = Clock::now();
    poll(open.data(), open.size(), 20);
    for (size_t i = 0; i < open.size(); ++i) {
      if (open[i].fd < 0) continue;
      if (open[i].revents != 0) {
        cut.push_back(millis_since(begun[i]));
        open[i].fd = -1;
        clients[i].close();
      } else if (sends) {
        clients[i].send("x");
      }
    }
  }
  return cut;
}

void cut_slow_clients(int heads, int bodies, milliseconds time) {
  HttpServerOptions options;
  options.times.header = time;
  options.times.body = time;
  const RunningServer server(flood_routes(), options);
  const std::string head = "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
  const std::string body =
      "POST /size HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nabc";
  const int limit = static_cast<int>(time.count()) * 4 + 4000;
  std::vector<double> cut_heads;
  std::vector<double> cut_bodies;
  std::vector<double> health;
  std::thread slow_heads([&] { cut_heads = trickle(server.port(), heads, head, limit); });
  std::thread slow_bodies([&] { cut_bodies = trickle(server.port(), bodies, body, limit); });
  const auto begin = Clock::now();
  while (millis_since(begin) < static_cast<double>(time.count())) {
    const auto asked = Clock::now();
    EXPECT_EQ(fetch(server.port(), get("/health")).status, 200);
    health.push_back(millis_since(asked));
    std::this_thread::sleep_for(milliseconds(5));
  }
  slow_heads.join();
  slow_bodies.join();
  ASSERT_EQ(cut_heads.size(), static_cast<size_t>(heads));
  ASSERT_EQ(cut_bodies.size(), static_cast<size_t>(bodies));
  std::vector<double> all = cut_heads;
  std::copy(cut_bodies.begin(), cut_bodies.end(), std::back_inserter(all));
  const auto [first, last] = std::minmax_element(all.begin(), all.end());
  fmt::print(
      "{} slow heads and {} slow bodies cut after {:.0f} to {:.0f} ms of {}; /health p99 "
      "{:.2f} ms\n",
      heads, bodies, *first, *last, time.count(), percentile(health, 0.99));
  EXPECT_GE(*first, static_cast<double>(time.count()) * 0.9);
  EXPECT_LT(*last, static_cast<double>(time.count()) + 2500);
  EXPECT_LT(percentile(health, 0.99), 100);
}

TEST(HttpFlood, ShortSlowClientsAreCutInTime) { cut_slow_clients(200, 100, milliseconds(1000)); }
TEST(HttpFlood, LongSlowClientsAreCutInTime) { cut_slow_clients(2000, 1000, milliseconds(5000)); }

}  // namespace
}  // namespace hearth
