// Clients that are slow, greedy, gone, or too many; and a server that ends.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>

#include "server/http/http_server.h"
#include "server/http/sse.h"
#include "tests/server/http_client.h"

namespace hearth {
namespace {

using namespace testing;  // NOLINT: the client

/// Exchanges that wait until a test goes on with them.
class Waiting {
 public:
  void add(const ExchangePtr& exchange) {
    const std::lock_guard lock(mutex_);
    exchanges_.push_back(exchange);
    exchange->on_gone([this] { ++gone_; });
  }

  /// In the server's thread.
  void each(const std::function<void(Exchange&)>& call) {
    const std::lock_guard lock(mutex_);
    for (const ExchangePtr& exchange : exchanges_) {
      exchange->post([exchange, call] { call(*exchange); });
    }
  }

  size_t count() const {
    const std::lock_guard lock(mutex_);
    return exchanges_.size();
  }

  int gone() const { return gone_; }

 private:
  mutable std::mutex mutex_;
  std::vector<ExchangePtr> exchanges_;
  std::atomic<int> gone_ = 0;
};

std::vector<Route> routes(Waiting& waiting) {
  return {
      {"GET", "/health", [](const ExchangePtr& e) { say(e, "well"); }, true},
      {"POST", "/size",
       [](const ExchangePtr& e) { say(e, std::to_string(e->request().body.size())); }},
      {"GET", "/wait", [&](const ExchangePtr& e) { waiting.add(e); }},
      {"POST", "/wait", [&](const ExchangePtr& e) { waiting.add(e); }},
      {"GET", "/events",
       [&](const ExchangePtr& e) {
         e->begin_stream({200, std::string(kSseType), sse_data("begin"), {}});
         waiting.add(e);
       }},
  };
}

TEST(HttpManners, CutsSlowHeadsWhileItServesOthers) {
  Waiting waiting;
  HttpServerOptions options;
  options.times.header = milliseconds(400);
  const RunningServer server(routes(waiting), options);
  HttpClient silent(server.port());
  HttpClient slow(server.port());
  const auto begin = Clock::now();
  slow.send("GET /health HTTP/1.1\r\n");
  while (millis_since(begin) < 2000 && slow.send("X: y\r\n")) {
    EXPECT_EQ(fetch(server.port(), get("/health")).status, 200);
    if (!slow.read_until("\r\n\r\n", milliseconds(50)).empty()) break;
  }
  EXPECT_GE(millis_since(begin), 390);
  EXPECT_LT(millis_since(begin), 1500);
  EXPECT_EQ(silent.read_to_end(), "");
}

TEST(HttpManners, SaysThatARequestWasTooSlow) {
  Waiting waiting;
  HttpServerOptions options;
  options.times.header = milliseconds(100);
  options.times.body = milliseconds(100);
  options.times.linger = milliseconds(100);
  const RunningServer server(routes(waiting), options);
  const Reply head = fetch(server.port(), "GET /health HTTP/1.1\r\n");
  EXPECT_EQ(head.status, 408);
  EXPECT_EQ(head.header("Connection"), "close");
  const Reply body = fetch(server.port(), post("/size", "whole").substr(0, 61));
  EXPECT_EQ(body.status, 408);
}

TEST(HttpManners, MeasuresBodiesByTheirRate) {
  Waiting waiting;
  HttpServerOptions options;
  options.times.body = milliseconds(300);
  options.bounds.body_rate_min = 4000;
  const RunningServer server(routes(waiting), options);
  const std::string head =
      "POST /size HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n";
  HttpClient steady(server.port());
  HttpClient slow(server.port());
  steady.send(head);
  slow.send(head);
  const auto begin = Clock::now();
  double slow_millis = 0;
  for (int i = 0; i < 20; ++i) {  // 20,000 and 200 bytes each second
    steady.send(std::string(1000, 'a'));
    if (slow_millis == 0) slow.send(std::string(10, 'a'));
    if (!slow.read_until("HTTP/1.1 408 Request Timeout\r\n", milliseconds(50)).empty()) {
      slow_millis = millis_since(begin);
    }
  }
  EXPECT_EQ(steady.read_reply().body, "20000");
  EXPECT_GE(slow_millis, 290);
  EXPECT_LT(slow_millis, 900);
}

TEST(HttpManners, ClosesIdleConnections) {
  Waiting waiting;
  HttpServerOptions options;
  options.times.idle = milliseconds(150);
  const RunningServer server(routes(waiting), options);
  HttpClient client(server.port());
  EXPECT_EQ(client.request(get("/health")).status, 200);
  const auto begin = Clock::now();
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_GE(millis_since(begin), 140);
  EXPECT_LT(millis_since(begin), 1500);
}

TEST(HttpManners, CutsClientsThatDoNotRead) {
  Waiting waiting;
  HttpServerOptions options;
  options.times.send = milliseconds(300);
  const RunningServer server(routes(waiting), options);
  HttpClient client(server.port(), 4096);
  client.send(get("/events"));
  ASSERT_TRUE(eventually([&] { return waiting.count() == 1; }));
  waiting.each([](Exchange& exchange) { exchange.write(std::string(12 << 20, 'x')); });
  const auto begin = Clock::now();
  EXPECT_TRUE(eventually([&] { return waiting.gone() == 1; }));
  EXPECT_GE(millis_since(begin), 290);
  EXPECT_LT(millis_since(begin), 3000);
}

TEST(HttpManners, SeesClientsLeaveWhateverTheyWaitFor) {
  Waiting waiting;
  const RunningServer server(routes(waiting));
  for (const std::string& request :
       {get("/wait"), get("/events"), post("/wait", "{}"), get("/wait") + get("/health"),
        get("/events") + get("/health") + "GET"}) {
    const size_t before = waiting.count();
    {
      HttpClient client(server.port());
      client.send(request);
      ASSERT_TRUE(eventually([&] { return waiting.count() == before + 1; }));
      EXPECT_EQ(waiting.gone(), static_cast<int>(before)) << request;
    }
    EXPECT_TRUE(eventually([&] { return waiting.gone() == static_cast<int>(before) + 1; }))
        << request;
  }
}

TEST(HttpManners, TakesHalfAClosedConnectionForAWholeClient) {
  Waiting waiting;
  const RunningServer server(routes(waiting));
  HttpClient whole(server.port());
  HttpClient stream(server.port());
  whole.send(get("/wait"));
  stream.send(get("/events"));
  whole.finish_sending();
  stream.finish_sending();
  ASSERT_TRUE(eventually([&] { return waiting.count() == 2; }));
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(waiting.gone(), 0);
  waiting.each([](Exchange& exchange) {
    if (exchange.request().path == "/wait") {
      exchange.respond({200, "text/plain", "for you", {}});
    } else {
      exchange.write(sse_data("end"));
      exchange.end();
    }
  });
  EXPECT_EQ(whole.read_reply().body, "for you");
  const Reply events = stream.read_reply();
  EXPECT_TRUE(events.complete);
  EXPECT_TRUE(events.body.starts_with(sse_data("begin")));
  EXPECT_TRUE(events.body.ends_with(sse_data("end")));
  EXPECT_EQ(waiting.gone(), 0);
}

TEST(HttpManners, TellsNobodyAboutAClientThatHasGone) {
  Waiting waiting;
  std::atomic<int> tasks = 0;
  ExchangePtr kept;
  {
    const RunningServer server(routes(waiting));
    {
      HttpClient client(server.port());
      client.send(get("/events"));
      ASSERT_TRUE(eventually([&] { return waiting.count() == 1; }));
      waiting.each([&](Exchange& exchange) {
        kept = exchange.shared_from_this();
        ++tasks;
      });
      ASSERT_TRUE(eventually([&] { return tasks == 1; }));
    }
    ASSERT_TRUE(eventually([&] { return waiting.gone() == 1; }));
    waiting.each([&](Exchange&) { ++tasks; });
    EXPECT_EQ(fetch(server.port(), get("/health")).status, 200);
  }
  kept->post([&] { ++tasks; });  // the server is gone, too
  EXPECT_EQ(tasks, 1);
}

/// Writes 16 MiB of numbered lines as fast as the client takes them.
class Flood : public std::enable_shared_from_this<Flood> {
 public:
  static constexpr int kLines = 1 << 17;

