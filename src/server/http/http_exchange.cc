#include "server/http/http_exchange.h"

#include <fmt/core.h>

#include <stdexcept>
#include <utility>

#include "base/check.h"
#include "server/http/sse.h"

namespace hearth {

HttpExchange::HttpExchange(HttpRequest request, Form form, AnswerLine& line,
                           std::shared_ptr<Mailbox> mailbox)
    : Exchange(std::move(request)),
      form_(std::move(form)),
      line_(&line),
      mailbox_(std::move(mailbox)),
      has_body_(request_.method != "HEAD") {}

std::string HttpExchange::head(const HttpResponse& response, std::optional<size_t> length) {
  status_ = response.status;
  // The end of an answer of unknown length is, without chunks, the end of the connection.
  chunked_ = !length && form_.http11;
  if (!length && !chunked_) form_.keep_alive = false;
  if (response.status == 204 || response.status == 304) {
    length.reset();
    chunked_ = false;
    has_body_ = false;
  }
  return response_head(response, {length, chunked_, form_.keep_alive, request_.id, form_.headers});
}

/// Not a CHECK: who failed has been answered with a 500, and may hear from its other half later.
void HttpExchange::check_first() const {
  if (begun_) throw std::logic_error("a second answer to one request");
}

void HttpExchange::respond(HttpResponse response) {
  if (line_ == nullptr) return;
  check_first();
  begun_ = ended_ = true;
  std::string bytes = head(response, response.body.size());
  if (has_body_) bytes += response.body;
  line_->send(std::move(bytes));
  line_->answer_ended();
}

void HttpExchange::begin_stream(HttpResponse response) {
  if (line_ == nullptr) return;
  check_first();
  begun_ = true;
  events_ = response.content_type.starts_with(kSseType);
  last_write_ = Clock::now();
  line_->send(head(response, std::nullopt));
  if (!response.body.empty()) write(std::move(response.body));
  if (has_body_) return;
  // Nobody waits for the rest: whoever produces it hears that.
  ended_ = cut_short_ = true;
  line_->answer_ended();
}

void HttpExchange::write(std::string piece) {
  if (line_ == nullptr || ended_ || piece.empty()) return;
  CHECK(begun_);
  between_events_ = piece.ends_with("\n\n");
  last_write_ = Clock::now();
  send_piece(piece);
  const size_t queued = queued_bytes();
  if (queued > form_.queue_bytes_max) {
    line_->fail(fmt::format("{} bytes of a stream wait for a client that does not read", queued));
  }
  if (queued > form_.queue_bytes) congested_ = true;
}

void HttpExchange::send_piece(const std::string& piece) {
  if (!has_body_) return;
  line_->send(chunked_ ? fmt::format("{:x}\r\n{}\r\n", piece.size(), piece) : piece);
}

void HttpExchange::end() {
  if (line_ == nullptr || ended_) return;
  CHECK(begun_);
  ended_ = true;
  if (chunked_) line_->send("0\r\n\r\n");
  line_->answer_ended();
}

size_t HttpExchange::queued_bytes() const { return line_ == nullptr ? 0 : line_->unsent_bytes(); }

void HttpExchange::post(std::function<void()> task) {
  auto self = std::static_pointer_cast<HttpExchange>(shared_from_this());
  mailbox_->post([self = std::move(self), task = std::move(task)] {
    if (self->line_ != nullptr) self->line_->guard(task);
  });
}

void HttpExchange::sent() {
  if (!congested_ || queued_bytes() > form_.queue_bytes / 2) return;
  congested_ = false;
  if (drained_ && !ended_) line_->guard(drained_);
}

bool HttpExchange::takes_comments() const {
  return begun_ && !ended_ && events_ && between_events_ && has_body_;
}

std::optional<HttpExchange::Clock::time_point> HttpExchange::next_comment(
    Clock::duration silence) const {
  if (!takes_comments() || queued_bytes() > 0) return std::nullopt;
  return last_write_ + silence;
}

void HttpExchange::comment() {
  last_write_ = Clock::now();
  send_piece(sse_comment("keep-alive"));
}

void HttpExchange::probe() {
  if (takes_comments()) {
    comment();
  } else if (!begun_ && form_.http11) {
    line_->send("HTTP/1.1 100 Continue\r\n\r\n");
  }
}

void HttpExchange::detach() {
  AnswerLine* line = std::exchange(line_, nullptr);
  if (line == nullptr) return;
  const auto gone = std::exchange(gone_, nullptr);
  drained_ = nullptr;
  request_.body = {};  // others may hold the exchange for long
  if ((!ended_ || cut_short_) && gone) line->guard(gone);
}

}  // namespace hearth
