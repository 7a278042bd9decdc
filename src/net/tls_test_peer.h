/// \file  Certificates, and clients of TLS, for tests.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/socket.h"
#include "net/tls_context.h"
#include "net/tls_openssl.h"

namespace trilby::net {

struct TestCertificate {
  std::string certificate;  ///< PEM
  std::string key;          ///< PEM
};
/// Signed by itself. \param valid_for  from now on; may be negative \param rsa_bits  0: an elliptic curve instead
[[nodiscard]] TestCertificate make_test_certificate(std::chrono::seconds valid_for = std::chrono::hours(1),
                                                    unsigned rsa_bits = 0);
/// With a certificate of its own.
[[nodiscard]] std::shared_ptr<const TlsContext> make_test_context(const std::vector<std::string_view>& protocols = {});

/// A blocking client on one end of a connection. It trusts everybody. Every call gives up after 10 s.
class TlsTestClient {
 public:
  struct Options {
    std::string protocols = {};  ///< of ALPN, each behind its length, as in "\x02h2"; empty: no ALPN
    int least = 0;               ///< version of TLS; 0: any
    int most = 0;
  };
  explicit TlsTestClient(Socket socket) : TlsTestClient(std::move(socket), Options()) {}
  TlsTestClient(Socket socket, const Options& options);

  /// \return whether it went well; if not, error() says why
  bool shake_hands();
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] std::string protocol() const;  ///< that ALPN chose

  bool send(std::string_view text);
  std::string read_some();                     ///< empty: the end, or an error()
  std::string read_exactly(std::size_t size);  ///< less: the end, or an error()
  bool was_told_the_end();                     ///< reads on, to the end; whether that was a farewell (close_notify)
  void end_output();                           ///< sends a farewell; reading goes on
  [[nodiscard]] SSL* ssl() { return ssl_.get(); }
  [[nodiscard]] const Socket& socket() const { return socket_; }
  void reset();  ///< closes so that the other end sees a reset

 private:
  void note_error(int returned);
  Socket socket_;
  OwnedSslContext context_;
  OwnedSsl ssl_;
  std::string error_;
};

}  // namespace trilby::net
