#include "server/http/connection.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/beast/core/string.hpp>
#include <exception>
#include <utility>

#include "server/http/server_log.h"

namespace hearth {
namespace {

using std::chrono::milliseconds;

/// A connection that was accepted last moment may have a request on the way.
constexpr auto kDrainGrace = milliseconds(1000);
constexpr auto kDrainLinger = milliseconds(500);
constexpr size_t kKeptBytes = 64 << 10;  // of a buffer, between two uses

/// A client's own id goes into logs and headers, so it is short and plain.
bool is_request_id(std::string_view id) {
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-_.:").find(c) != std::string_view::npos;
  };
  return !id.empty() && id.size() <= 128 && std::ranges::all_of(id, is_plain);
}

HttpProblem too_slow(const std::string& what) {
  return {408, "timeout", fmt::format("The {} of the request did not arrive in time.", what)};
}

double seconds_between(std::chrono::steady_clock::time_point begin,
                       std::chrono::steady_clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

Connection::Connection(ServerState& server, std::unique_ptr<Transport> transport,
                       std::string client, bool refused)
    : server_(server),
      transport_(std::move(transport)),
      client_(std::move(client)),
      timer_(server.context),
      deadline_(Clock::now() + server.options.times.header),
      refused_(refused) {}

void Connection::start() {
  transport_->open([self = shared_from_this()](const Transport::Error& error) {
    self->opened_ = true;
    if (error) self->failure_ = error.message();
    self->wake();
  });
  arm();
}

void Connection::wake() {
  if (woken_ || phase_ == Phase::kClosed) return;
  woken_ = true;
  boost::asio::post(server_.context, [self = shared_from_this()] { self->step(); });
}

void Connection::fail(const std::string& reason) {
  if (failure_.empty()) failure_ = reason;
  wake();
}

void Connection::step() {
  woken_ = false;
  try {
    while (phase_ != Phase::kClosed && advance()) {
    }
    if (phase_ == Phase::kClosed) return;
    read_more();
    arm();
  } catch (const std::exception& error) {
    server_.log->error(exchange_ ? exchange_->request().id : "", error.what());
    cut();
  }
}

bool Connection::advance() {
  if (!failure_.empty()) return cut();
  switch (phase_) {
    case Phase::kOpening: return open();
    case Phase::kIdle: return idle();
    case Phase::kHead: return read_head();
    case Phase::kBody: return read_body();
    case Phase::kAnswer: return answer();
    case Phase::kClosing: return finish_closing();
    case Phase::kClosed: break;
  }
  return false;
}

bool Connection::open() {
  if (!opened_) return Clock::now() >= deadline_ && cut();
  if (refused_) {
    parser_.emplace(server_.options.bounds);
    return refuse(
        {503, "overloaded", "The server has too many connections.", {{"Retry-After", "1"}}}, false);
  }
  phase_ = Phase::kIdle;  // the first request comes within the time of a head
  return true;
}

bool Connection::idle() {
  size_t blank = 0;  // old clients end a body with an empty line
  while (input_.compare(blank, 2, "\r\n") == 0) blank += 2;
  input_.erase(0, blank);
  if (!input_.empty()) {
    parser_.emplace(server_.options.bounds);
    begun_ = Clock::now();
    deadline_ = begun_ + server_.options.times.header;
    phase_ = Phase::kHead;
    return true;
  }
  if (server_.draining) {
    deadline_ = served_ > 0 ? Clock::now() : std::min(deadline_, server_.drain_begin + kDrainGrace);
  }
  if (input_ended_ || Clock::now() >= deadline_) return close();
  return false;
}

bool Connection::read_head() {
  try {
    parser_->take(input_);
    if (parser_->head_done()) return accept_head();
  } catch (const HttpProblem& problem) {
    return refuse(problem, false);  // where the next request begins is anybody's guess
  }
  if (input_ended_) return close();
  if (Clock::now() >= deadline_) return refuse(too_slow("head"), false);
  return false;
}

bool Connection::accept_head() {
  const HttpRequest& request = parser_->request();
  if (const auto problem = check_head(request)) return refuse(*problem, parser_->done());
  if (route_ == nullptr) {  // OPTIONS
    const std::string methods = server_.routes.methods(request.path);
    const HttpResponse response = server_.gatekeeper.preflight(request, methods);
    make_exchange(parser_->done());
    exchange_->respond(response);
    return true;
  }
  parser_->limit_body(route_->body_bytes_max);
  if (!parser_->done() && input_.empty() && !request.header("Expect").empty()) {
    send("HTTP/1.1 100 Continue\r\n\r\n");
  }
  body_begun_ = Clock::now();
  phase_ = Phase::kBody;
  return true;
}

std::optional<HttpProblem> Connection::check_head(const HttpRequest& request) {
  route_ = nullptr;
  if (auto problem = server_.gatekeeper.check_caller(request)) return problem;
  if (request.method == "OPTIONS") return std::nullopt;
  if (!server_.routes.has_path(request.path)) {
    return HttpProblem{404, "not_found", fmt::format("There is nothing at '{}'.", request.path)};
  }
  const Route* route = server_.routes.find(request.path, request.method);
  if (route == nullptr) {
    const std::string methods = server_.routes.methods(request.path);
    return HttpProblem{
        405,
        "method_not_allowed",
        fmt::format("'{}' does not answer {}, only {}.", request.path, request.method, methods),
        {{"Allow", methods}}};
  }
  if (!route->open) {
    if (auto problem = server_.gatekeeper.check_key(request)) return problem;
  }
  const bool sends = route->method == "POST" || route->method == "PUT" || route->method == "PATCH";
  if (sends && !parser_->has_length()) {
    return HttpProblem{411, "length_required",
                       "The request says no Content-Length. Send one, 0 for an empty body."};
  }
  const std::string_view expectation = request.header("Expect");
  if (!expectation.empty() && !boost::beast::iequals(expectation, "100-continue")) {
    return HttpProblem{417, "expectation_failed",
                       fmt::format("The expectation '{}' is not known.", expectation)};
  }
  route_ = route;
  return std::nullopt;
}

bool Connection::read_body() {
  try {
    if (!parser_->done()) parser_->take(input_);
  } catch (const HttpProblem& problem) {
    return refuse(problem, false);
  }
  count_body();
  const HttpBounds& bounds = server_.options.bounds;
  if (server_.body_bytes > bounds.bodies_bytes_max) {
    return refuse(
        {503, "overloaded", "The server holds too many large requests.", {{"Retry-After", "1"}}},
        false);
  }
  if (parser_->done()) {
    dispatch();
    return true;
  }
  if (input_ended_) return close();
  const auto earned = milliseconds(counted_bytes_ * 1000 / bounds.body_rate_min);
  deadline_ = body_begun_ + server_.options.times.body + earned;
  if (Clock::now() >= deadline_) return refuse(too_slow("body"), false);
  return false;
}

void Connection::count_body() {
  const size_t bytes = parser_->request().body.size();
  server_.body_bytes += bytes - counted_bytes_;
  counted_bytes_ = bytes;
}

void Connection::make_exchange(bool keep_alive) {
  HttpRequest request = std::move(parser_->request());
  const std::string_view id = request.header("x-request-id");
  request.id = is_request_id(id) ? std::string(id) : server_.next_request_id();
  request.client = client_;
  HttpExchange::Form form;
  form.http11 = parser_->is_http11();
  form.keep_alive =
      keep_alive && form.http11 && parser_->keep_alive() && !server_.draining && !input_ended_;
  form.headers = server_.gatekeeper.cors_headers(request);
  form.queue_bytes = server_.options.bounds.queue_bytes;
  form.queue_bytes_max = server_.options.bounds.queue_bytes_max;
  exchange_ =
      std::make_shared<HttpExchange>(std::move(request), std::move(form), *this, server_.mailbox);
  parser_.reset();
  if (input_.empty()) input_.shrink_to_fit();  // answers may take long, and many wait for them
  answer_bytes_ = 0;
  first_byte_.reset();
  last_progress_ = Clock::now();
  phase_ = Phase::kAnswer;
}

void Connection::dispatch() {
  make_exchange(true);
  guard([this, exchange = exchange_] { route_->handle(exchange); });
}

bool Connection::refuse(const HttpProblem& problem, bool keep_alive) {
  make_exchange(keep_alive);
  tell(problem, *exchange_);
  return true;
}

void Connection::tell(const HttpProblem& problem, HttpExchange& exchange) {
  const HttpRequest& request = exchange.request();
  const ErrorForm form = server_.routes.error_form(request.path);
  exchange.respond(to_response(problem, form, request.id));
}

void Connection::guard(const std::function<void()>& call) {
  const auto self = shared_from_this();  // the call may end the connection
  const auto exchange = exchange_;
  HttpProblem problem = {500, "internal_error", "The server failed. Its log says more."};
  std::string what;
  try {
    call();
    return;
  } catch (const ApiError& error) {
    problem = to_problem(error);
    if (problem.status == 500) what = error.what();
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "an exception of an unknown kind";
  }
  if (!what.empty()) server_.log->error(exchange ? exchange->request().id : "", what);
  if (!exchange) return;
  if (!exchange->begun()) {
    tell(problem, *exchange);
  } else if (!exchange->ended()) {
    fail("its handler failed in the middle of the answer");
  }
}

bool Connection::answer() {
  if (exchange_->ended() && unsent_bytes() == 0) return end_answer();
  check_half_close();
  const HttpTimes& times = server_.options.times;
  const auto now = Clock::now();
  if (unsent_bytes() > 0 && now >= last_progress_ + times.send) {
    fail("the client does not read");
    return true;
  }
  const auto comment = exchange_->next_comment(times.comment);
  if (comment && now >= *comment) exchange_->comment();
  // Nothing that is sent wakes the machine, it looks again after the shorter of the two times.
  deadline_ = now + std::min(times.send, times.comment);
  if (unsent_bytes() > 0) deadline_ = std::min(deadline_, last_progress_ + times.send);
  if (comment && now < *comment) deadline_ = std::min(deadline_, *comment);
  return false;
}

bool Connection::end_answer() {
  const bool keep_alive = exchange_->keep_alive();
  release_exchange(true);
  ++served_;
  if (!keep_alive || server_.draining) return close();
  deadline_ = Clock::now() + server_.options.times.idle;
  phase_ = Phase::kIdle;
  return true;
}

/// The end of the input is not the end of the client: it may only have no more to ask. One that
/// has closed its socket answers whatever it is sent with a reset.
void Connection::check_half_close() {
  if (!input_ended_ || half_close_checked_) return;
  half_close_checked_ = true;
  if (!transport_->has_half_close()) return fail("the client has gone");
  transport_->watch_reset([self = shared_from_this()] { self->fail("the client has gone"); });
  if (unsent_bytes() == 0) exchange_->probe();
}

bool Connection::close() {
  release_exchange(false);
  input_.clear();
  discards_input_ = true;
  transport_->finish([self = shared_from_this()](const Transport::Error&) {
    self->finished_ = true;
    self->wake();
  });
  const auto linger = server_.options.times.linger;
  deadline_ = Clock::now() + (server_.draining ? std::min(linger, kDrainLinger) : linger);
  phase_ = Phase::kClosing;
  return true;
}

/// To close a socket that the client still writes to would take back what it has not yet read.
bool Connection::finish_closing() {
  if ((finished_ && input_ended_) || Clock::now() >= deadline_) return cut();
  return false;
}

bool Connection::cut() {
  if (phase_ == Phase::kClosed) return false;
  const auto self = shared_from_this();
  release_exchange(false);
  phase_ = Phase::kClosed;
  timer_.cancel();
  transport_->close();
  server_.connections.erase(self);
  if (server_.connections.empty() && server_.on_last_closed) server_.on_last_closed();
  return false;
}

void Connection::release_exchange(bool complete) {
  if (const auto exchange = std::exchange(exchange_, nullptr)) {
    if (server_.log->logs_access()) {
      const HttpRequest& request = exchange->request();
      AccessRecord record = {request.id, client_, request.method, request.path};
      const auto now = Clock::now();
      record.status = exchange->status();
      record.complete = complete;
      record.bytes_in = counted_bytes_;
      record.bytes_out = answer_bytes_ - std::min<uint64_t>(answer_bytes_, unsent_bytes());
      record.first_byte_seconds = seconds_between(begun_, first_byte_.value_or(now));
      record.seconds = seconds_between(begun_, now);
      server_.log->access(record);
    }
    exchange->detach();
  }
  server_.body_bytes -= std::exchange(counted_bytes_, 0);
}

void Connection::read_more() {
  const bool has_room = input_.size() < server_.options.bounds.pipelined_bytes_max;
  if (!opened_ || reading_ || input_ended_ || !(has_room || discards_input_)) return;
  reading_ = true;
  transport_->read(
      [self = shared_from_this()](const Transport::Error& error, std::string_view bytes) {
        self->reading_ = false;
        if (error == boost::asio::error::eof) {
          self->input_ended_ = true;
        } else if (error) {
          self->fail(error.message());
        } else if (!self->discards_input_) {
          self->input_ += bytes;
        }
        self->wake();
      });
}

void Connection::send(std::string bytes) {
  if (!failure_.empty()) return;
  answer_bytes_ += bytes.size();
  if (!first_byte_ && exchange_ && exchange_->begun()) first_byte_ = Clock::now();
  if (output_.empty()) {
    output_ = std::move(bytes);
  } else {
    output_ += bytes;
  }
  send_more();
}

void Connection::send_more() {
  if (!sending_.empty() || output_.empty() || !failure_.empty()) return;
  sending_.swap(output_);
  last_progress_ = Clock::now();
  write_on();
}

void Connection::write_on() {
  transport_->write(std::string_view(sending_).substr(sent_bytes_),
                    [self = shared_from_this()](const Transport::Error& error, size_t bytes) {
                      self->on_sent(error, bytes);
                    });
}

void Connection::on_sent(const Transport::Error& error, size_t bytes) {
  if (error) return fail(error.message());
  if (phase_ == Phase::kClosed) return;
  sent_bytes_ += bytes;
  last_progress_ = Clock::now();
  if (sent_bytes_ < sending_.size()) {
    write_on();
  } else {
    sending_.clear();
    if (sending_.capacity() > kKeptBytes) sending_.shrink_to_fit();
    sent_bytes_ = 0;
    send_more();
  }
  if (!exchange_) return;
  exchange_->sent();
  if (exchange_ && exchange_->ended() && unsent_bytes() == 0) wake();
}

void Connection::arm() {
  if (deadline_ >= armed_for_) return;
  armed_for_ = deadline_;
  timer_.expires_at(deadline_);
  timer_.async_wait([self = shared_from_this()](const Transport::Error& error) {
    if (error) return;
    self->armed_for_ = Clock::time_point::max();
    self->step();
  });
}

}  // namespace hearth