  static std::string line(int number) {
    std::string text = std::to_string(number);
    return text + std::string(127 - text.size(), '.') + "\n";
  }

  explicit Flood(std::atomic<int>& written) : written_(written) {}

  void begin(const ExchangePtr& exchange) {
    exchange->begin_stream({200, "text/plain", "", {}});
    exchange->on_drained([self = shared_from_this(), e = exchange.get()] { self->go_on(*e); });
    go_on(*exchange);
  }

 private:
  void go_on(Exchange& exchange) {
    while (written_ < kLines && !exchange.congested()) exchange.write(line(written_++));
    if (written_ == kLines) exchange.end();
  }

  std::atomic<int>& written_;
};

TEST(HttpManners, PausesWhoeverWritesUntilTheClientReads) {
  std::atomic<int> written = 0;
  const RunningServer server({{"GET", "/flood", [&](const ExchangePtr& e) {
                                 std::make_shared<Flood>(written)->begin(e);
                               }}});
  HttpClient client(server.port(), 4096);
  client.send(get("/flood"));
  ASSERT_TRUE(eventually([&] { return written > 0; }));
  int before = -1;
  ASSERT_TRUE(eventually([&] {
    std::this_thread::sleep_for(milliseconds(50));
    return std::exchange(before, written.load()) == written;
  }));
  EXPECT_LT(written, Flood::kLines) << "the producer rests";
  const Reply reply = client.read_reply();
  EXPECT_TRUE(reply.complete);
  std::string expected;
  for (int i = 0; i < Flood::kLines; ++i) expected += Flood::line(i);
  EXPECT_TRUE(reply.body == expected) << reply.body.size() << " bytes";
}

TEST(HttpManners, CutsWhoWritesOnThoughNobodyReads) {
  Waiting waiting;
  HttpServerOptions options;
  options.bounds.queue_bytes_max = 1 << 20;
  const RunningServer server(routes(waiting), options);
  HttpClient client(server.port(), 4096);
  client.send(get("/events"));
  ASSERT_TRUE(eventually([&] { return waiting.count() == 1; }));
  std::atomic<size_t> queued_max = 0;
  for (int i = 0; i < 64; ++i) {
    waiting.each([&](Exchange& exchange) {
      exchange.write(std::string(256 << 10, 'x'));
      queued_max = std::max(queued_max.load(), exchange.queued_bytes());
    });
  }
  EXPECT_TRUE(eventually([&] { return waiting.gone() == 1; }));
  EXPECT_LT(queued_max, 3u << 20);
}

TEST(HttpManners, TellsProducersThatOnlyTheHeadIsWanted) {
  Waiting waiting;
  const RunningServer server(routes(waiting));
  HttpClient client(server.port());
  client.send("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.read_reply(false).status, 200);
  EXPECT_TRUE(eventually([&] { return waiting.gone() == 1; }));
  EXPECT_EQ(client.request(get("/health")).body, "well");
}

TEST(HttpManners, FillsSilenceBetweenEventsOnly) {
  Waiting waiting;
  HttpServerOptions options;
  options.times.comment = milliseconds(60);
  const RunningServer server(routes(waiting), options);
  HttpClient client(server.port());
  client.send(get("/events"));
  EXPECT_NE(client.read_until(": keep-alive\n\n").find(": keep-alive"), std::string::npos);
  EXPECT_NE(client.read_until(": keep-alive\n\n").find(": keep-alive"), std::string::npos);
  waiting.each([](Exchange& exchange) { exchange.write("data: ha"); });
  client.read_until("data: ha");
  EXPECT_EQ(client.read_until(": keep-alive", milliseconds(300)).find("keep"), std::string::npos);
  waiting.each([](Exchange& exchange) { exchange.write("lf\n\n"); });
  EXPECT_NE(client.read_until(": keep-alive\n\n").find(": keep-alive"), std::string::npos);
}

TEST(HttpManners, TellsThatThereAreTooManyConnections) {
  Waiting waiting;
  HttpServerOptions options;
  options.bounds.connections_max = 3;
  const RunningServer server(routes(waiting), options);
  std::vector<HttpClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server.port());
    EXPECT_EQ(clients.back().request(get("/health")).status, 200);
  }
  const Reply refused = fetch(server.port(), get("/health"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Retry-After"), "1");
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return fetch(server.port(), get("/health")).status == 200; }));
}

