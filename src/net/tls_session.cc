#include "net/tls_session.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <sys/socket.h>

namespace trilby::net {
namespace {

constexpr std::size_t kRecord = 16 * 1024;           // the most text that one takes
constexpr std::size_t kWholeRecord = kRecord + 512;  // and around it
// What a handshake may need in all. A browser's takes 2 KiB.
constexpr std::size_t kMostHandshakeInput = 64 * 1024;
// Handshake messages in a row without text. A handshake has seven at most, and keys change once in many megabytes.
constexpr int kMostMessages = 32;

using observe::HandshakeEnd;

/// Whether what OpenSSL said last is that an alert came.
bool is_alert() {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET;
}

}  // namespace

/// What OpenSSL reads from and writes to.
struct TlsBio {
  static TlsSession& session(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    TlsSession& self = session(bio);
    if (self.messages_ > kMostMessages) {
      return -1;
    }
    const std::size_t count = std::min(self.end_ - self.begin_, static_cast<std::size_t>(std::max(size, 0)));
    if (count == 0) {
      if (self.input_ended_) {
        return 0;
      }
      BIO_set_retry_read(bio);
      return -1;
    }
    std::memcpy(into, self.input_.get() + self.begin_, count);
    self.begin_ += count;
    return static_cast<int>(count);
  }

  static int write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    ssize_t sent = 0;
    do {
      sent = send(session(bio).socket_, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EAGAIN) {
      BIO_set_retry_write(bio);
    }
    return static_cast<int>(sent);
  }

  static long control(BIO* bio, int what, long /*number*/, void* /*pointer*/) {
    switch (what) {
      case BIO_CTRL_FLUSH:
        return 1;
      case BIO_CTRL_EOF:
        return session(bio).input_ended_ ? 1 : 0;
      default:
        return 0;
    }
  }

  static void count_message(int is_sent, int /*version*/, int kind, const void* /*bytes*/, std::size_t /*size*/,
                            SSL* /*ssl*/, void* self) {
    if (is_sent == 0 && kind == SSL3_RT_HANDSHAKE) {
      ++static_cast<TlsSession*>(self)->messages_;
    }
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const kMethod = [] {
      BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
      if (made == nullptr) {
        throw std::bad_alloc();
      }
      BIO_meth_set_read(made, read);
      BIO_meth_set_write(made, write);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    return kMethod;
  }
};

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, int socket)
    : context_(std::move(context)), socket_(socket), ssl_(SSL_new(context_->impl_->context.get())) {
  BIO* const bio = BIO_new(TlsBio::method());
  if (!ssl_ || bio == nullptr) {
    BIO_free(bio);
    throw std::bad_alloc();
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
  SSL_set_msg_callback(ssl_.get(), TlsBio::count_message);
  SSL_set_msg_callback_arg(ssl_.get(), this);
}

std::span<char> TlsSession::input_room(std::size_t most) {
  const std::size_t wanted = std::min(most, kWholeRecord);
  if (capacity_ != wanted) {
    input_ = std::make_unique_for_overwrite<char[]>(wanted);
    capacity_ = wanted;
  }
  begin_ = end_ = 0;  // OpenSSL keeps what is no whole record
  return {input_.get(), capacity_};
}

void TlsSession::take_input(std::size_t bytes) {
  end_ = bytes;
  wants_input_ = false;
  if (is_shaking_hands_) {
    handshake_input_ += bytes;
  }
}

void TlsSession::end_input() {
  input_ended_ = true;
  wants_input_ = false;
}

TlsSession::Outcome TlsSession::read(std::span<char> into, std::size_t& got) {
  got = 0;
  if (is_broken_ || (is_shaking_hands_ && handshake_input_ > kMostHandshakeInput)) {
    return broken(HandshakeEnd::Protocol);
  }
  ERR_clear_error();
  const int returned = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
  is_shaking_hands_ = is_shaking_hands_ && SSL_is_init_finished(ssl_.get()) == 0;
  if (returned != 1) {
    const Outcome outcome = outcome_of(returned);
    // The beginning of a handshake's message, without its end. Nobody sends one so, and OpenSSL would keep room for all
    // that it announces and write nothing before it has come.
    const bool is_cut = outcome == Outcome::WantsInput && !is_shaking_hands_ && SSL_in_init(ssl_.get()) == 1;
    return is_cut ? broken(HandshakeEnd::Protocol) : outcome;
  }
  messages_ = 0;
  wants_input_ = begin_ == end_ && !input_ended_ && SSL_has_pending(ssl_.get()) == 0;
  return Outcome::Text;
}

TlsSession::Outcome TlsSession::outcome_of(int returned) {
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      wants_input_ = true;
      return Outcome::WantsInput;
    case SSL_ERROR_WANT_WRITE:
      return Outcome::WantsRoom;
    case SSL_ERROR_ZERO_RETURN:
      return is_shaking_hands_ ? broken(HandshakeEnd::Closed) : Outcome::Ended;
    case SSL_ERROR_SYSCALL:  // ours: the socket is gone, or it was enough
      return broken(messages_ > kMostMessages ? HandshakeEnd::Protocol : HandshakeEnd::Closed);
    default:
      return broken(is_alert() ? HandshakeEnd::Refused : HandshakeEnd::Protocol);
  }
}

TlsSession::Outcome TlsSession::broken(HandshakeEnd why) {
  if (!is_broken_) {
    failure_ = why;
  }
  is_broken_ = true;
  wants_input_ = false;
  return Outcome::Failed;
}

/// Small pieces share a record, and with it a system call.
std::optional<std::size_t> TlsSession::write(std::span<const std::string_view> pieces, std::size_t most) {
  thread_local std::array<char, kRecord> gathered;
  std::size_t taken = 0;
  std::size_t piece = 0;
  std::size_t at = 0;  // in it
  while (true) {
    while (piece < pieces.size() && at == pieces[piece].size()) {
      ++piece;
      at = 0;
    }
    if (piece == pieces.size() || taken + kRecord > most) {
      return taken;
    }
    std::string_view next = pieces[piece].substr(at);
    if (next.size() < kRecord && piece + 1 < pieces.size()) {
      std::size_t size = 0;
      for (std::size_t i = piece; i < pieces.size() && size < kRecord; ++i) {
        const std::string_view part = pieces[i].substr(i == piece ? at : 0, kRecord - size);
        std::copy(part.begin(), part.end(), gathered.begin() + static_cast<std::ptrdiff_t>(size));
        size += part.size();
      }
      next = {gathered.data(), size};
    }
    std::size_t written = 0;
    ERR_clear_error();
    const int returned = SSL_write_ex(ssl_.get(), next.data(), next.size(), &written);
    if (returned != 1) {
      if (outcome_of(returned) == Outcome::WantsRoom) {
        return taken;
      }
      broken(HandshakeEnd::Closed);  // also when it asks for input, which no socket that takes more would bring
      return std::nullopt;
    }
    taken += written;
    for (std::size_t left = written; left > 0;) {
      const std::size_t step = std::min(left, pieces[piece].size() - at);
      at += step;
      left -= step;
      if (at == pieces[piece].size() && left > 0) {
        ++piece;
        at = 0;
      }
    }
  }
}

void TlsSession::end_output() {
  if (!is_shaking_hands_ && !is_broken_ && (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) == 0) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
}

std::string_view TlsSession::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

}  // namespace trilby::net
