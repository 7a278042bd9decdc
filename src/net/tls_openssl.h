/// \file  OpenSSL's objects as owned values. Private to net/.
#pragma once

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/tls_context.h"

namespace trilby::net {

template <auto release>
struct OpensslRelease {
  template <typename Object>
  void operator()(Object* object) const {
    release(object);
  }
};
using OwnedBio = std::unique_ptr<BIO, OpensslRelease<BIO_free_all>>;
using OwnedKey = std::unique_ptr<EVP_PKEY, OpensslRelease<EVP_PKEY_free>>;
using OwnedCertificate = std::unique_ptr<X509, OpensslRelease<X509_free>>;
using OwnedSsl = std::unique_ptr<SSL, OpensslRelease<SSL_free>>;
using OwnedSslContext = std::unique_ptr<SSL_CTX, OpensslRelease<SSL_CTX_free>>;

struct TlsContext::Impl {
  OwnedSslContext context;
  std::string protocols;  // each behind its length, as ALPN has them
};

}  // namespace trilby::net
