// What clients that behave get, and what the server tells those that ask for the wrong thing.
#include "server/http/http_server.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "answer/api_error.h"
#include "base/error.h"
#include "server/http/gatekeeper.h"
#include "server/http/sse.h"
#include "tests/server/http_client.h"

namespace hearth {
namespace {

using namespace testing;  // NOLINT: the client

void echo(const ExchangePtr& exchange) {
  const HttpRequest& request = exchange->request();
  say(exchange, request.method + " " + request.path + " " + request.query + " " + request.body);
}

void count_to_three(const ExchangePtr& exchange) {
  exchange->begin_stream({200, std::string(kSseType), "", {}});
  for (int i = 1; i <= 3; ++i) exchange->write(sse_event("number", std::to_string(i)));
  exchange->end();
}

std::vector<Route> routes() {
  return {
      {"GET", "/health", [](const ExchangePtr& e) { say(e, "well"); }, true},
      {"GET", "/echo", echo},
      {"POST", "/echo", echo, false, 1000},
      {"GET", "/a b", echo},
      {"GET", "/three", count_to_three},
      {"GET", "/id", [](const ExchangePtr& e) { say(e, e->request().id); }},
      {"GET", "/throws", [](const ExchangePtr&) { throw std::runtime_error("secret detail"); }},
      {"GET", "/error",
       [](const ExchangePtr&) {
         throw ApiError(ApiError::Kind::kOverloaded, "The queue is full.");
       }},
      {"GET", "/breaks",
       [](const ExchangePtr& e) {
         e->begin_stream({200, "text/plain", "half", {}});
         throw std::runtime_error("in the middle");
       }},
      {"GET", "/twice",
       [](const ExchangePtr& e) {
         say(e, "first");
         say(e, "second");
       }},
      {"GET", "/later",
       [](const ExchangePtr& e) {
         std::thread([e] { e->post([e] { say(e, "at last"); }); }).detach();
       }},
      {"GET", "/smuggle",
       [](const ExchangePtr& e) {
         e->respond({200, "text/plain", "", {{"X-A", "a\r\nX-B: b"}}});
       }},
  };
}

std::string code_of(const Reply& reply) {
  const auto error = nlohmann::json::parse(reply.body).at("error");
  EXPECT_TRUE(error.at("message").is_string());
  EXPECT_TRUE(error.at("type").is_string());
  return error.at("code");
}

TEST(HttpServer, AnswersOneRequestAfterTheOtherOnAConnection) {
  const RunningServer server(routes());
  HttpClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    const Reply reply = client.request(get("/echo?n=" + std::to_string(i)));
    EXPECT_EQ(reply.status, 200);
    EXPECT_TRUE(reply.complete);
    EXPECT_EQ(reply.body, "GET /echo n=" + std::to_string(i) + " ");
    EXPECT_EQ(reply.header("Connection"), "");
  }
  const Reply last = client.request(get("/health", "Connection: close\r\n"));
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const RunningServer server(routes());
  HttpClient client(server.port());
  client.send(get("/later") + post("/echo", "two") + get("/three") + get("/echo?4"));
  EXPECT_EQ(client.read_reply().body, "at last");
  EXPECT_EQ(client.read_reply().body, "POST /echo  two");
  EXPECT_EQ(client.read_reply().body,
            sse_event("number", "1") + sse_event("number", "2") + sse_event("number", "3"));
  EXPECT_EQ(client.read_reply().body, "GET /echo 4 ");
}

TEST(HttpServer, StreamsInChunksAndWithoutThemToOldClients) {
  const RunningServer server(routes());
  const Reply reply = fetch(server.port(), get("/three"));
  EXPECT_EQ(reply.header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(reply.header("Content-Type"), "text/event-stream");
  EXPECT_EQ(reply.header("Cache-Control"), "no-cache");
  EXPECT_TRUE(reply.complete);
  const Reply old = fetch(server.port(), "GET /three HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.header("Transfer-Encoding"), "");
  EXPECT_EQ(old.body, reply.body);
}

TEST(HttpServer, AnswersHeadOptionsAndWhatItDoesNotHave) {
  const RunningServer server(routes());
  HttpClient client(server.port());
  const Reply head = client.request("HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("Content-Length"), "4");
  const Reply stream = client.request("HEAD /three HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(stream.status, 200);
  const Reply options = client.request("OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("Allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(client.request("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 204);
  const Reply missing = client.request(get("/nowhere"));
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(code_of(missing), "not_found");
  const Reply method = client.request("DELETE /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.header("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(client.request(get("/health")).status, 200) << "the connection lives on";
}

TEST(HttpServer, DecodesPaths) {
  const RunningServer server(routes());
  EXPECT_EQ(fetch(server.port(), get("/a%20b?c%20d")).body, "GET /a b c%20d ");
  EXPECT_EQ(fetch(server.port(), get("http://localhost/health")).body, "well");
  for (const char* target : {"/%", "/%2", "/%zz", "/%00", "health", "http://other/health"}) {
    EXPECT_EQ(fetch(server.port(), get(target)).status, 400) << target;
  }
}

TEST(HttpServer, TakesBodiesWholeInChunksAndByteByByte) {
  const RunningServer server(routes());
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string chunks = "3;a=b\r\none\r\n4\r\n two\r\n0\r\nTrailer: x\r\n\r\n";
  EXPECT_EQ(fetch(server.port(), head + chunks).body, "POST /echo  one two");
  HttpClient client(server.port());
  for (const char c : post("/echo", "slow") + head + chunks) {
    client.send(std::string(1, c));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  EXPECT_EQ(client.read_reply().body, "POST /echo  slow");
  EXPECT_EQ(client.read_reply().body, "POST /echo  one two");
}

TEST(HttpServer, AsksForBodiesThatWaitForIt) {
  const RunningServer server(routes());
  HttpClient client(server.port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.request("body").body, "POST /echo  body");
  client.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 413) << "before the body is sent";
}

TEST(HttpServer, RefusesWhatIsTooLargeOrSaysNoLength) {
  const RunningServer server(routes());
  const auto status = [&](const std::string& request) {
    const Reply reply = fetch(server.port(), request);
    EXPECT_FALSE(code_of(reply).empty());
    return reply.status;
  };
  const std::string host = "Host: localhost\r\n";
  EXPECT_EQ(fetch(server.port(), post("/echo", std::string(1000, 'a'))).status, 200);
  EXPECT_EQ(status(post("/echo", std::string(1001, 'a'))), 413);
  EXPECT_EQ(status(post("/echo", std::string(8'000'000, 'a'))), 413) << "and can be read";
  const std::string chunked =
      "POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(status(chunked + "3e9\r\n"), 413);
  EXPECT_EQ(status(chunked + "3e8\r\n" + std::string(1000, 'a') + "\r\n1\r\n"), 413);
  EXPECT_EQ(status(chunked + "1;" + std::string(100'000, 'x')), 400);
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\n" + host + "\r\n"), 411);
  EXPECT_EQ(status(get("/health", "X-Long: " + std::string(20'000, 'x') + "\r\n")), 431);
  EXPECT_EQ(status(get("/" + std::string(20'000, 'x'))), 431);
  std::string many;
  for (int i = 0; i < 101; ++i) many += "X-Many: 1\r\n";
  EXPECT_EQ(status(get("/health", many)), 431);
  EXPECT_EQ(status(get("/health", "Expect: the unexpected\r\n")), 417);
}

TEST(HttpServer, RefusesHeadsInPiecesThatAddUpToTooMuch) {
  const RunningServer server(routes());
  HttpClient client(server.port());
  client.send("GET /health HTTP/1.1\r\nHost: localhost\r\n");
  for (int i = 0; i < 60; ++i) {
    if (!client.send("X-A: " + std::string(500, 'x') + "\r\n")) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(client.read_reply().status, 431);
}

TEST(HttpServer, RefusesWhatCouldBeReadInTwoWays) {
  const RunningServer server(routes());
  const std::string start = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";
  for (const std::string& rest :
       {std::string("Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        std::string("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        std::string("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
        std::string("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        std::string("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        std::string("Content-Length: -1\r\n\r\n"), std::string("Content-Length: 1e2\r\n\r\n"),
        std::string("Content-Length: 99999999999999999999\r\n\r\n"),
        std::string("Host: other\r\nContent-Length: 0\r\n\r\n"),
        std::string("Bad Name: x\r\nContent-Length: 0\r\n\r\n")}) {
    HttpClient client(server.port());
    EXPECT_EQ(client.request(start + rest).status, 400) << rest;
    client.finish_sending();
    EXPECT_EQ(client.read_to_end(), "") << rest;
  }
  EXPECT_EQ(fetch(server.port(), "GET /health HTTP/1.1\r\n\r\n").status, 400);
  EXPECT_EQ(fetch(server.port(), "GET /health HTTP/2.0\r\nHost: a\r\n\r\n").status, 400);
}

TEST(HttpServer, SurvivesHandlersThatThrow) {
  const RunningServer server(routes());
  HttpClient client(server.port());
  const Reply failed = client.request(get("/throws"));
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(code_of(failed), "internal_error");
  EXPECT_EQ(failed.body.find("secret"), std::string::npos);
  EXPECT_TRUE(failed.header("x-request-id").starts_with("req_"));
  const Reply full = client.request(get("/error"));
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(full.header("Retry-After"), "1");
  EXPECT_EQ(client.request(get("/health")).status, 200);
  EXPECT_EQ(client.request(get("/twice")).body, "first");
  const Reply half = client.request(get("/breaks"));
  EXPECT_EQ(half.status, 200);
  EXPECT_FALSE(half.complete) << "the client can tell that something is missing";
  EXPECT_EQ(fetch(server.port(), get("/health")).status, 200);
}

TEST(HttpServer, NamesRequests) {
  const RunningServer server(routes());
  const Reply own = fetch(server.port(), get("/id", "X-Request-Id: mine-1.2:3\r\n"));
  EXPECT_EQ(own.body, "mine-1.2:3");
  EXPECT_EQ(own.header("x-request-id"), "mine-1.2:3");
  const Reply first = fetch(server.port(), get("/id"));
  const Reply second = fetch(server.port(), get("/id", "X-Request-Id: a b\r\n"));
  EXPECT_TRUE(first.body.starts_with("req_"));
  EXPECT_TRUE(second.body.starts_with("req_"));
  EXPECT_NE(first.body, second.body);
  EXPECT_EQ(first.header("x-request-id"), first.body);
}

TEST(HttpServer, LetsNoHeaderSmuggleAnother) {
  const RunningServer server(routes());
  const Reply reply = fetch(server.port(), get("/smuggle"));
  EXPECT_EQ(reply.header("X-A"), "a  X-B: b");
  EXPECT_EQ(reply.header("X-B"), "");
}

TEST(HttpServer, WantsOneOfItsKeys) {
  HttpServerOptions options;
  options.api_keys = {"first", "second"};
  const RunningServer server(routes(), options);
  const auto status = [&](const std::string& header) {
    return fetch(server.port(), get("/echo", header)).status;
  };
  EXPECT_EQ(status("Authorization: Bearer first\r\n"), 200);
  EXPECT_EQ(status("authorization: bearer  second\r\n"), 200);
  EXPECT_EQ(status("x-api-key: second\r\n"), 200);
  EXPECT_EQ(status("x-api-key: first\r\nAuthorization: Bearer of-another-server\r\n"), 200);
  EXPECT_EQ(status("x-api-key: third\r\n"), 401);
  EXPECT_EQ(status("Authorization: Basic first\r\n"), 401);
  EXPECT_EQ(status("Authorization: Bearer \r\n"), 401);
  EXPECT_EQ(status("Authorization: Bearer firs\r\n"), 401);
  EXPECT_EQ(fetch(server.port(), get("/health")).status, 200) << "an open route";
  const Reply none = fetch(server.port(), post("/echo", "hi"));
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(code_of(none), "invalid_api_key");
  EXPECT_EQ(none.header("WWW-Authenticate"), "Bearer");
}

TEST(HttpServer, AnswersOnlyPagesThatMayCall) {
  HttpServerOptions options;
  options.allowed_origins = {"https://Friend.example"};
  options.api_keys = {"key"};
  const RunningServer server(routes(), options);
  const auto ask = [&](const std::string& headers) {
    return fetch(server.port(), get("/health", headers));
  };
  const Reply friendly = ask("Origin: https://friend.example\r\n");
  EXPECT_EQ(friendly.status, 200);
  EXPECT_EQ(friendly.header("Access-Control-Allow-Origin"), "https://friend.example");
  EXPECT_EQ(friendly.header("Vary"), "Origin");
  EXPECT_EQ(ask("Origin: http://localhost\r\n").status, 200) << "its own page";
  const Reply foreign = ask("Origin: https://foe.example\r\n");
  EXPECT_EQ(foreign.status, 403);
  EXPECT_NE(foreign.body.find("--allow-origin https://foe.example"), std::string::npos);
  EXPECT_EQ(foreign.header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(ask("Origin: null\r\n").status, 403);
  EXPECT_EQ(ask("Origin: https://friend.example.foe.example\r\n").status, 403);
  const auto preflight = [&](const std::string& origin) {
    return fetch(server.port(),
                 "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: " + origin +
                     "\r\nAccess-Control-Request-Method: POST\r\n"
                     "Access-Control-Request-Headers: authorization, x-stainless-os\r\n\r\n");
  };
  const Reply allowed = preflight("https://friend.example");
  EXPECT_EQ(allowed.status, 204) << "without a key: browsers send none";
  EXPECT_EQ(allowed.header("Access-Control-Allow-Origin"), "https://friend.example");
  EXPECT_EQ(allowed.header("Access-Control-Allow-Headers"), "authorization, x-stainless-os");
  EXPECT_NE(allowed.header("Access-Control-Allow-Methods").find("POST"), std::string::npos);
  EXPECT_EQ(preflight("https://foe.example").status, 403);
}

TEST(HttpServer, GoesByItsOwnNamesOnly) {
  HttpServerOptions options;
  options.allowed_hosts = {"box.lan"};
  const RunningServer server(routes(), options);
  const auto status = [&](const std::string& host) {
    return fetch(server.port(), "GET /health HTTP/1.1\r\nHost: " + host + "\r\n\r\n").status;
  };
  for (const char* host :
       {"localhost", "LocalHost:8080", "127.0.0.1:1", "[::1]:80", "box.lan:80"}) {
    EXPECT_EQ(status(host), 200) << host;
  }
  for (const char* host : {"evil.example", "evil.example:8080", "localhost.evil.example",
                           "127.0.0.1.evil.example", "192.168.1.2", "[::2]"}) {
    EXPECT_EQ(status(host), 403) << host;
  }
}

TEST(HttpServer, RefusesToServeTheWorldWithoutAKey) {
  HttpServerOptions options;
  for (const char* host : {"127.0.0.1", "127.1.2.3", "::1", "localhost", "my.localhost"}) {
    options.host = host;
    EXPECT_NO_THROW(check_exposure(options)) << host;
  }
  for (const char* host :
       {"0.0.0.0", "::", "192.168.1.2", "example.org", "localhost.example.org"}) {
    options.host = host;
    options.api_keys.clear();
    options.insecure = false;
    EXPECT_THROW(check_exposure(options), UsageError) << host;
    options.insecure = true;
    EXPECT_NO_THROW(check_exposure(options)) << host;
    options.insecure = false;
    options.api_keys = {"key"};
    EXPECT_NO_THROW(check_exposure(options)) << host;
  }
}

TEST(HttpServer, SaysWhyItCannotStart) {
  const RunningServer server(routes());
  HttpServerOptions taken;
  taken.port = server.port();
  EXPECT_THROW(HttpServer(taken, {}), Error);
  HttpServerOptions nowhere;
  nowhere.host = "192.0.2.1";
  nowhere.port = 0;
  EXPECT_THROW(HttpServer(nowhere, {}), Error);
  HttpServerOptions bad_key;
  bad_key.api_keys = {""};
  EXPECT_THROW(HttpServer(bad_key, {}), UsageError);
}

TEST(Sse, FramesEvents) {
  EXPECT_EQ(sse_data("{}"), "data: {}\n\n");
  EXPECT_EQ(sse_event("message_stop", "{}"), "event: message_stop\ndata: {}\n\n");
  EXPECT_EQ(sse_data("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(sse_data(""), "data: \n\n");
  EXPECT_EQ(sse_data("a\n"), "data: a\ndata: \n\n");
  EXPECT_EQ(sse_comment("x"), ": x\n\n");
}

}  // namespace
}  // namespace hearth