TEST(HttpManners, HoldsSoManyBytesOfBodies) {
  Waiting waiting;
  HttpServerOptions options;
  options.bounds.bodies_bytes_max = 1'000'000;
  const RunningServer server(routes(waiting), options);
  HttpClient first(server.port());
  first.send(post("/wait", std::string(600'000, 'a')));
  ASSERT_TRUE(eventually([&] { return waiting.count() == 1; }));
  const std::string second = post("/size", std::string(600'000, 'b'));
  EXPECT_EQ(fetch(server.port(), second).status, 503);
  waiting.each([](Exchange& exchange) { exchange.respond({}); });
  EXPECT_EQ(first.read_reply().status, 200);
  EXPECT_EQ(fetch(server.port(), second).body, "600000") << "there is room again";
}

TEST(HttpDrain, FinishesWhatIsUnderWayAndLosesNoByte) {
  Waiting waiting;
  RunningServer server(routes(waiting));
  HttpClient idle(server.port());
  EXPECT_EQ(idle.request(get("/health")).status, 200);
  HttpClient stream(server.port());
  stream.send(get("/events"));
  HttpClient pending(server.port());
  pending.send(get("/wait"));
  HttpClient sending(server.port());
  sending.send(post("/size", "12345").substr(0, 40));
  ASSERT_TRUE(eventually([&] { return waiting.count() == 2; }));
  HttpClient fresh(server.port());  // accepted, but has asked nothing yet

  server.server().stop();
  EXPECT_TRUE(server.server().stopping());
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_THROW(HttpClient(server.port()), std::runtime_error) << "nobody listens";
  EXPECT_EQ(fresh.request(get("/health")).header("Connection"), "close");
  EXPECT_EQ(sending.request(post("/size", "12345").substr(40)).body, "5");
  EXPECT_EQ(waiting.gone(), 0);
  const std::string much(3 << 20, 'x');
  waiting.each([&](Exchange& exchange) {
    if (exchange.request().path == "/wait") return exchange.respond({200, "text/plain", much, {}});
    exchange.write(sse_data("last"));
    exchange.end();
  });
  EXPECT_EQ(stream.read_reply().body, sse_data("begin") + sse_data("last"));
  EXPECT_EQ(pending.read_reply().body, much);
  pending.close();
  stream.close();
  fresh.close();
  sending.close();
  server.join();
  EXPECT_EQ(waiting.gone(), 0);
}

TEST(HttpDrain, EndsInTimeWithoutThoseThatDoNot) {
  Waiting waiting;
  HttpServerOptions options;
  options.times.drain = milliseconds(200);
  RunningServer server(routes(waiting), options);
  HttpClient stream(server.port());
  stream.send(get("/events"));
  ASSERT_TRUE(eventually([&] { return waiting.count() == 1; }));
  const auto begin = Clock::now();
  server.server().stop();
  server.join();
  EXPECT_GE(millis_since(begin), 190);
  EXPECT_LT(millis_since(begin), 3000);
  EXPECT_EQ(waiting.gone(), 1);
  EXPECT_FALSE(stream.read_reply().complete);
}

HttpServer* signalled = nullptr;

void stop_under_load(int rounds) {
  for (int round = 0; round < rounds; ++round) {
    Waiting waiting;
    std::vector<Route> all = routes(waiting);
    all.push_back({"GET", "/lines", [](const ExchangePtr& e) {
                     e->begin_stream({200, "text/plain", "", {}});
                     for (int i = 0; i < 500; ++i) e->write(Flood::line(i));
                     e->end();
                   }});
    RunningServer server(all);
    signalled = &server.server();
    std::signal(SIGTERM, [](int) { signalled->stop(); });
    std::atomic<int> broken = 0;
    std::atomic<int> whole = 0;
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&] {
        try {
          while (true) {
            const Reply reply = fetch(server.port(), get("/lines"));
            if (reply.status == 0) break;  // closed before it was asked
            ++(reply.complete && reply.body.size() == 500 * 128 ? whole : broken);
          }
        } catch (const std::runtime_error&) {  // nobody listens any more
        }
      });
    }
    ASSERT_TRUE(eventually([&] { return whole >= 8 + round % 16; }));
    std::raise(SIGTERM);
    for (std::thread& client : clients) client.join();
    server.join();
    EXPECT_EQ(broken, 0);
  }
  std::signal(SIGTERM, SIG_DFL);
}

TEST(HttpDrain, StopsFromASignalHandlerUnderLoad) { stop_under_load(20); }
TEST(HttpDrain, LongStopsFromASignalHandlerUnderLoad) { stop_under_load(200); }

}  // namespace
}  // namespace hearth
