// A connection of HTTP/1.1, as a small machine: whatever happens (bytes, a deadline, the end of an
// answer) wakes it, and it goes on from the phase that it is in. Requests are answered one after
// the other; what a client sends ahead waits.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/http/http_exchange.h"
#include "server/http/http_problem.h"
#include "server/http/request_parser.h"
#include "server/http/server_state.h"
#include "server/http/transport.h"

namespace hearth {

class Connection : public AnswerLine, public std::enable_shared_from_this<Connection> {
 public:
  /// `refused`: there are too many connections; says so and closes.
  Connection(ServerState& server, std::unique_ptr<Transport> transport, std::string client,
             bool refused);

  void start();
  /// Makes the machine look around, soon.
  void wake();

  void send(std::string bytes) override;
  size_t unsent_bytes() const override { return output_.size() + sending_.size() - sent_bytes_; }
  void answer_ended() override { wake(); }
  /// Ends the connection, whatever is going on.
  void fail(const std::string& reason) override;
  void guard(const std::function<void()>& call) override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase : uint8_t { kOpening, kIdle, kHead, kBody, kAnswer, kClosing, kClosed };

  void step();
  /// One for each phase: true when there is more to do at once, false to wait until `deadline_`.
  bool advance();
  bool open();
  bool idle();
  bool read_head();
  bool read_body();
  bool answer();
  bool finish_closing();

  bool accept_head();
  std::optional<HttpProblem> check_head(const HttpRequest& request);
  void dispatch();
  void make_exchange(bool keep_alive);
  bool refuse(const HttpProblem& problem, bool keep_alive);
  void tell(const HttpProblem& problem, HttpExchange& exchange);
  bool end_answer();
  void check_half_close();
  void count_body();
  bool close();
  bool cut();
  void release_exchange(bool complete);

  void read_more();
  void send_more();
  void write_on();
  void on_sent(const Transport::Error& error, size_t bytes);
  void arm();

  ServerState& server_;
  std::unique_ptr<Transport> transport_;
  std::string client_;
  boost::asio::steady_timer timer_;
  Phase phase_ = Phase::kOpening;
  Clock::time_point deadline_;
  Clock::time_point armed_for_ = Clock::time_point::max();
  bool woken_ = false;
  bool refused_;

  std::string input_;  // not yet taken
  bool reading_ = false;
  bool opened_ = false;
  bool input_ended_ = false;
  bool half_close_checked_ = false;
  bool discards_input_ = false;
  std::string failure_;  // why the connection is of no use any more; not empty then

  std::string output_;   // to be sent after
  std::string sending_;  // these, of which
  size_t sent_bytes_ = 0;
  Clock::time_point last_progress_;
  bool finished_ = false;

  std::optional<RequestParser> parser_;
  const Route* route_ = nullptr;
  std::shared_ptr<HttpExchange> exchange_;
  size_t counted_bytes_ = 0;  // of the body, in server_.body_bytes
  uint64_t answer_bytes_ = 0;
  int64_t served_ = 0;
  Clock::time_point begun_;  // the request
  Clock::time_point body_begun_;
  std::optional<Clock::time_point> first_byte_;
};

}  // namespace hearth
