/// \file  How a listener speaks TLS: its certificate, its key, and the rules.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trilby::net {

/// The server's side of TLS 1.2 and 1.3: ciphers with forward secrecy, no renegotiation, no compression, and no
/// resumption, so that no key but the certificate's outlives its connection. Server names (SNI) are ignored: there is
/// one certificate.
/// Threading: made on one; then shared by all. Ownership: of the key; nothing gives it out again.
class TlsContext {
 public:
  /// \param protocols  of ALPN, the first being the best; a peer that asks for others alone is refused (RFC 7301)
  /// \return Reason::Internal when OpenSSL gives none
  static Result<std::shared_ptr<TlsContext>> create(const std::vector<std::string_view>& protocols);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// Takes the server's own certificate and those that lead to its root, in this order, at most 16, in PEM.
  /// \return Reason::Manifest with what is wrong with them
  [[nodiscard]] Result<void> use_certificates(std::string_view pem);
  /// After use_certificates(). \return Reason::Manifest when it is none in PEM, has a passphrase, or is another's
  [[nodiscard]] Result<void> use_key(std::string_view pem);

  /// When the first of the certificates that are sent ends to be valid, and when the last begins to be; after
  /// use_certificates(). From the year 0 to 9999, which is more than a clock of nanoseconds can say.
  [[nodiscard]] std::chrono::sys_seconds valid_until() const { return valid_until_; }
  [[nodiscard]] std::chrono::sys_seconds valid_from() const { return valid_from_; }

 private:
  friend class TlsSession;
  struct Impl;
  TlsContext();
  std::unique_ptr<Impl> impl_;
  std::chrono::sys_seconds valid_from_ = std::chrono::sys_seconds::min();
  std::chrono::sys_seconds valid_until_ = std::chrono::sys_seconds::max();
};

}  // namespace trilby::net
