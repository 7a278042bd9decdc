#include "net/tls_context.h"

#include <algorithm>
#include <array>
#include <climits>
#include <ctime>
#include <optional>
#include <utility>

#include <openssl/pem.h>

#include "net/tls_openssl.h"

namespace trilby::net {
namespace {

constexpr std::size_t kMostCertificates = 16;
// All of TLS 1.2 that has forward secrecy and authenticates what it encrypts. TLS 1.3 has nothing else.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* kGroups = "X25519:P-256:P-384";

/// What OpenSSL said last, as in "ee key too small". Clears the rest.
std::string openssl_error() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const char* const text = ERR_reason_error_string(error);
  return text == nullptr ? "unknown error" : text;
}

/// Whether what OpenSSL said last is that there is no (further) block of PEM. Clears it.
bool is_end_of_pem() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

OwnedBio reader_of(std::string_view text) {
  return OwnedBio(BIO_new_mem_buf(text.data(), static_cast<int>(std::min<std::size_t>(text.size(), INT_MAX))));
}

std::optional<std::chrono::sys_seconds> moment(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1
             ? std::optional(std::chrono::sys_seconds(std::chrono::seconds(timegm(&parts))))
             : std::nullopt;
}

/// Nobody is there to be asked for a passphrase.
int note_passphrase(char* /*to*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

int choose_protocol(SSL* /*session*/, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void* data) {
  const std::string& ours = *static_cast<const std::string*>(data);
  unsigned char* found = nullptr;
  const int outcome = SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                            static_cast<unsigned>(ours.size()), offered, offered_size);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

TlsContext::TlsContext() : impl_(std::make_unique<Impl>()) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::create(const std::vector<std::string_view>& protocols) {
  // How TLS is spoken is ours to say, not a file's of the machine.
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  std::shared_ptr<TlsContext> made(new TlsContext());
  made->impl_->context.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = made->impl_->context.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, kCiphers) != 1 || SSL_CTX_set1_groups_list(context, kGroups) != 1) {
    return fail(Reason::Internal, "OpenSSL cannot be set up: {}", openssl_error());
  }
  SSL_CTX_set_security_level(context, 2);  // keys and digests of 112 bits and more
  // Whether a message is whole is for its own framing to say, so an end without a farewell is one too.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  for (const std::string_view protocol : protocols) {
    made->impl_->protocols += static_cast<char>(protocol.size());
    made->impl_->protocols += protocol;
  }
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, &made->impl_->protocols);
  return made;
}

Result<void> TlsContext::use_certificates(std::string_view pem) {
  SSL_CTX* const context = impl_->context.get();
  const OwnedBio text = reader_of(pem);
  std::size_t count = 0;
  ERR_clear_error();
  while (const OwnedCertificate certificate{PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)}) {
    if (++count > kMostCertificates) {
      return fail(Reason::Manifest, "holds more than {} certificates", kMostCertificates);
    }
    const bool is_taken = count == 1 ? SSL_CTX_use_certificate(context, certificate.get()) == 1
                                     : SSL_CTX_add1_chain_cert(context, certificate.get()) == 1;
    if (!is_taken) {
      return fail(Reason::Manifest, "holds a certificate that OpenSSL refuses: {}", openssl_error());
    }
    const auto from = moment(X509_get0_notBefore(certificate.get()));
    const auto until = moment(X509_get0_notAfter(certificate.get()));
    if (!from || !until) {
      ERR_clear_error();
      return fail(Reason::Manifest, "holds a certificate that does not say when it is valid");
    }
    valid_from_ = std::max(valid_from_, *from);
    valid_until_ = std::min(valid_until_, *until);
  }
  if (!is_end_of_pem()) {
    return fail(Reason::Manifest, "holds a certificate that cannot be read");
  }
  if (count == 0) {
    return fail(Reason::Manifest, "holds no certificate in PEM (\"-----BEGIN CERTIFICATE-----\")");
  }
  return {};
}

Result<void> TlsContext::use_key(std::string_view pem) {
  const OwnedBio text = reader_of(pem);
  bool has_passphrase = false;
  ERR_clear_error();
  const OwnedKey key(PEM_read_bio_PrivateKey(text.get(), nullptr, note_passphrase, &has_passphrase));
  if (has_passphrase) {
    ERR_clear_error();
    return fail(Reason::Manifest, "holds a private key with a passphrase, which nobody is asked for");
  }
  if (!key) {
    ERR_clear_error();
    const bool claims_one = pem.find("PRIVATE KEY-----") != std::string_view::npos;
    return claims_one ? fail(Reason::Manifest, "holds a private key that cannot be read")
                      : fail(Reason::Manifest, "holds no private key in PEM (\"-----BEGIN PRIVATE KEY-----\")");
  }
  SSL_CTX* const context = impl_->context.get();
  if (X509_check_private_key(SSL_CTX_get0_certificate(context), key.get()) != 1) {
    ERR_clear_error();
    return fail(Reason::Manifest, "holds another key than that of the first certificate");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return fail(Reason::Manifest, "holds a private key that OpenSSL refuses: {}", openssl_error());
  }
  return {};
}

}  // namespace trilby::net
