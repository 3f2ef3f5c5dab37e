// An exchange over a connection of HTTP/1: heads, chunks, comments in silent streams.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "server/http/exchange.h"
#include "server/http/mailbox.h"
#include "server/http/response_head.h"

namespace hearth {

/// What an exchange needs of its connection.
class AnswerLine {
 public:
  virtual ~AnswerLine() = default;

  virtual void send(std::string bytes) = 0;
  virtual size_t unsent_bytes() const = 0;
  /// Nothing follows after what was sent.
  virtual void answer_ended() = 0;
  /// Cuts the connection: the exchange cannot end as HTTP wants it.
  virtual void fail(const std::string& reason) = 0;
  /// Calls code that may throw.
  virtual void guard(const std::function<void()>& call) = 0;
};

class HttpExchange : public Exchange {
 public:
  using Clock = std::chrono::steady_clock;

  struct Form {
    bool http11 = true;
    bool keep_alive = true;
    HttpHeaders headers = {};  // of every answer
    size_t queue_bytes = 0;
    size_t queue_bytes_max = 0;
  };

  HttpExchange(HttpRequest request, Form form, AnswerLine& line, std::shared_ptr<Mailbox> mailbox);

  void respond(HttpResponse response) override;
  void begin_stream(HttpResponse head) override;
  void write(std::string piece) override;
  void end() override;
  size_t queued_bytes() const override;
  bool congested() const override { return congested_; }
  void post(std::function<void()> task) override;

  // For the connection.

  bool begun() const { return begun_; }
  bool ended() const { return ended_; }
  int status() const { return status_; }
  bool keep_alive() const { return form_.keep_alive; }
  /// The client has taken some bytes.
  void sent();
  /// When a comment is due, if nothing is written until then; none where there is no place for one.
  std::optional<Clock::time_point> next_comment(Clock::duration silence) const;
  void comment();
  /// Sends something that no client minds, where there is such a thing: one that has closed its
  /// end entirely answers with a reset.
  void probe();
  /// The connection is done with this exchange. Calls on_gone() when the answer had not ended.
  void detach();

 private:
  void check_first() const;
  std::string head(const HttpResponse& response, std::optional<size_t> length);
  void send_piece(const std::string& piece);
  bool takes_comments() const;

  Form form_;
  AnswerLine* line_;  // none once the connection is done with this
  std::shared_ptr<Mailbox> mailbox_;
  bool begun_ = false;
  bool ended_ = false;
  bool has_body_ = true;
  bool cut_short_ = false;  // a stream that is only asked for its head
  bool chunked_ = false;
  bool events_ = false;         // the pieces are server-sent events,
  bool between_events_ = true;  // and the last one is whole
  bool congested_ = false;
  int status_ = 0;
  Clock::time_point last_write_ = {};
};

}  // namespace hearth
