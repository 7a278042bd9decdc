#include "http/message_writer.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace trilby::http {

MessageWriter::MessageWriter(net::Loop& loop, net::Stream& stream, Pace pace, Owner& owner)
    : stream_(stream), owner_(owner), pace_(pace), begin_(loop), timer_(loop) {}

void MessageWriter::interim(std::string_view answer) {
  lead_ += answer;
  pump();
}

void MessageWriter::start(std::string_view head, BodyFraming framing, std::unique_ptr<BodySource> body) {
  lead_ += head;
  framing_ = framing;
  left_ = framing.length.value_or(0);
  const bool has_length = framing.kind == BodyFraming::Kind::Length;
  last_ = framing.kind == BodyFraming::Kind::None || (has_length && left_ == 0);
  body_ = last_ ? nullptr : std::move(body);
  active_ = true;
  begun_ = broken_ = false;
  pace_.restart();
  begin_.start([this] { pump(); });
}

void MessageWriter::on_writable() {
  pump();
}

void MessageWriter::stop() {
  begin_.cancel();
  timer_.cancel();
  full_since_.reset();
  lead_.clear();
  piece_.clear();
  tail_ = {};
  written_ = 0;
  body_.reset();
  active_ = pulling_ = broken_ = false;
}

void MessageWriter::pump() {
  std::size_t sent = 0;
  while (true) {
    if (active_ && !last_ && !pulling_ && piece_.empty()) {
      pull();
    }
    if (broken_) {
      return owner_.on_write_failed(Failure::Body);
    }
    if (sent >= net::Stream::kMostAtOnce && unsent() > 0) {
      note_progress(0, true);  // the socket may be too full to be called writable, though it took all
      return stream_.wait_writable();
    }
    sent += unsent();
    const Flushed flushed = flush();
    if (flushed == Flushed::Failed) {
      return owner_.on_write_failed(Failure::Broken);
    }
    if (flushed == Flushed::Blocked) {
      return;
    }
    if (active_ && last_) {
      active_ = false;
      body_.reset();
      return owner_.on_written();
    }
    if (!active_ || pulling_) {
      return;
    }
  }
}

void MessageWriter::pull() {
  pulling_ = inside_read_ = begun_ = true;
  body_->read([this](Result<BodySource::Chunk> chunk) { take(std::move(chunk)); });
  inside_read_ = false;
}

void MessageWriter::take(Result<BodySource::Chunk> chunk) {
  pulling_ = false;
  if (!chunk) {
    body_error_ = std::move(chunk).error();
    broken_ = true;
  } else if (!frame(std::move(*chunk))) {
    body_error_ = {Reason::Internal, "a body is not as long as it said"};
    broken_ = true;
  }
  if (!inside_read_) {
    pump();
  }
}

/// \return false when the body is not what was announced
bool MessageWriter::frame(BodySource::Chunk chunk) {
  last_ = chunk.last;
  piece_ = std::move(chunk.bytes);
  if (framing_.kind == BodyFraming::Kind::Length) {
    if (piece_.size() > left_) {
      return false;
    }
    left_ -= piece_.size();
    return !last_ || left_ == 0;
  }
  if (framing_.kind == BodyFraming::Kind::Chunked) {
    if (!piece_.empty()) {
      fmt::format_to(std::back_inserter(lead_), "{:x}\r\n", piece_.size());
      tail_ = last_ ? "\r\n0\r\n\r\n" : "\r\n";
    } else if (last_) {  // an empty piece in the middle would read as the end
      tail_ = "0\r\n\r\n";
    }
  }
  return true;
}

MessageWriter::Flushed MessageWriter::flush() {
  if (const std::size_t size = unsent(); size > 0) {
    std::array<std::string_view, 3> pieces{lead_, piece_, tail_};
    std::size_t skip = written_;
    for (std::string_view& piece : pieces) {
      const std::size_t gone = std::min(skip, piece.size());
      piece.remove_prefix(gone);
      skip -= gone;
    }
    const auto taken = stream_.write(pieces);
    if (!taken) {
      return Flushed::Failed;
    }
    written_ += *taken;
    begun_ = begun_ || *taken > 0;
    note_progress(*taken, *taken < size);
    if (*taken < size) {
      stream_.wait_writable();
      return Flushed::Blocked;
    }
  }
  lead_.clear();
  piece_.clear();
  tail_ = {};
  written_ = 0;
  return Flushed::All;
}

/// Bills the peer for the time that the socket was full, and nothing else.
void MessageWriter::note_progress(std::size_t bytes, bool blocked) {
  if (!blocked && !full_since_) {
    return pace_.moved(bytes);
  }
  const auto now = Clock::now();
  if (full_since_) {
    pace_.waited(now - *full_since_);
  }
  pace_.moved(bytes);
  full_since_ = blocked ? std::optional(now) : std::nullopt;
  if (blocked) {
    timer_.start(pace_.left(), [this] { owner_.on_write_failed(Failure::TooSlow); });
  } else {
    timer_.cancel();
  }
}

}  // namespace trilby::http
