#include "net/tls_test_peer.h"

#include <array>
#include <csignal>
#include <utility>

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/socket.h>

namespace trilby::net {
namespace {

template <typename Write>
std::string as_pem(const Write& write) {
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(write(bio.get()), 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

TestCertificate make_test_certificate(std::chrono::seconds valid_for, unsigned rsa_bits) {
  const OwnedKey key(rsa_bits == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(rsa_bits));
  const OwnedCertificate certificate(X509_new());
  X509* const made = certificate.get();
  X509_set_version(made, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
  X509_gmtime_adj(X509_getm_notBefore(made), -7200);
  X509_gmtime_adj(X509_getm_notAfter(made), valid_for.count());
  X509_set_pubkey(made, key.get());
  X509_NAME* const name = X509_get_subject_name(made);
  constexpr std::array<unsigned char, 5> kName = {'t', 'e', 's', 't', 0};
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, kName.data(), -1, -1, 0);
  X509_set_issuer_name(made, name);
  EXPECT_GT(X509_sign(made, key.get(), EVP_sha256()), 0);
  return {as_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, made); }), as_pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

std::shared_ptr<const TlsContext> make_test_context(const std::vector<std::string_view>& protocols) {
  const TestCertificate pair = make_test_certificate();
  auto context = TlsContext::create(protocols).value();
  EXPECT_TRUE(context->use_certificates(pair.certificate));
  EXPECT_TRUE(context->use_key(pair.key));
  return context;
}

TlsTestClient::TlsTestClient(Socket socket, const Options& options)
    : socket_(std::move(socket)), context_(SSL_CTX_new(TLS_client_method())) {
  (void)std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets as to files
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  SSL_CTX_set_security_level(context_.get(), 0);  // so that it can ask for what servers refuse
  SSL_CTX_set_cipher_list(context_.get(), "ALL:@SECLEVEL=0");
  SSL_CTX_set_min_proto_version(context_.get(), options.least);
  SSL_CTX_set_max_proto_version(context_.get(), options.most);
  ssl_.reset(SSL_new(context_.get()));
  if (!options.protocols.empty()) {
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(options.protocols.data()),
                        static_cast<unsigned>(options.protocols.size()));
  }
  SSL_set_fd(ssl_.get(), socket_.get());
}

void TlsTestClient::note_error(int returned) {
  const int kind = SSL_get_error(ssl_.get(), returned);
  const char* const text = ERR_reason_error_string(ERR_peek_error());
  error_ = kind == SSL_ERROR_ZERO_RETURN ? "" : text != nullptr ? text : "the connection is gone";
}

bool TlsTestClient::shake_hands() {
  ERR_clear_error();
  const int returned = SSL_connect(ssl_.get());
  if (returned != 1) {
    note_error(returned);
  }
  return returned == 1;
}

std::string TlsTestClient::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

bool TlsTestClient::send(std::string_view text) {
  std::size_t written = 0;
  ERR_clear_error();
  const int returned = SSL_write_ex(ssl_.get(), text.data(), text.size(), &written);
  if (returned != 1) {
    note_error(returned);
  }
  return returned == 1;
}

std::string TlsTestClient::read_some() {
  std::string text(16 * 1024, '\0');
  std::size_t got = 0;
  ERR_clear_error();
  const int returned = SSL_read_ex(ssl_.get(), text.data(), text.size(), &got);
  if (returned != 1) {
    note_error(returned);
  }
  text.resize(got);
  return text;
}

std::string TlsTestClient::read_exactly(std::size_t size) {
  std::string text;
  while (text.size() < size) {
    const std::string more = read_some();
    if (more.empty()) {
      break;
    }
    text += more;
  }
  return text;
}

bool TlsTestClient::was_told_the_end() {
  while (!read_some().empty()) {
  }
  return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void TlsTestClient::end_output() {
  SSL_shutdown(ssl_.get());
}

void TlsTestClient::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  socket_.close();
}

}  // namespace trilby::net
